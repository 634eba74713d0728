#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# snmp.sh - Net-SNMP's agent: select() on large sets, IP_PKTINFO both ways, answers of a walk.
# PACKAGES: snmpd snmp
. "$(dirname "$0")/lib.sh"
app_need snmpd snmpget snmpwalk
app_lab

printf 'rocommunity public\nrocommunity6 public\nsysLocation kbaccel\nsysServices 72\n' >"$tmp/snmpd.conf"

snmp_get()
{
	app_client snmpget -v2c -c public -t 2 -r 0 -Oqv "$1" .1.3.6.1.2.1.1.6.0 | grep -q kbaccel
}

# A walk of the system group and of the interfaces, many times.
snmp_walk()
{
	local i n
	for i in 1 2 3 4 5; do
		n=$(app_client snmpwalk -v2c -c public -t 2 -r 0 -On "$1" .1.3.6.1.2.1.2 | wc -l)
		[ "$n" -gt 20 ] || { echo "only $n lines" && return 1; }
	done
}

app_server 161 snmpd -f -Lo -C -c "$tmp/snmpd.conf" -p "$tmp/snmpd.pid" -I -smux udp:161 udp6:161
app_wait 161
app_check "get" snmp_get $addr4
app_check "get, IPv6" snmp_get "udp6:[$addr6]:161"
app_count_start
app_check "walk" snmp_walk $addr4
app_bypassed "walk" 100
app_alive
app_end
