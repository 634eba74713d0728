#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_early.sh - rule R7 for servers that give up their privileges before they bind (BIND does): what it takes is opened when
# the privileges go.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair

# Looked up each time: a daemon is another process in the end.
server_pid()
{
	local pid
	for pid in $(ip netns pids "$NS_A"); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != accel_server ]] || echo "$pid"
	done | tail -n 1
}

is_fast() { accelerated "$(server_pid)"; }

# early_case NAME option... PORT step...
early_case()
{
	local name=$1
	shift
	if ! start server 5300 "$@"; then
		not_ok "$name: starts"
	elif ! wait_until 3 is_fast; then
		note "$(tail -n 3 "$KB_TMP/server.log")"
		not_ok "$name: accelerated"
	else
		exchange "$name" fast 50 "$A4" 5300
		exchange "$name, IPv6" fast 50 "$A6" 5300
	fi
	# shellcheck disable=SC2046
	kill -KILL $(ip netns pids "$NS_A") 2>/dev/null
	wait_until 2 no_xdp "$NS_A" veth0 || not_ok "$name: the XDP program stays"
}

early_case 'root dropped' -d -e nobody 5300
early_case 'capabilities dropped' -d -e powerless 5300
early_case 'capabilities dropped, daemon, root dropped' -d -e powerless -e daemon -e nobody -w epoll 5300
early_case 'daemon, root dropped, and seccomp after bind()' -d -e daemon -e nobody 5300 seccomp
early_case 'a child of vfork() drops root' -d -e vfork 5300

# Nothing is opened for a program that has chosen no port of this host's, or could not open anything anyway.
spawn "$NS_A" other env "LD_PRELOAD=$PRELOAD" KBACCEL_PORTS=192.0.2.1:53 "$bin/accel_server" -e powerless 5301 pause=1000
wait_until 3 udp_bound "$NS_A" 5301
check 'an address that is not here: no interface is opened' no_xdp "$NS_A" veth0
stop "$SPAWNED"
finish
