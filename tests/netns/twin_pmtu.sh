#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# twin_pmtu.sh - path MTUs: a router's next link is narrower than ours. What is lost, what each call says, what arrives and what
# the kernel has learned is the same for datagrams that go past it, which it therefore hears of by ICMP only.
# TIMEOUT: 420

# shellcheck source=tests/netns/lib_twin.sh
. "$(dirname "$0")/lib_twin.sh"

# $NS_A 10.77.1.1 == 10.77.1.2 $NS_B 10.79.1.1 == 10.79.1.2 $NS_C; the second link has an MTU of 1300.
lab_router()
{
	ns_pair
	ns_add c
	NS_C=$NS
	ip link add veth9 netns "$NS_B" type veth peer name veth0 netns "$NS_C"
	ns_address "$NS_B" veth9 10.79.1.1 fd79:1::1
	ns_address "$NS_C" veth0 10.79.1.2 fd79:1::2
	run_in "$NS_B" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n "$NS_A" route add 10.79.1.0/24 via "$B4"
	ip -n "$NS_A" route add fd79:1::/64 via "$B6"
	ip -n "$NS_C" route add default via 10.79.1.1
	ip -n "$NS_C" -6 route add default via fd79:1::1
	C4=10.79.1.2 C6=fd79:1::2
	no_limits
	wait_until 5 run_in "$NS_C" ping -q -c 1 -W 1 "$A6"
	wait_until 5 run_in "$NS_C" ping -q -c 1 -W 1 "$A4"
	ip -n "$NS_B" link set veth9 mtu "${narrow:-1300}"
	ip -n "$NS_C" link set veth0 mtu "${narrow:-1300}"
}

forget() { ip -n "$NS_A" route flush cache; ip -n "$NS_A" -6 route flush cache; }

# One way of discovery: what each of a row of sends says, what arrives, and what the kernel knows afterwards.
discover() # TITLE FAMILY SIZE [OPTION VALUE]...
{
	local title=$1 v=$2 size=$3 option=${4:-} value=${5:-} own=$A4 to=$C4 mtu=mtu recverr=recverr connected number=100
	[[ $v = 4 ]] || own=$A6 to=$C6 mtu=mtu6 recverr=recverr6
	agent c "$NS_C"
	c sock 0 "$v"; c bind 0 "$to" 7000
	for connected in no yes; do
		part "$title, IPv$v, $size bytes, connected: $connected"
		forget
		quiet a sock 0 "$v"
		quiet a bind 0 "$own" 5300
		quiet a set 0 $recverr 1
		[[ -z $option ]] || a set 0 "$option" "$value"
		[[ $connected = no ]] || quiet a connect 0 "$to" 7000
		steered 0
		for _ in 1 2 3 4; do
			number=$((number + 1))
			if [[ $connected = yes ]]; then a send 0 "$size" $number; else a send 0 "$size" $number "$to" 7000; fi
			sleep 0.05
			a poll 0 0
			a errq 0
			a recv 0 0
			a error 0
		done
		[[ $connected = no ]] || a get 0 $mtu
		c drain 0 100
		say "$(ip -n "$NS_A" route get "$to" | grep -o 'mtu [0-9]*')"
		quiet a send 0 64 90 "$to" 7000
		c recv 0 1000
		quiet a close 0
	done
	drop_agent c
}

scenario_pmtu4()
{
	discover 'want' 4 1400 pmtudisc 1
	discover 'do' 4 1400 pmtudisc 2
	discover 'dont' 4 1400 pmtudisc 0
	discover 'probe' 4 1400 pmtudisc 3
	discover 'interface' 4 1400 pmtudisc 4
	discover 'omit' 4 1400 pmtudisc 5
	discover 'default' 4 1260
}
scenario_pmtu6()
{
	discover 'want' 6 1400 pmtudisc6 1
	discover 'do' 6 1400 pmtudisc6 2
	discover 'dont' 6 1400 pmtudisc6 0
	discover 'probe' 6 1400 pmtudisc6 3
	discover 'interface' 6 1400 pmtudisc6 4
	discover 'omit' 6 1400 pmtudisc6 5
	discover 'dontfrag' 6 1400 dontfrag6 1
	discover 'default' 6 1232
}
# Below what every path is often said to carry.
lab_narrow() { narrow=600 lab_router; }
scenario_narrow4()
{
	discover 'want' 4 1000 pmtudisc 1
	discover 'do' 4 1000 pmtudisc 2
	discover 'dont' 4 1000 pmtudisc 0
	discover 'small ones' 4 500
}

# A path that was wide becomes narrow under a socket that sends fast; the datagrams before were.
scenario_wide_then_narrow()
{
	local v own to
	ip -n "$NS_B" link set veth9 mtu 1500
	ip -n "$NS_C" link set veth0 mtu 1500
	agent c "$NS_C"
	for v in 4 6; do
		own=$A4 to=$C4
		[[ $v = 4 ]] || own=$A6 to=$C6
		part "IPv$v: wide"
		c sock 0 $v; c bind 0 "$to" 7000
		a sock 0 $v; a bind 0 "$own" 5300
		steered 0
		a send 0 64 1 "$to" 7000
		c recv 0 1000
		fast tx 4 times 5 a send 0 1400 '1N#' "$to" 7000
		c drain 0 100
		part "IPv$v: narrow"
		ip -n "$NS_B" link set veth9 mtu 1300
		sleep 0.1
		for _ in 1 2 3; do
			a send 0 1400 20 "$to" 7000
			sleep 0.05
			c recv 0 100
		done
		fast tx 3 times 4 a send 0 1000 '3N#' "$to" 7000
		c drain 0 100
		part "IPv$v: wide again, and forgotten"
		ip -n "$NS_B" link set veth9 mtu 1500
		forget
		sleep 0.1
		for _ in 1 2 3; do
			a send 0 1400 40 "$to" 7000
			c recv 0 1000
		done
		quiet a close 0
		quiet c close 0
	done
	drop_agent c
}

# The kernel had learned it before the program started.
scenario_known_before()
{
	local v own to
	agent c "$NS_C"
	for v in 4 6; do
		own=$A4 to=$C4
		[[ $v = 4 ]] || own=$A6 to=$C6
		part "IPv$v"
		run_in "$NS_A" ping -q -c 2 -i 0.1 -W 1 -M "do" -s 1350 "$to" >/dev/null 2>&1
		say "$(ip -n "$NS_A" route get "$to" | grep -o 'mtu [0-9]*')"
		c sock 0 $v; c bind 0 "$to" 7000
		a sock $v $v; a bind $v "$own" 5300
		steered $v
		for _ in 1 2; do
			a send $v 1400 20 "$to" 7000
			c recv 0 1000
		done
		fast tx 3 times 4 a send $v 1000 '3N#' "$to" 7000
		c drain 0 100
		quiet c close 0
	done
	drop_agent c
}

for name in pmtu4 pmtu6 wide_then_narrow known_before; do
	[[ $# -gt 0 && " $* " != *" $name "* ]] || twin $name lab_router
done
[[ $# -gt 0 && " $* " != *" narrow4 "* ]] || twin narrow4 lab_narrow
finish
