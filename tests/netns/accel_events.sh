#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_events.sh - events of epoll, poll and select on accelerated sockets are the kernel's; the cases are in accel_events.c, and
# are tried on kernel sockets first.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
start_peer
run_in "$NS_A" ping -q -c 1 -W 1 "$B4" >/dev/null
kernel_first 15 "$bin/accel_events" "$B4" $PEER_PORT
in=$(kernel_udp "$NS_A" InDatagrams)
judge_run 15 $PORTS "$bin/accel_events" "$B4" $PEER_PORT
equal 'all that past the kernel' 0 $(($(kernel_udp "$NS_A" InDatagrams) - in))
KBACCEL_SPIN=300 judge_run 15 $PORTS "$bin/accel_events" "$B4" $PEER_PORT
finish
