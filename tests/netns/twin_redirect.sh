#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# twin_redirect.sh - ICMP redirects: a router that forwards to another router of the same link says so, and the kernel sends to that
# one from then on. It tells nobody; what goes past it has to follow all the same.
# TIMEOUT: 120

# shellcheck source=tests/netns/lib_twin.sh
. "$(dirname "$0")/lib_twin.sh"

address() { ip -n "$1" -6 addr show dev "$2" scope link | awk '$1 == "inet6" { sub("/.*", "", $2); print $2; exit }'; }

# $NS_A 10.77.1.1 == 10.77.1.2 $NS_B, and 10.77.1.3 $NS_C on the same link (a macvlan of $NS_B's interface, which $NS_B itself can
# not reach: what it should forward is lost). The destinations are addresses of $NS_C's loopback.
lab_two_routers()
{
	ns_pair
	ns_add c
	NS_C=$NS
	ip -n "$NS_B" link add link veth0 name mv0 type macvlan mode bridge 2>/dev/null || macvlan=no
	[[ ${macvlan:-} = no ]] && return
	ip -n "$NS_B" link set mv0 netns "$NS_C"
	ns_address "$NS_C" mv0 10.77.1.3 fd77:1::3
	ns_address "$NS_C" lo 10.200.0.1 fd20::1
	run_in "$NS_B" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	run_in "$NS_B" sysctl -qw net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.veth0.send_redirects=1
	wait_until 5 run_in "$NS_A" ping -q -c 1 -W 1 10.77.1.3
	wait_until 5 run_in "$NS_A" ping -q -c 1 -W 1 fd77:1::3
	B_LINK=$(address "$NS_B" veth0) C_LINK=$(address "$NS_C" mv0)
	wait_until 5 run_in "$NS_A" ping -q -c 1 -W 1 "$B_LINK%veth0"
	wait_until 5 run_in "$NS_A" ping -q -c 1 -W 1 "$C_LINK%veth0"
	ip -n "$NS_B" route add 10.200.0.0/16 via 10.77.1.3
	ip -n "$NS_B" -6 route add fd20::/64 via "$C_LINK" dev veth0
	ip -n "$NS_A" route add 10.200.0.0/16 via "$B4"
	ip -n "$NS_A" -6 route add fd20::/64 via "$B_LINK" dev veth0
	no_limits
}

scenario_redirect()
{
	local v own to i
	[[ ${macvlan:-} != no ]] || { say "SKIP this kernel has no macvlan"; return; }
	agent c "$NS_C"
	for v in 4 6; do
		own=$A4 to=10.200.0.1
		[[ $v = 4 ]] || own=$A6 to=fd20::1
		part "IPv$v: redirected while it sends"
		c sock 0 $v; c bind 0 "$to" 7000
		a sock 0 $v; a bind 0 "$own" 5300
		steered 0
		a send 0 64 1 "$to" 7000
		sleep 0.2
		c drain 0 100
		for i in 2 3 4; do
			a send 0 64 $i "$to" 7000
			c recv 0 500
		done
		part "IPv$v: known before"
		a sock 1 $v; a bind 1 "$own" 5301
		steered 1
		a send 1 64 5 "$to" 7000
		c recv 0 500
		quiet a close 0
		quiet a close 1
		quiet c close 0
	done
	drop_agent c
}

# The kernel was redirected before the program started.
scenario_redirected_before()
{
	local v own to
	[[ ${macvlan:-} != no ]] || { say "SKIP this kernel has no macvlan"; return; }
	run_in "$NS_A" ping -q -c 2 -i 0.3 -W 1 10.200.0.1 >/dev/null 2>&1
	run_in "$NS_A" ping -q -c 2 -i 0.3 -W 1 fd20::1 >/dev/null 2>&1
	agent c "$NS_C"
	for v in 4 6; do
		own=$A4 to=10.200.0.1
		[[ $v = 4 ]] || own=$A6 to=fd20::1
		part "IPv$v"
		c sock 0 $v; c bind 0 "$to" 7000
		a sock 0 $v; a bind 0 "$own" 5300
		steered 0
		a send 0 64 1 "$to" 7000
		c recv 0 500
		quiet a close 0
		quiet c close 0
	done
	drop_agent c
}

for name in redirect redirected_before; do twin $name lab_two_routers; done
finish
