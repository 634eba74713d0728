# SPDX-License-Identifier: BSD-3-Clause
# lib_dns.sh - what the DNS server tests share; sourced after lib.sh.

dns_zone()
{
	cat >"$tmp/test.zone" <<-ZONE
	\$ORIGIN test.
	\$TTL 60
	@ SOA ns.test. admin.test. 1 3600 600 86400 60
	@ NS ns.test.
	ns A 10.77.0.1
	a A 192.0.2.1
	b AAAA 2001:db8::2
	big TXT "$(head -c 200 /dev/zero | tr '\0' x)" "$(head -c 200 /dev/zero | tr '\0' y)"
	huge TXT $(for i in 1 2 3 4 5 6 7 8 9 10 11; do printf '"%s" ' "$(head -c 250 /dev/zero | tr '\0' z)"; done)
	ZONE
}

dns_is()
{
	local want=$1 have
	shift
	have=$(app_client dig +short +tries=1 +time=3 "$@") || return 1
	[ "$have" = "$want" ] || { echo "answer '$have', '$want' expected" && return 1; }
}

# dns_load ADDRESS: a thousand queries and more, less than one in a hundred lost.
dns_load()
{
	local out lost completed
	printf 'a.test A\nb.test AAAA\n' >"$tmp/queries"
	out=$(app_client dnsperf -s "$1" -d "$tmp/queries" -n 600 -l 8 -Q 2000 -q 50 -t 2 2>&1)
	completed=$(echo "$out" | awk '/Queries completed/ { print $3 }')
	lost=$(echo "$out" | awk '/Queries lost/ { print $3 }')
	echo "$out"
	[ "${completed:-0}" -gt 1000 ] && [ $((${lost:-9999} * 100)) -le "$completed" ]
}

# The checks for any server of the zone above on port 53.
dns_checks()
{
	app_check "A over IPv4" dns_is 192.0.2.1 @$addr4 a.test A
	app_check "AAAA over IPv6" dns_is 2001:db8::2 @$addr6 b.test AAAA
	app_check "400 bytes of TXT" app_client sh -c \
		"dig +short +tries=1 @$addr4 big.test TXT | grep -q yyyyyyyyyy"
	app_check "over TCP" dns_is 192.0.2.1 +tcp @$addr4 a.test A
	app_check "three in a row" dns_is "$(printf '192.0.2.1\n192.0.2.1\n192.0.2.1')" \
		@$addr4 a.test A a.test A a.test A
	app_count_start
	app_check "dnsperf over IPv4" dns_load $addr4
	app_bypassed "dnsperf over IPv4" 1000
	app_count_start
	app_check "dnsperf over IPv6" dns_load $addr6
	app_bypassed "dnsperf over IPv6" 1000
	app_alive
}
