#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_jumps.sh - a signal handler that jumps out of recv(), epoll_wait() and poll(), again and again, in a process that shares its
# socket with a forked one: afterwards the datagrams are for whoever waits, as before.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair

jumps_case() # NAME THREADS
{
	local name=$1 in answer
	spawn "$NS_A" jumps preload 5300 "$bin/accel_jumps" 5300 "$2"
	wait_until 5 grep -q '^the child serves' "$KB_TMP/jumps.log" || not_ok "$name: gets there"
	grep -E '^(not )?ok' "$KB_TMP/jumps.log"
	test_failed=$((test_failed + $(grep -c '^not ok' "$KB_TMP/jumps.log")))
	sleep 0.5
	client -n 10 -t 500 "$A4" 5300 >/dev/null
	answer=$(client -n 500 -g 500 -P 64 "$A4" 5300)
	equal "$name: the one that waits gets all" 'sent 500 back 500 bad 0' "${answer% from*}"
	kill -USR1 "$SPAWNED"
	wait_until 2 grep -q '^both serve' "$KB_TMP/jumps.log"
	sleep 0.3
	in=$(kernel_udp "$NS_A" InDatagrams)
	answer=$(client -n 1000 -g 500 -P 64 "$A4" 5300)
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in))
	equal "$name: then both serve" 'sent 1000 back 1000 bad 0' "${answer% from*}"
	check "$name: past the kernel ($in of 1000 through it)" test "$in" -le 150
	kill -TERM "$SPAWNED"
	wait_until 2 eval '[[ $(grep -c "^answered" "$KB_TMP/jumps.log") = 2 ]]'
	check "$name: each has its share ($(grep '^answered' "$KB_TMP/jumps.log" | tr '\n' ' '))" \
		eval '[[ -z $(awk "/^answered/ && \$2 < 100" "$KB_TMP/jumps.log") ]]'
	wait_until 2 no_xdp "$NS_A" veth0 || not_ok "$name: the program stays"
}
jumps_case 'one thread' 0
jumps_case 'with other threads' 2
finish
