#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# dnsmasq.sh - dnsmasq as DNS server: poll(), IP_PKTINFO both ways, a wildcard socket or one for each address.
# PACKAGES: dnsmasq-base bind9-dnsutils dnsperf
. "$(dirname "$0")/lib.sh"
. "$here/lib_dns.sh"
app_need dnsmasq dig dnsperf
app_lab

common="--keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null --user=root --pid-file= --log-facility=-
	--host-record=a.test,192.0.2.1 --host-record=b.test,2001:db8::2 --local=/test/ --max-cache-ttl=60
	--txt-record=big.test,$(head -c 200 /dev/zero | tr '\0' x),$(head -c 200 /dev/zero | tr '\0' y)"
app_server 53 dnsmasq $common
app_wait 53
dns_checks
kill "$server_pid"
wait "$server_pid" 2>/dev/null
app_server 53 dnsmasq $common --bind-interfaces --listen-address=$addr4 --listen-address=$addr6
app_wait 53
app_check "bound to its addresses, A over IPv4" dns_is 192.0.2.1 @$addr4 a.test A
app_check "bound to its addresses, AAAA over IPv6" dns_is 2001:db8::2 @$addr6 b.test AAAA
app_end
