#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# twin_forward.sh - an accelerated host with several interfaces: a router goes on forwarding what is not addressed to it, ports that
# it serves included; a wildcard socket is fast on all of them, and replies leave where the routes say.
# TIMEOUT: 420

# shellcheck source=tests/netns/lib_twin.sh
. "$(dirname "$0")/lib_twin.sh"

# $NS_B 10.77.1.2 veth0 == veth0 10.77.1.1 $NS_A 10.78.1.1 veth1 == veth1 10.78.1.2 $NS_C
lab_middle()
{
	ns_pair
	ns_add c
	NS_C=$NS
	ip link add veth1 netns "$NS_A" type veth peer name veth1 netns "$NS_C"
	ns_address "$NS_A" veth1 10.78.1.1 fd78:1::1
	ns_address "$NS_C" veth1 10.78.1.2 fd78:1::2
	run_in "$NS_A" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n "$NS_B" route add default via "$A4"; ip -n "$NS_B" -6 route add default via "$A6"
	ip -n "$NS_C" route add default via 10.78.1.1; ip -n "$NS_C" -6 route add default via fd78:1::1
	C4=10.78.1.2 C6=fd78:1::2
	wait_until 5 run_in "$NS_B" ping -q -c 1 -W 1 $C6
	wait_until 5 run_in "$NS_B" ping -q -c 1 -W 1 $C4
	wait_until 5 run_in "$NS_A" ping -q -c 1 -W 1 $C4
}

# Of the two neighbours: NAME sends to ADDRESS PORT, and who has got it?
four_to() { times 4 "$1" send 0 64 "$4N#" "$2" "$3"; }
all_three()
{
	sleep 0.05
	a drain 0 60
	b drain 0 60
	c drain 0 60
}
passing() # FAMILY A-TOWARDS-B A-TOWARDS-C B C
{
	local v=$1 ab=$2 ac=$3 pb=$4 pc=$5 any=::
	[[ $v = 6 ]] || any=0.0.0.0
	agent c "$NS_C"
	a sock 0 "$v"; a bind 0 $any 5300; a set 0 pktinfo 1; a set 0 pktinfo6 1
	b sock 0 "$v"; b bind 0 $any 5300
	c sock 0 "$v"; c bind 0 $any 5300
	steered 0
	part "IPv$v: to the router itself"
	fast rx 3 to_router b "$ab"
	fast rx 3 to_router c "$ac"
	fast rx 3 to_router b "$ac"
	fast rx 3 to_router c "$ab"
	part "IPv$v: through it, by the port that it serves"
	slow rx through b "$pc"
	slow rx through c "$pb"
	part "IPv$v: replies leave by the right interface"
	fast tx 3 four_to a "$pb" 5300 3
	fast tx 3 four_to a "$pc" 5300 4
	all_three
	part "IPv$v: from the address of the other interface"
	a send 0 64 50 "$pb" 5300 - "$ac"; b recv 0 500
	a send 0 64 51 "$pc" 5300 - "$ab"; c recv 0 500
	a send 0 64 52 "$pc" 5300 veth1 "$ac"; c recv 0 500
	a send 0 64 53 "$pc" 5300 veth0 "$ab"; c recv 0 200
	part "IPv$v: connected"
	a connect 0 "$pc" 5300
	slow rx through b "$pc"
	b send 0 64 60 "$ab" 5300; a recv 0 100
	c send 0 64 61 "$([[ $v = 4 ]] && echo "$ab" || echo "$ac")" 5300; a recv 0 100
	c send 0 64 62 "$ac" 5300; a recv 0 100
	drop_agent c
}
to_router() { four_to "$1" "$2" 5300 1; a recv 0 500; all_three; }
through() { four_to "$1" "$2" 5300 2; all_three; }
scenario_passing4() { passing 4 "$A4" 10.78.1.1 "$B4" $C4; }
scenario_passing6() { passing 6 "$A6" fd78:1::1 "$B6" $C6; }

# Datagrams come in by one interface, and the route back is by the other.
scenario_asymmetric()
{
	agent c "$NS_C"
	ip -n "$NS_B" addr add 10.90.0.1/32 dev lo
	ip -n "$NS_C" addr add 10.90.0.1/32 dev lo
	ip -n "$NS_A" route add 10.90.0.1 via $C4
	quiet a sock 0 4; quiet a bind 0 0.0.0.0 5300; a set 0 pktinfo 1
	quiet b sock 0 4; b bind 0 10.90.0.1 7000
	quiet c sock 0 4; c bind 0 10.90.0.1 7000
	steered 0
	part 'in by one, out by the other'
	fast rx 3 four_to_a
	fast tx 3 four_to a 10.90.0.1 7000 2
	b drain 0 50
	c drain 0 50
	drop_agent c
}
four_to_a() { four_to b "$A4" 5300 1; a recv 0 500; a drain 0 100; }

for name in passing4 passing6 asymmetric; do
	[[ $# -gt 0 && " $* " != *" $name "* ]] || twin $name lab_middle
done
finish
