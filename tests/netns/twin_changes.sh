#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# twin_changes.sh - the network changes under a program that sends and receives fast: routes, neighbours, MTU, interfaces. Who
# gets its datagrams, what it receives and what its calls say follows the kernel.
# TIMEOUT: 420

# shellcheck source=tests/netns/lib_twin.sh
. "$(dirname "$0")/lib_twin.sh"

# $NS_A 10.77.1.1 veth0 == veth0 10.77.1.2 $NS_B, and veth1 10.78.1.1 == veth1 10.78.1.2 $NS_C; both neighbours have 10.200.0.1.
lab_two_ways()
{
	local ns
	ns_pair
	ns_add c
	NS_C=$NS
	ip link add veth1 netns "$NS_A" type veth peer name veth1 netns "$NS_C"
	ns_address "$NS_A" veth1 10.78.1.1 fd78:1::1
	ns_address "$NS_C" veth1 10.78.1.2 fd78:1::2
	for ns in "$NS_B" "$NS_C"; do
		ip -n "$ns" addr add 10.200.0.1/32 dev lo
		ip -n "$ns" addr add fd20::1/128 dev lo nodad
	done
	ip -n "$NS_B" route add default via "$A4"; ip -n "$NS_B" -6 route add default via "$A6"
	ip -n "$NS_C" route add default via 10.78.1.1; ip -n "$NS_C" -6 route add default via fd78:1::1
	for ns in fd78:1::2 10.78.1.2 "$B6" "$B4"; do wait_until 5 ping_each "$NS_A" "$ns"; done
}

# Who gets it?
five() { times 5 quiet a send 0 64 "$1N#" "$2" 7000; }
who() # NUMBER TO
{
	five "$1" "$2"
	sleep 0.05
	b drain 0 60
	c drain 0 60
}

routes() # FAMILY TO ONE TWO
{
	local v=$1 to=$2 one=$3 two=$4 i=0 type
	agent c "$NS_C"
	for type in b c; do $type sock 0 "$v"; $type bind 0 "$to" 7000; done
	a sock 0 "$v"; a bind 0 "$([[ $v = 4 ]] && echo 0.0.0.0 || echo ::)" 5300
	steered 0
	part "IPv$v: no route"
	a send 0 64 1 "$to" 7000
	part "IPv$v: by one neighbour, then by another"
	for _ in 1 2; do
		for type in "$one" "$two"; do
			ip -n "$NS_A" route replace "$to" via "$type"
			settle
			fast tx 3 who $((++i)) "$to"
		done
	done
	part "IPv$v: the better metric"
	ip -n "$NS_A" route del "$to"
	ip -n "$NS_A" route add "$to" via "$one" metric 200
	ip -n "$NS_A" route add "$to" via "$two" metric 100
	settle
	who 11 "$to"
	ip -n "$NS_A" route del "$to" via "$two" metric 100
	settle
	who 12 "$to"
	ip -n "$NS_A" route del "$to" via "$one" metric 200
	part "IPv$v: the default route moves"
	ip -n "$NS_A" route add default via "$one" 2>/dev/null || ip -n "$NS_A" -6 route add default via "$one"
	settle
	fast tx 3 who 13 "$to"
	ip -n "$NS_A" "-$v" route replace default via "$two"
	settle
	fast tx 3 who 14 "$to"
	for type in blackhole unreachable prohibit; do
		part "IPv$v: $type"
		ip -n "$NS_A" route add $type "$to"
		settle
		a send 0 64 2 "$to" 7000
		who 15 "$to"
		ip -n "$NS_A" route del $type "$to"
		settle
		fast tx 3 who 16 "$to"
	done
	part "IPv$v: a policy rule"
	ip -n "$NS_A" "-$v" route add default via "$one" table 77
	ip -n "$NS_A" "-$v" rule add to "$to" lookup 77
	settle
	who 17 "$to"
	ip -n "$NS_A" "-$v" rule del to "$to" lookup 77
	settle
	who 18 "$to"
	part "IPv$v: source and MTU of a route"
	ip -n "$NS_A" route add "$to" via "$one" src "$([[ $v = 4 ]] && echo 10.78.1.1 || echo fd78:1::1)"
	settle
	a send 0 64 19 "$to" 7000
	b recv 0 200
	ip -n "$NS_A" route replace "$to" via "$one" mtu 1300
	settle
	a send 0 1400 20 "$to" 7000
	b recv 0 200
	ip -n "$NS_A" route replace "$to" via "$one" mtu lock 1300
	settle
	a send 0 1200 20 "$to" 7000
	b recv 0 200
	part "IPv$v: the way back does not matter"
	quiet b send 0 64 21 "$([[ $v = 4 ]] && echo "$A4" || echo "$A6")" 5300
	a recv 0 200
	quiet c send 0 64 22 "$([[ $v = 4 ]] && echo 10.78.1.1 || echo fd78:1::1)" 5300
	a recv 0 200
	part "IPv$v: one interface goes down"
	ip -n "$NS_A" "-$v" route replace default via "$two"
	ip -n "$NS_A" route del "$to"
	ip -n "$NS_A" link set veth0 down
	settle
	who 23 "$to"
	ip -n "$NS_A" link set veth1 down
	settle
	a send 0 64 24 "$to" 7000
	drop_agent c
}
scenario_routes4() { routes 4 10.200.0.1 "$B4" 10.78.1.2; }
scenario_routes6() { routes 6 fd20::1 "$B6" fd78:1::2; }

both_ways() # FAMILY NUMBER: three each way
{
	times 3 a send 0 64 "$2N#" "$([[ $1 = 4 ]] && echo "$B4" || echo "$B6")" 7000
	b drain 0 150
	times 3 b send 0 64 "$2N#" "$([[ $1 = 4 ]] && echo "$A4" || echo "$A6")" 5300
	a drain 0 150
}
start_pair() # FAMILY: a wildcard socket and its peer
{
	a sock 0 "$1"; a bind 0 "$([[ $1 = 4 ]] && echo 0.0.0.0 || echo ::)" 5300
	b sock 0 "$1"; b bind 0 "$([[ $1 = 4 ]] && echo 0.0.0.0 || echo ::)" 7000
	a set 0 pktinfo 1; a set 0 pktinfo6 1
	steered 0
	fast rx 3 both_ways "$1" 90
	fast tx 2 both_ways "$1" 91
}
ping_each() { run_in "$1" ping -q -c 1 -W 1 "$2" >/dev/null; }

neighbours() # FAMILY PEER OWN
{
	local v=$1 peer=$2
	start_pair "$v"
	part "IPv$v: deleted"
	ip -n "$NS_A" neigh del "$peer" dev veth0
	both_ways "$v" 1
	part "IPv$v: permanent, and wrong"
	ip -n "$NS_A" neigh replace "$peer" lladdr 02:00:00:00:99:99 dev veth0 nud permanent
	settle
	both_ways "$v" 2
	part "IPv$v: right again"
	ip -n "$NS_A" neigh replace "$peer" lladdr "$(run_in "$NS_B" cat /sys/class/net/veth0/address)" dev veth0 nud permanent
	settle
	fast tx 3 both_ways "$v" 3
	part "IPv$v: failed"
	ip -n "$NS_A" neigh replace "$peer" dev veth0 nud failed
	settle
	both_ways "$v" 4
	part "IPv$v: the peer has another MAC address"
	ip -n "$NS_B" link set veth0 down
	ip -n "$NS_B" link set veth0 address 02:00:00:00:77:02
	ip -n "$NS_B" link set veth0 up
	[[ $v = 4 ]] || ip -n "$NS_B" addr replace "$peer/64" dev veth0 nodad
	wait_until 3 ping_each "$NS_B" "$3"
	settle
	both_ways "$v" 5
	part "IPv$v: we have another one"
	ip -n "$NS_A" link set veth0 address 02:00:00:00:77:01
	ip -n "$NS_B" neigh flush all
	wait_until 3 ping_each "$NS_B" "$3"
	settle
	fast rx 3 both_ways "$v" 6
	fast tx 2 both_ways "$v" 7
}
scenario_neighbours4() { neighbours 4 "$B4" "$A4"; }
scenario_neighbours6() { neighbours 6 "$B6" "$A6"; }

scenario_mtu()
{
	local v mtu size peer own
	for v in 4 6; do
		peer=$B4 own=$A4
		[[ $v = 4 ]] || peer=$B6 own=$A6
		start_pair $v
		for mtu in 1300 1500 2000 9000 1500; do
			part "IPv$v: MTU $mtu here"
			ip -n "$NS_B" link set veth0 mtu 9000
			ip -n "$NS_A" link set veth0 mtu $mtu
			settle
			for size in 1200 1272 1273 1400 1472 1473 1900 5000; do
				a send 0 $size 5 "$peer" 7000
				b recv 0 500
				a get 0 mtu
			done
			ip -n "$NS_B" link set veth0 mtu $mtu
			[[ $v = 4 ]] || sleep 0.05
			for size in 1200 1400 1900 5000; do
				b send 0 $size 6 "$own" 5300
				a recv 0 500
			done
		done
		quiet a close 0
		quiet b close 0
	done
}

scenario_down_up()
{
	local v
	for v in 4 6; do
		start_pair $v
		part "IPv$v: down"
		ip -n "$NS_A" link set veth0 down
		settle
		times 3 a send 0 64 '1N#' "$([[ $v = 4 ]] && echo "$B4" || echo "$B6")" 7000
		a poll 0 0
		part "IPv$v: up again"
		ip -n "$NS_A" link set veth0 up
		ip -n "$NS_A" addr replace "$A6/64" dev veth0 nodad
		wait_until 3 ping_each "$NS_B" "$([[ $v = 4 ]] && echo "$A4" || echo "$A6")"
		settle
		both_ways $v 2
		fast rx 3 both_ways $v 3
		fast tx 2 both_ways $v 4
		part "IPv$v: the peer goes down"
		ip -n "$NS_B" link set veth0 down
		settle
		a send 0 64 5 "$([[ $v = 4 ]] && echo "$B4" || echo "$B6")" 7000
		ip -n "$NS_B" link set veth0 up
		ip -n "$NS_B" addr replace "$B6/64" dev veth0 nodad
		wait_until 3 ping_each "$NS_B" "$([[ $v = 4 ]] && echo "$A4" || echo "$A6")"
		settle
		quiet b drain 0 200 # the neighbour's queue may have kept that one
		both_ways $v 6
		fast rx 3 both_ways $v 7
		quiet a close 0
		quiet b close 0
	done
}

# The interface as it was at first, in both namespaces.
anew()
{
	ip link add veth0 netns "$NS_A" type veth peer name veth0 netns "$NS_B"
	ns_address "$NS_A" veth0 "$A4" "$A6"
	ns_address "$NS_B" veth0 "$B4" "$B6"
	wait_until 5 ping_each "$NS_B" "$A6"
	wait_until 5 ping_each "$NS_B" "$A4"
}

scenario_recreated()
{
	start_pair 4
	a sock 1 4; a bind 1 "$A4" 5301
	steered 1
	part 'deleted'
	ip -n "$NS_A" link del veth0
	settle 0.4
	a send 0 64 1 "$B4" 7000
	a send 1 64 1 "$B4" 7000
	a recv 0 50
	a poll 0 0
	part 'there again under its name'
	anew
	settle 0.4
	both_ways 4 2
	b send 0 64 3 "$A4" 5301
	a recv 1 500
	a send 1 64 4 "$B4" 7000
	b recv 0 500
	part 'a new socket'
	a sock 2 4; a bind 2 "$A4" 5302
	quiet a recv 2 1
	b send 0 64 5 "$A4" 5302
	a recv 2 500
	a send 2 64 6 "$B4" 7000
	b recv 0 500
}

scenario_renamed()
{
	start_pair 4
	part 'another name'
	ip -n "$NS_A" link set veth0 down
	ip -n "$NS_A" link set veth0 name lan0
	ip -n "$NS_A" link set lan0 up
	wait_until 3 ping_each "$NS_B" "$A4"
	settle
	both_ways 4 1
	fast rx 3 both_ways 4 2
	b send 0 64 3 "$A4" 5300
	a recv 0 500
	a send 0 64 4 "$B4" 7000 lan0 "$A4"
	b recv 0 500
}

# Enslaved while it runs: frames then belong to another interface, or to another routing table.
enslaved() # KIND [OPTION...]
{
	start_pair 4
	a sock 1 4; a bind 1 "$A4" 5301
	steered 1
	ip -n "$NS_A" link add master0 type "$@" 2>/dev/null || { say "SKIP this kernel has no ${1}s"; return; }
	part 'enslaved'
	[[ $1 != bond ]] || ip -n "$NS_A" link set veth0 down
	ip -n "$NS_A" link set veth0 master master0
	ip -n "$NS_A" link set veth0 up
	ip -n "$NS_A" link set master0 up
	settle 0.4
	slow rx both_ways 4 1
	b send 0 64 2 "$A4" 5301
	a recv 1 100
	a send 1 64 3 "$B4" 7000
	b recv 0 100
	if [[ $1 != vrf ]]; then
		part 'its address moves to the master'
		ip -n "$NS_A" addr flush dev veth0
		ip -n "$NS_A" addr add "$A4/24" dev master0
		wait_until 5 ping_each "$NS_B" "$A4"
		settle
		both_ways 4 4
		b send 0 64 5 "$A4" 5301
		a recv 1 500
	fi
	part 'free again'
	ip -n "$NS_A" link set veth0 nomaster
	ip -n "$NS_A" link del master0
	ip -n "$NS_A" link set veth0 up
	ip -n "$NS_A" addr replace "$A4/24" dev veth0
	ip -n "$NS_B" neigh flush all
	wait_until 5 ping_each "$NS_B" "$A4"
	settle 0.4
	both_ways 4 6
	fast rx 3 both_ways 4 8
	b send 0 64 7 "$A4" 5301
	a recv 1 500
}
scenario_bridge() { enslaved bridge; }
scenario_bond() { enslaved bond mode active-backup miimon 50; }
scenario_vrf() { enslaved vrf table 55; }

# Somebody removes our XDP program.
scenario_xdp_off()
{
	start_pair 4
	part 'removed by force'
	if under_library; then
		run_in "$NS_A" bpftool link list 2>/dev/null | awk '/^[0-9]+: xdp/ { sub(":", "", $1); print $1 }' >"$KB_TMP/links"
		while read -r link; do run_in "$NS_A" bpftool link detach id "$link"; done <"$KB_TMP/links"
		ip -n "$NS_A" link set veth0 xdp off 2>/dev/null
	fi
	settle
	both_ways 4 1
	both_ways 4 2
}

for name in routes4 routes6; do
	[[ $# -gt 0 && " $* " != *" $name "* ]] || twin $name lab_two_ways
done
for name in neighbours4 neighbours6 mtu down_up recreated renamed bridge bond vrf xdp_off; do
	[[ $# -gt 0 && " $* " != *" $name "* ]] || twin $name
done
finish
