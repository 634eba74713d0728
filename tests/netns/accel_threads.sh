#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 90
#
# accel_threads.sh - threads (rule R13: no waiter is forgotten); the scenarios are in accel_threads.c, tried on kernel sockets first.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
start_peer
run_in "$NS_A" ping -q -c 1 -W 1 "$B4" >/dev/null
for scenario in one-socket reader-writer epoll-sets one-set closing; do
	kernel_first 12 "$bin/accel_threads" "$B4" $PEER_PORT $scenario
	judge_run 12 $PORTS "$bin/accel_threads" "$B4" $PEER_PORT $scenario
done

KBACCEL_SPIN=500 judge_run 12 $PORTS "$bin/accel_threads" "$B4" $PEER_PORT one-socket
KBACCEL_SPIN=500 judge_run 12 $PORTS "$bin/accel_threads" "$B4" $PEER_PORT epoll-sets

# Threads with sockets of their own, over several queues: 64 clients; each keeps its thread.
for queues in 1 4; do
	ns_pair -q $queues
	spawn "$NS_A" server preload 5300 "$bin/accel_threads" - 5300 reuseport
	server=$SPAWNED
	wait_until 3 accelerated "$server"
	sleep 0.2
	in=$(kernel_udp "$NS_A" InDatagrams)
	answer=$(client -n 1280 -P 64 -g 300 "$A4" 5300)
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in))
	equal "SO_REUSEPORT threads, $queues queue(s): all answers" 'sent 1280 back 1280 bad 0' "${answer% from*}"
	equal "SO_REUSEPORT threads, $queues queue(s): past the kernel" 0 $in
	stop "$server"
	summary=$(grep '^total' "$KB_TMP/server.log")
	equal "SO_REUSEPORT threads, $queues queue(s): received" 'total 1280 busy 4 shared 0' "$summary"
done
finish
