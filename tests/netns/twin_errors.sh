#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# twin_errors.sh - errors that come back for datagrams that were sent past the kernel, and those that a send meets itself: which
# call says what, how often, and what the error queue holds. The kernel is the oracle.
# TIMEOUT: 420

# shellcheck source=tests/netns/lib_twin.sh
. "$(dirname "$0")/lib_twin.sh"

mac_of_a() { mac=$(run_in "$NS_A" cat /sys/class/net/veth0/address); }
# Sockets 0 unconnected, 1 connected, 2 unconnected with RECVERR, 3 connected with RECVERR; ports 5300 to 5303.
four_sockets() # 4|6 OWN PEER
{
	local id option=recverr
	[[ $1 = 4 ]] || option=recverr6
	for id in 0 1 2 3; do
		quiet a sock $id "$1"
		quiet a bind $id "$2" $((5300 + id))
	done
	quiet a connect 1 "$3" 7000
	quiet a connect 3 "$3" 7000
	quiet a set 2 $option 1
	quiet a set 3 $option 1
	quiet b sock 0 "$1"
	quiet b bind 0 "$3" 7000
	for id in 0 1 2 3; do
		steered $id
		quiet b send 0 64 1 "$2" $((5300 + id))
		quiet a recv $id 1000
	done
}

# An error about a datagram that went out on the fast path; then all that a program can see of it.
error() # OWN PEER TYPE CODE INFO [FROM]
{
	local id to
	for id in 0 1 2 3; do
		to="$2 7000"
		case $id in 1|3) to= ;; esac
		# shellcheck disable=SC2086
		quiet a send $id 32 77 $to
		quiet b recv 0 1000
		run_in "$NS_B" "$bin/twin_frames" veth0 "$mac" "$2" "$1" 7000 $((5300 + id)) 77 icmp "${@:3}" || say 'frames: failed'
	done
	sleep 0.02
	for id in 0 1 2 3; do
		a poll $id 0
		if [[ $((id & 1)) = 1 ]]; then a send $id 64 5; fi
		a recv $id 0
		a recv $id 0
		a errq $id
		a errq $id
		a error $id
		a poll $id 0
	done
	b drain 0 30
}

scenario_icmp4()
{
	local type code
	no_limits
	mac_of_a
	four_sockets 4 "$A4" "$B4"
	fast tx 3 times 4 a send 0 32 1 "$B4" 7000
	b drain 0 50
	for code in 0 1 2 3 5 6 7 8 9 10 11 12 13 14 15 16; do
		part "destination unreachable, code $code"
		error "$A4" "$B4" 3 $code 0
	done
	part 'the same from a router'
	error "$A4" "$B4" 3 1 0 10.77.1.99
	for type in '4 0' '11 0' '11 1' '12 0' '12 1' '5 0'; do
		part "type ${type% *} code ${type#* }"
		# shellcheck disable=SC2086
		error "$A4" "$B4" $type 0
	done
	for code in 1500 1400 600 500 68 0; do
		part "fragmentation needed, MTU $code"
		error "$A4" "$B4" 3 4 $code
		for id in 1 3; do a get $id mtu; done
	done
}

scenario_icmp6()
{
	local type code
	no_limits
	mac_of_a
	four_sockets 6 "$A6" "$B6"
	fast tx 3 times 4 a send 0 32 1 "$B6" 7000
	b drain 0 50
	for code in 0 1 2 3 4 5 6 7; do
		part "destination unreachable, code $code"
		error "$A6" "$B6" 1 $code 0
	done
	part 'the same from a router'
	error "$A6" "$B6" 1 0 0 fd77:1::99
	for type in '3 0' '3 1' '4 0' '4 1' '4 2'; do
		part "type ${type% *} code ${type#* }"
		# shellcheck disable=SC2086
		error "$A6" "$B6" $type 0
	done
	for code in 1500 1400 1280 600 0; do
		part "packet too big, MTU $code"
		error "$A6" "$B6" 2 0 $code
		for id in 1 3; do a get $id mtu6; done
	done
}

# ---- what the host itself says ----

scenario_local()
{
	local v own peer nobody
	for v in 4 6; do
		own=$A4 peer=$B4 nobody=10.77.1.66
		[[ $v = 4 ]] || own=$A6 peer=$B6 nobody=fd77:1::66
		wait_until 5 run_in "$NS_A" ping -q -c 1 -W 1 "$peer"
		part "IPv$v: no neighbour"
		ip netns exec "$NS_A" sysctl -qw net.ipv4.neigh.veth0.retrans_time_ms=50 net.ipv6.neigh.veth0.retrans_time_ms=50
		quiet a sock 0 $v; quiet a bind 0 "$own" 5300; steered 0
		quiet a sock 1 $v; quiet a bind 1 "$own" 5301; quiet a connect 1 $nobody 7000; steered 1
		a send 0 64 1 $nobody 7000
		a send 1 64 1
		sleep 0.6
		for id in 0 1; do
			a poll $id 0
			a recv $id 0
			a error $id
		done
		a send 1 64 2
		sleep 0.6
		a send 1 64 3
		a error 1
		part "IPv$v: no route"
		a send 0 64 1 "$([[ $v = 4 ]] && echo 10.222.0.1 || echo 2001:db8:9::1)" 7000
		a error 0
		for type in blackhole unreachable prohibit; do
			part "IPv$v: $type route"
			fast tx 1 times 2 a send 0 64 4 "$peer" 7000
			ip -n "$NS_A" route add $type "$peer"
			sleep 0.05
			a send 0 64 5 "$peer" 7000
			a error 0
			a poll 0 0
			ip -n "$NS_A" route del $type "$peer"
			sleep 0.05
			fast tx 2 times 3 a send 0 64 6 "$peer" 7000
		done
		part "IPv$v: above the MTU"
		for pmtu in 0 1 2 3 4 5; do
			quiet a set 0 "$([[ $v = 4 ]] && echo pmtudisc || echo pmtudisc6)" $pmtu
			a send 0 1452 7 "$peer" 7000
			a send 0 1472 7 "$peer" 7000
			a send 0 1473 7 "$peer" 7000
			a send 0 3000 7 "$peer" 7000
			a send 0 65507 7 "$peer" 7000
			a send 0 65508 7 "$peer" 7000
		done
		quiet a close 0
		quiet a close 1
	done
	part 'broadcast without leave'
	quiet a sock 0 4; quiet a bind 0 0.0.0.0 5300; steered 0
	a send 0 64 1 255.255.255.255 7000
	a send 0 64 1 10.77.1.255 7000
	a send 0 64 1 10.77.1.0 7000
	a connect 0 10.77.1.255 7000
	a set 0 broadcast 1
	b sock 0 4; b bind 0 0.0.0.0 7000
	a send 0 64 2 255.255.255.255 7000
	b recv 0 1000
	a send 0 64 3 10.77.1.255 7000
	b recv 0 1000
	a connect 0 10.77.1.255 7000
	a send 0 64 4
	b recv 0 1000
	part 'strange destinations'
	quiet a close 0
	quiet a sock 0 4; quiet a bind 0 0.0.0.0 5300; steered 0
	for to in '0.0.0.0 7000' '240.0.0.1 7000' '127.0.0.1 7000' "$B4 0" '224.0.0.9 7000'; do
		# shellcheck disable=SC2086
		a send 0 64 5 $to
	done
}

for name in icmp4 icmp6 local; do
	[[ $# -gt 0 && " $* " != *" $name "* ]] || twin $name
done
finish
