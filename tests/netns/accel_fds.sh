#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_fds.sh - the library's descriptors do not get in the program's way, nor the program in theirs (accel_fds.c).

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
start_peer
run_in "$NS_A" ping -q -c 1 -W 1 "$B4" >/dev/null
want=$(run_in "$NS_A" "$bin/accel_fds" "$B4" $PEER_PORT numbers)
got=$(run_in "$NS_A" preload $PORTS "$bin/accel_fds" "$B4" $PEER_PORT numbers)
equal 'the numbers that a program gets' "$want" "$got"

kernel_first 15 "$bin/accel_fds" "$B4" $PEER_PORT few
kernel_first 15 "$bin/accel_fds" "$B4" $PEER_PORT survive
EXPECT_FAST=1 judge_run 20 $PORTS "$bin/accel_fds" "$B4" $PEER_PORT survive
hard=$(ulimit -Hn)
for limit in 64 256 1024 "$hard"; do
	[[ $limit != unlimited ]] || continue
	EXPECT_FAST=1 judge_run 20 $PORTS prlimit --nofile=$limit:$limit "$bin/accel_fds" "$B4" $PEER_PORT few
	got=$(run_in "$NS_A" preload $PORTS prlimit --nofile=$limit:$limit "$bin/accel_fds" "$B4" $PEER_PORT numbers 2>&1)
	[[ $limit = 64 ]] || equal "the numbers with RLIMIT_NOFILE $limit" "$want" "$got"
done

# Servers that close all they did not open: before and after they wait for the first time.
for step in closefrom closeall; do
	start_fast server 5300 -n 3000 5300 $step && exchange "$step after bind" fast 50 "$A4" 5300
	stop "$SPAWNED"
done
# stdin, stdout and stderr closed: the library's numbers must not become 0, 1 or 2, nor its messages a datagram.
run_in "$NS_A" preload 5300 timeout 10 "$bin/accel_server" -q 5300 <&- >&- 2>&- &
server=$!
wait_until 3 udp_bound "$NS_A" 5300
sleep 0.3
exchange 'standard descriptors are closed' fast 50 "$A4" 5300
kill "$server" 2>/dev/null
wait "$server" 2>/dev/null
finish
