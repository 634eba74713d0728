#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_multiqueue.sh - interfaces with several RX queues: one XSK on each, datagrams of many flows arrive on all of them.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"

# How many of the queues that stat shows have received something.
queues_used()
{
	"$tool" stat "$1" | awk '/^  queue veth0\// { q = 1; next } q && $1 == "received" { n += $2 > 0; q = 0 } END { print n + 0 }'
}

for queues in 2 4; do
	ns_pair -q $queues
	for how in block epoll; do
		start_fast server 5300 -w $how 5300 || { not_ok "$queues queues: starts"; continue; }
		name="$queues queues, $how"
		equal "$name: as many rings" $queues "$("$tool" stat "$SPAWNED" | grep -c '^  queue veth0/')"
		exchange "$name: 64 flows" fast 640 -P 64 -g 300 "$A4" 5300
		exchange "$name: one flow" fast 100 -c "$A4" 5300
		exchange "$name: IPv4 after a pause" fast 64 -P 64 "$A4" 5300
		sleep 0.7
		equal "$name: all of them carry traffic" $queues "$(queues_used "$SPAWNED")"
		equal "$name: nothing twice or broken" "$(lines_in server 0 9999) 0" \
			"$(grep -c '^got .* ok ' "$KB_TMP/server.log") $(bad_lines server)"
		stop "$SPAWNED"
	done
	ns_del_all
	ns_list=()
done
finish
