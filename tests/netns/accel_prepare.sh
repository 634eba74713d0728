#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_prepare.sh - rule R7: what servers do between bind() and serving (daemonize, drop root, chroot, seccomp) does not cost
# them acceleration. Each step alone, then as real servers combine them.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
mkdir "$KB_TMP/empty"
jail=$KB_TMP/empty

# The server's own process, whatever its parents were.
serving_pid()
{
	local pid
	for pid in $(ip netns pids "$NS_A"); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != accel_server ]] || echo "$pid"
	done | tail -n 1
}

# Looked up each time: while it daemonizes the newest process may be one that is about to leave.
serves_fast()
{
	pid=$(serving_pid)
	[[ -n $pid ]] && accelerated "$pid"
}

prepare_case()
{
	local name=$1 pid
	shift
	if ! start server 5300 "$@"; then
		not_ok "$name: starts"
	else
		wait_until 2 eval '[[ -n $(serving_pid) ]]'
		pid=$(serving_pid)
		if [[ -z $pid ]]; then
			note "the server is gone: $(tail -n 2 "$KB_TMP/server.log")"
			not_ok "$name: serves"
		elif ! wait_until 3 serves_fast; then
			note "$(tail -n 3 "$KB_TMP/server.log")" "$("$tool" stat "$pid" 2>&1 | grep -E 'socket fd|why')"
			not_ok "$name: accelerated"
		else
			exchange "$name" fast 50 "$A4" 5300
			if [[ $name = *,* ]]; then
				sleep 1.1 # beyond the first lease: it is renewed in this state too
				exchange "$name, a second later" fast 50 "$A4" 5300
			fi
			check "$name: still runs" test -n "$(serving_pid)"
		fi
	fi
	# shellcheck disable=SC2046
	kill -KILL $(ip netns pids "$NS_A") 2>/dev/null
	wait_until 2 no_xdp "$NS_A" veth0 || not_ok "$name: the XDP program stays"
}

prepare_case 'one fork' 5300 fork
prepare_case 'daemon()' 5300 daemon
prepare_case 'drops root' 5300 nobody
prepare_case 'chroot to an empty directory' 5300 "chroot=$jail"
prepare_case 'seccomp' 5300 seccomp
prepare_case 'seccomp, waits with poll' -w poll 5300 seccomp
prepare_case 'seccomp, waits with epoll' -w epoll 5300 seccomp
prepare_case 'seccomp, waits with select' -w select 5300 seccomp
prepare_case 'chroot, root dropped, seccomp' 5300 "chroot=$jail" nobody seccomp
prepare_case 'daemon, chroot, root dropped' 5300 daemon "chroot=$jail" nobody
prepare_case 'fork, seccomp' 5300 fork seccomp
prepare_case 'daemon, chroot, root dropped, seccomp' 5300 daemon "chroot=$jail" nobody seccomp
prepare_case 'the same with epoll' -w epoll 5300 daemon "chroot=$jail" nobody seccomp

# Until it first waits nothing is steered: the kernel's socket keeps what comes.
spawn "$NS_A" server preload 5300 "$bin/accel_server" -s 5300 pause=1500
wait_until 3 udp_bound "$NS_A" 5300
sleep 0.3
client -s -n 50 "$A4" 5300 >/dev/null
queued=$(run_in "$NS_A" ss -Hunl "sport = :5300" | awk '{ print $2 }')
check "bound but not waiting: the kernel keeps it ($queued bytes)" test "${queued:-0}" -gt 10000
wait_until 4 eval '[[ $(numbers_in server 0 49) = 50 ]]'
equal 'bound but not waiting: all are received later' '50 50' "$(numbers_in server 0 49) $(lines_in server 0 49)"
stop "$SPAWNED"
finish
