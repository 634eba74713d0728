#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# twin_addresses.sh - hosts with many addresses: which of them datagrams come to and replies leave from, while addresses come
# and go; link-local ones with their scopes, mapped ones, broadcasts, whole networks that are local.
# TIMEOUT: 420

# shellcheck source=tests/netns/lib_twin.sh
. "$(dirname "$0")/lib_twin.sh"

# One datagram to each address of $NS_A, and the way back: by default, and from where it came to.
around() # FAMILY ADDRESS FROM
{
	quiet b sock 5 "$1"; quiet b bind 5 "$3" 7005
	b send 5 64 10 "$2" 5300
	a recv 0 1000
	a send 0 64 11 "$3" 7005
	b recv 5 1000
	a send 0 64 12 "$3" 7005 - "$2"
	b recv 5 1000
	a send 0 64 13 "$3" 7005 veth0 "$2"
	b recv 5 1000
	a send 0 64 14 "$3" 7005 veth0 "$([[ $1 = 4 ]] && echo 0.0.0.0 || echo ::)"
	b recv 5 1000
	quiet b close 5
}

several() # FAMILY ANY
{
	local to from addresses sources
	if [[ $1 = 4 ]]; then
		addresses="$A4 10.77.1.101 10.99.1.1 10.88.1.1" sources="$B4 10.99.1.2"
	else
		addresses="$A6 fd77:1::101 fd99::1 fd88::1" sources="$B6 fd99::2"
	fi
	ip -n "$NS_A" addr add 10.77.1.101/24 dev veth0
	ip -n "$NS_A" addr add 10.99.1.1/24 dev veth0
	ip -n "$NS_A" addr add 10.88.1.1/32 dev lo
	ip -n "$NS_A" addr add fd77:1::101/64 dev veth0 nodad
	ip -n "$NS_A" addr add fd99::1/64 dev veth0 nodad
	ip -n "$NS_A" addr add fd88::1/128 dev lo nodad
	ip -n "$NS_B" addr add 10.99.1.2/24 dev veth0
	ip -n "$NS_B" addr add fd99::2/64 dev veth0 nodad
	ip -n "$NS_B" route add 10.88.1.1 via "$A4"
	ip -n "$NS_B" route add fd88::1 via "$A6"
	a sock 0 "$1"; a bind 0 "$2" 5300
	a set 0 pktinfo 1; a set 0 pktinfo6 1
	steered 0
	for to in $addresses; do
		for from in $sources; do
			part "IPv$1: to $to from $from"
			around "$1" "$to" "$from"
		done
	done
	part "IPv$1: fast"
	quiet b sock 0 "$1"
	for to in $addresses; do fast rx 1 to_each "$to"; done
}
to_each() { b send 0 64 15 "$1" 5300; a recv 0 1000; }
scenario_several4() { several 4 0.0.0.0; }
scenario_several6() { several 6 ::; }

# Addresses that come and go under a wildcard socket (0) and one that is bound to them (1).
come_and_go() # FAMILY ANY NEW PREFIX PEER
{
	local mac
	mac=$(run_in "$NS_A" cat /sys/class/net/veth0/address)
	a sock 0 "$1"; a bind 0 "$2" 5300; a set 0 pktinfo 1; a set 0 pktinfo6 1
	b sock 0 "$1"; b bind 0 "$5" 7000
	steered 0
	ip -n "$NS_B" neigh replace "$3" lladdr "$mac" dev veth0
	part "IPv$1: not there yet"
	b send 0 64 1 "$3" 5300
	a recv 0 100
	quiet a sock 1 "$1"
	a bind 1 "$3" 5301
	part "IPv$1: added"
	ip -n "$NS_A" addr add "$3/$4" dev veth0 nodad 2>/dev/null || ip -n "$NS_A" addr add "$3/$4" dev veth0
	b send 0 64 2 "$3" 5300
	a recv 0 1000
	a bind 1 "$3" 5301
	steered 1
	b send 0 64 3 "$3" 5301
	a recv 1 1000
	settle
	fast rx 3 several_to "$3" 5300 0
	fast rx 3 several_to "$3" 5301 1
	a send 1 64 4 "$5" 7000
	b recv 0 1000
	part "IPv$1: taken away"
	ip -n "$NS_A" addr del "$3/$4" dev veth0
	settle
	ip -n "$NS_B" neigh replace "$3" lladdr "$mac" dev veth0
	b send 0 64 5 "$3" 5300
	b send 0 64 6 "$3" 5301
	a recv 0 100
	a recv 1 100
	a send 1 64 7 "$5" 7000
	b recv 0 100
	a send 0 64 8 "$5" 7000 - "$3"
	b recv 0 100
	a name 1
	part "IPv$1: and back"
	ip -n "$NS_A" addr add "$3/$4" dev veth0 nodad 2>/dev/null || ip -n "$NS_A" addr add "$3/$4" dev veth0
	settle
	several_to "$3" 5300 0
	several_to "$3" 5301 1
	a send 1 64 9 "$5" 7000
	b recv 0 1000
	part "IPv$1: the first address of the interface goes"
	ip -n "$NS_A" addr del "$([[ $1 = 4 ]] && echo "$A4/24" || echo "$A6/64")" dev veth0
	settle
	a send 0 64 10 "$5" 7000
	b recv 0 100
	several_to "$3" 5300 0
}
several_to()
{
	times 4 b send 0 64 '10N#' "$1" "$2"
	a drain "$3" 100
}
scenario_come_and_go4() { come_and_go 4 0.0.0.0 10.77.1.50 24 "$B4"; }
scenario_come_and_go6() { come_and_go 6 :: fd77:1::50 64 "$B6"; }

scenario_link_local()
{
	local ns
	for ns in "$NS_A" "$NS_B"; do ip -n "$ns" -6 addr flush dev veth0 scope link; done
	ip -n "$NS_A" addr add fe80::a/64 dev veth0 nodad
	ip -n "$NS_B" addr add fe80::b/64 dev veth0 nodad
	part 'binding'
	a sock 0 6
	a bind 0 fe80::a 5300
	a bind 0 fe80::a%lo 5300
	a bind 0 fe80::a%veth0 5300
	a name 0
	quiet b sock 0 6; b bind 0 fe80::b%veth0 7000
	a set 0 pktinfo6 1
	steered 0
	part 'bound to it'
	fast rx 3 scoped_to fe80::a%veth0 5300 0
	a send 0 64 1 fe80::b%veth0 7000
	b recv 0 1000
	a send 0 64 2 fe80::b 7000
	b recv 0 1000
	a send 0 64 3 fe80::b%lo 7000
	b recv 0 100
	a send 0 64 4 "$B6" 7000
	b recv 0 100
	a send 0 64 4 ff02::1 7000
	b recv 0 100
	part 'connected'
	a connect 0 fe80::b%veth0 7000
	a name 0
	a send 0 64 5
	b recv 0 1000
	scoped_to fe80::a%veth0 5300 0
	part 'wildcard'
	a sock 1 6; a bind 1 :: 5301; a set 1 pktinfo6 1
	steered 1
	scoped_to fe80::a%veth0 5301 1
	a send 1 64 6 fe80::b%veth0 7000
	b recv 0 1000
	a send 1 64 7 fe80::b 7000
	b recv 0 100
	a send 1 64 8 fe80::b 7000 veth0 ::
	b recv 0 1000
	a send 1 64 9 fe80::b 7000 veth0 fe80::a
	b recv 0 1000
	a send 1 64 9 fe80::b 7000 lo ::
	b recv 0 100
	part 'connected without a scope'
	a sock 2 6
	a connect 2 fe80::b 7000
	part 'dual stack'
	a sock 3 dual; a bind 3 :: 5303
	steered 3
	scoped_to fe80::a%veth0 5303 3
	a send 3 64 10 fe80::b%veth0 7000
	b recv 0 1000
}
scoped_to()
{
	times 4 b send 0 64 '2N#' "$1" "$2"
	a recv "$3" 1000
	a drain "$3" 100
}

scenario_mapped()
{
	a sock 0 dual; a bind 0 :: 5300; a set 0 pktinfo 1; a set 0 pktinfo6 1
	steered 0
	quiet b sock 0 4; b bind 0 "$B4" 7000
	quiet b sock 1 6; b bind 1 "$B6" 7001
	part 'a dual-stack socket'
	b send 0 64 1 "$A4" 5300; a recv 0 1000
	b send 1 64 2 "$A6" 5300; a recv 0 1000
	a send 0 64 3 "::ffff:$B4" 7000; b recv 0 1000
	a send 0 64 4 "$B6" 7001; b recv 1 1000
	a send 0 64 5 "$B4" 7000; b recv 0 1000
	part 'connected to a mapped address'
	a connect 0 "::ffff:$B4" 7000; a name 0
	b send 0 64 6 "$A4" 5300; a recv 0 1000
	b send 1 64 7 "$A6" 5300; a recv 0 100
	a send 0 64 8; b recv 0 1000
	part 'bound to a mapped address'
	a sock 1 dual; a bind 1 "::ffff:$A4" 5301; a name 1; a set 1 pktinfo 1; a set 1 pktinfo6 1
	steered 1
	b send 0 64 9 "$A4" 5301; a recv 1 1000
	b send 1 64 10 "$A6" 5301; a recv 1 100
	a send 1 64 11 "::ffff:$B4" 7000; b recv 0 1000
	a send 1 64 12 "$B6" 7001; b recv 1 100
	part 'IPv6 only'
	a sock 2 6
	a bind 2 "::ffff:$A4" 5302
	a bind 2 :: 5302
	steered 2
	b send 0 64 13 "$A4" 5302; a recv 2 100
	a send 2 64 14 "::ffff:$B4" 7000; b recv 0 100
}

scenario_broadcast()
{
	local to
	part 'received'
	a sock 0 4; a bind 0 0.0.0.0 5300; a set 0 pktinfo 1; a set 0 broadcast 1
	a sock 1 4; a bind 1 10.77.1.255 5301; a set 1 pktinfo 1
	a sock 2 4; a bind 2 "$A4" 5302
	a sock 3 4; a bind 3 255.255.255.255 5303
	quiet b sock 0 4; b bind 0 0.0.0.0 7000; b set 0 broadcast 1
	quiet b sock 1 4; quiet b bind 1 "$B4" 7001; quiet b set 1 broadcast 1
	for to in 0 1 2 3; do steered $to; done
	for to in 10.77.1.255 255.255.255.255 10.77.1.0 "$A4"; do
		b send 1 64 1 "$to" 5300; a recv 0 100
		b send 1 64 2 "$to" 5301; a recv 1 100
		b send 1 64 3 "$to" 5302; a recv 2 100
		b send 1 64 4 "$to" 5303; a recv 3 100
	done
	part 'sent'
	for to in 10.77.1.255 255.255.255.255 10.77.1.0; do
		a send 0 64 5 "$to" 7000; b recv 0 100
		a send 0 64 6 "$to" 7000 veth0 "$A4"; b recv 0 100
		a send 2 64 7 "$to" 7000; b recv 0 100
	done
}

# A whole network is local ("AnyIP"), and addresses of other forms.
scenario_local_nets()
{
	ip -n "$NS_A" route add local 10.50.0.0/16 dev lo
	ip -n "$NS_A" route add local fd50::/64 dev lo
	ip -n "$NS_A" addr add 10.60.0.1 peer 10.60.0.2 dev veth0
	ip -n "$NS_B" addr add 10.60.0.2 peer 10.60.0.1 dev veth0
	ip -n "$NS_A" addr add 10.61.0.0/31 dev veth0
	ip -n "$NS_B" addr add 10.61.0.1/31 dev veth0
	ip -n "$NS_B" route add 10.50.0.0/16 via "$A4"
	ip -n "$NS_B" route add fd50::/64 via "$A6"
	quiet b sock 0 4; b bind 0 "$B4" 7000
	quiet b sock 1 6; b bind 1 "$B6" 7001
	part 'wildcard'
	a sock 0 dual; a bind 0 :: 5300; a set 0 pktinfo 1; a set 0 pktinfo6 1
	steered 0
	b send 0 64 1 10.50.1.2 5300; a recv 0 1000
	b send 1 64 2 fd50::5 5300; a recv 0 1000
	a send 0 64 3 "$B6" 7001 - fd50::5; b recv 1 1000
	b send 0 64 4 10.60.0.1 5300; a recv 0 1000
	b send 0 64 5 10.61.0.0 5300; a recv 0 1000
	a send 0 64 6 ::ffff:10.60.0.2 7000; b recv 0 100
	part 'bound'
	a sock 1 4; a bind 1 10.50.1.2 5301; quiet a recv 1 1
	a sock 2 4; a bind 2 10.60.0.1 5302; steered 2
	a sock 3 4; a bind 3 10.61.0.0 5303; steered 3
	b send 0 64 7 10.50.1.2 5301; a recv 1 1000
	b send 0 64 7 10.50.1.3 5301; a recv 1 100
	a send 1 64 8 "$B4" 7000; b recv 0 1000
	b send 0 64 9 10.60.0.1 5302; a recv 2 1000
	a send 2 64 10 "$B4" 7000; b recv 0 1000
	b send 0 64 11 10.61.0.0 5303; a recv 3 1000
	a send 3 64 12 "$B4" 7000; b recv 0 1000
	part 'sources chosen'
	a sock 4 4; a bind 4 0.0.0.0 5304; steered 4
	a send 4 64 13 "$B4" 7000 - 10.50.9.9; b recv 0 1000
	a send 4 64 14 "$B4" 7000 - 10.51.9.9; b recv 0 100
	a send 4 64 15 "$B4" 7000 - 10.61.0.0; b recv 0 1000
	part 'an address that nobody has'
	a sock 5 4; a bind 5 10.123.0.1 5305
	a set 5 freebind 1; a bind 5 10.123.0.1 5305; quiet a recv 5 1
	a send 5 64 16 "$B4" 7000; b recv 0 100
}

for name in several4 several6 come_and_go4 come_and_go6 link_local mapped broadcast local_nets; do
	[[ $# -gt 0 && " $* " != *" $name "* ]] || twin $name
done
finish
