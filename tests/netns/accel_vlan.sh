#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_vlan.sh - a VLAN interface on top of the accelerated one: its traffic stays with the kernel and works, while
# untagged datagrams for the same socket take the fast path.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair

# Tagged frames from a packet socket: with a tag of a VLAN that nobody has here the kernel delivers none, with one of VLAN 0
# (priority only) all, without one all. The same with the library.
tagged() # FIRST VLAN
{
	run_in "$NS_B" "$bin/accel_tagged" veth0 "$mac" "$2" "$B4" "$A4" 5300 "$1" 50
}
mac=$(run_in "$NS_A" cat /sys/class/net/veth0/address)
for way in kernel libkbaccel; do
	if [[ $way = kernel ]]; then start server 1 -s 5300; else start_fast server 5300 -s 5300; fi
	tagged 100 7
	tagged 200 0
	tagged 300 -1
	tagged 400 4094
	wait_until 1 eval '[[ $(numbers_in server 300 349) = 50 ]]'
	equal "$way: frames of VLAN 7, 0, none, 4094" '0 50 50 0' "$(numbers_in server 100 149) $(numbers_in server 200 249) $(
		numbers_in server 300 349) $(numbers_in server 400 449)"
	stop "$SPAWNED"
done

vlan() # NS ADDRESS4 ADDRESS6
{
	ip -n "$1" link add link veth0 name veth0.7 type vlan id 7 2>/dev/null ||
		{ skip 'a VLAN interface on top' 'this kernel has none (CONFIG_VLAN_8021Q)'; finish; }
	ns_address "$1" veth0.7 "$2" "$3"
}
vlan "$NS_A" 10.78.1.1 fd78:1::1
vlan "$NS_B" 10.78.1.2 fd78:1::2
wait_until 3 run_in "$NS_B" ping -q -c 1 -W 1 10.78.1.1 || die 'the VLAN does not work'

try()
{
	local name=$1 server
	shift
	export KBACCEL_INTERFACE=veth0
	start_fast server 5300 "$@" || { not_ok "$name: starts"; return; }
	server=$SPAWNED
	unset KBACCEL_INTERFACE
	answer=$(client -n 100 10.78.1.1 5300)
	equal "$name: tagged IPv4" 'sent 100 back 100 bad 0' "${answer% from*}"
	equal "$name: tagged IPv4, source of the replies" 10.78.1.1 "${answer#* from }"
	if [[ $* = *-d* ]]; then
		answer=$(client -n 100 fd78:1::1 5300)
		equal "$name: tagged IPv6" 'sent 100 back 100 bad 0' "${answer% from*}"
		equal "$name: tagged IPv6, source of the replies" fd78:1::1 "${answer#* from }"
	fi
	exchange "$name: untagged" fast 100 "$A4" 5300
	check "$name: ping on the VLAN" run_in "$NS_B" ping -q -c 2 -i 0.05 -W 1 10.78.1.1
	equal "$name: nothing broken" 0 "$(bad_lines server)"
	stop "$server"
}
try 'IPv4 wildcard' 5300
try 'dual stack' -d 5300

# Without tagging in hardware the tag is in the frame itself.
ethtool_off() { run_in "$1" ethtool -K veth0 txvlan off rxvlan off >/dev/null 2>&1; }
if ethtool_off "$NS_A" && ethtool_off "$NS_B"; then
	try 'tag in the frame' 5300
else
	skip 'tag in the frame' 'VLAN offload of veth can not be switched off'
fi

# A socket that belongs to the VLAN interface by its address: not Ethernet queues of its own, but it must serve.
start server 5300 -b 10.78.1.1 5300
answer=$(client -n 50 10.78.1.1 5300)
equal 'bound to the VLAN address' 'sent 50 back 50 bad 0' "${answer% from*}"
stop "$SPAWNED"
finish
