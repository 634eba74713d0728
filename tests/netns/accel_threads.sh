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

# One-shot members of a set that four threads wait on, fed from both sides at once: what is cut into fragments comes by the kernel.
one_shot() # NAME [preload...]
{
	local server port pids=()
	spawn "$NS_A" shots "${@:2}" "$bin/accel_threads" - 5310 one-shot
	server=$SPAWNED
	wait_until 3 udp_bound "$NS_A" 5313
	sleep 0.3
	for port in 5310 5311 5312 5313; do
		client -n 4000 -g 500 -P 4 "$A4" $port >"$KB_TMP/shots.$port.whole" &
		pids+=($!)
		client -n 4000 -g 500 -z 4000 -P 4 "$A4" $port >"$KB_TMP/shots.$port.cut" &
		pids+=($!)
	done
	wait "${pids[@]}"
	equal "one-shot members, $1: all answers" 8 \
		"$(cat "$KB_TMP"/shots.531?.* | grep -c 'sent 4000 back 4000 bad 0')"
	stop "$server"
	equal "one-shot members, $1: one thread at a time" 'total 32000 together 0' "$(grep '^total' "$KB_TMP/shots.log")"
}
run_in "$NS_A" sh -c 'echo 16777216 >/proc/sys/net/ipv4/ipfrag_high_thresh'
run_in "$NS_B" sh -c 'echo 16777216 >/proc/sys/net/ipv4/ipfrag_high_thresh'
one_shot kernel
one_shot accelerated preload $PORTS

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
