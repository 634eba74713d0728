#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# pdns.sh - PowerDNS: the authoritative server with several receiver threads, and the recursor in front of it.
# PACKAGES: pdns-server pdns-backend-bind pdns-recursor bind9-dnsutils dnsperf
. "$(dirname "$0")/lib.sh"
. "$here/lib_dns.sh"
app_need pdns_server pdns_recursor dig dnsperf
app_lab
dns_zone
mkdir "$tmp/auth" "$tmp/rec"
cat >"$tmp/auth/pdns.conf" <<CONF
launch=bind
bind-config=$tmp/auth/named.conf
local-address=$addr4, $addr6
local-port=53
socket-dir=$tmp/auth
receiver-threads=2
reuseport=yes
disable-syslog=yes
setuid=nobody
setgid=nogroup
CONF
echo "zone \"test\" { type master; file \"$tmp/test.zone\"; };" >"$tmp/auth/named.conf"
chown -R nobody "$tmp/auth"
app_server 53 pdns_server --config-dir="$tmp/auth" --guardian=no --daemon=no
app_wait 53
dns_checks
app_stop

# The recursor asks the same server, which is on the clients' side now and on kernel sockets, through a socket for each question. An
# answer may be there before it waits for it, so what is counted is what it sends.
sed -i "s/^local-address=.*/local-address=10.77.0.9/" "$tmp/auth/pdns.conf"
app_spawn "$ns_b" pdns_server --config-dir="$tmp/auth" --guardian=no --daemon=no
cat >"$tmp/rec/recursor.conf" <<CONF
local-address=$addr4, $addr6
allow-from=10.77.0.0/24, fd77::/64
forward-zones=test=10.77.0.9
socket-dir=$tmp/rec
dnssec=off
disable-syslog=yes
max-cache-ttl=15
packetcache-ttl=0
max-packetcache-entries=1
threads=2
CONF
names()
{
	local i out
	for i in $(seq 100); do echo "no$i.test A"; done >"$tmp/names"
	out=$(app_client dnsperf -s "$1" -d "$tmp/names" -n 1 -l 8 -q 20 -t 4 2>&1)
	echo "$out"
	echo "$out" | grep -q 'NXDOMAIN 100 '
}
app_server '*' pdns_recursor --config-dir="$tmp/rec" --daemon=no
app_wait 53
app_check "recursor, A over IPv4" dns_is 192.0.2.1 @$addr4 a.test A
app_check "recursor, AAAA over IPv6" dns_is 2001:db8::2 @$addr6 b.test AAAA
app_count_start
app_check "recursor, a hundred names" names $addr4
app_bypassed "recursor, a hundred names" 200 tx
app_end
