#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 90
#
# accel_fork.sh - sockets across fork and exec (rule R8); the scenarios are in accel_fork.c. Each is tried on kernel sockets
# first: what fails there is the test's own fault.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
start_peer
run_in "$NS_A" ping -q -c 1 -W 1 "$B4" >/dev/null
for scenario in child-serves parent-serves all-serve driver-closes driver-dies child-execs child-binds; do
	kernel_first 15 "$bin/accel_fork" "$B4" $PEER_PORT $scenario
	EXPECT_FAST=1 judge_run 15 $PORTS "$bin/accel_fork" "$B4" $PEER_PORT $scenario
	check "$scenario: nothing stays" wait_until 2 no_xdp "$NS_A" veth0
done
finish
