#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 150
#
# accel_respawn.sh - a master whose worker is killed under load, with frames in its queue, 50 times in a row: each successor takes the
# queues over, goes on, and in the end no frame is missing.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair

worker() { pgrep -n -P "$SPAWNED"; }
frames_free() { "$tool" stat "$1" 2>/dev/null | sed -nE 's/.*frames free ([0-9]+) of ([0-9]+).*/\1 \2/p'; }
waiting() { "$tool" stat "$(worker)" 2>/dev/null | sed -nE 's/ *waiting ([0-9]+);.*/\1/p'; }
rested() { [[ $(waiting) = 0 ]] && sleep 0.2 && [[ $(waiting) = 0 ]]; }
serves() { [[ -n $(worker) ]] && accelerated "$(worker)"; }

# The worker is slow: what comes lies in its queue.
respawn_case() # NAME KILLS [step...]
{
	local name=$1 kills=$2 i old held=0 most=0
	shift 2
	spawn "$NS_A" server preload 5300 "$bin/accel_server" -q -r 4000000 -u 5000 5300 respawn
	wait_until 5 serves || not_ok "$name: starts"
	for ((i = 1; i <= kills; i++)); do
		client -s -n 60 -g 0 "$A4" 5300 >/dev/null
		old=$(worker)
		((i % 3)) || { sleep 0.15; read -r held total <<<"$(frames_free "$old")"; ((total - held <= most)) || most=$((total - held)); }
		kill -KILL "$old"
		wait_until 3 eval '[[ -n $(worker) && $(worker) != "$old" ]] && serves' || not_ok "$name: successor $i serves"
	done
	note "up to $most frames were in a queue when its process was killed"
	check "$name: the dead had frames" test "$most" -gt 10
	# What the dead had not answered is still in the rings, some hundred datagrams: the last one answers them first.
	note "$(waiting) datagrams wait for the last one"
	check "$name: the last one answers what waited" wait_until 20 rested
	exchange "$name: the last one serves" fast 50 "$A4" 5300
	sleep 0.3
	read -r held total <<<"$(frames_free "$(worker)")"
	check "$name: no frame is missing ($held of $total are free)" test "${held:-0}" -ge $((${total:-1} - 64))
	kill -KILL "$SPAWNED" $(ip netns pids "$NS_A") 2>/dev/null
	wait_until 2 no_xdp "$NS_A" veth0 || not_ok "$name: the program stays"
}
respawn_case 'a killed worker' 50
# A second process on the interface has a ring instead of the queues.
start_fast first 5301 5301
first=$SPAWNED
respawn_case 'a killed worker with a ring' 10
stop "$first"
finish
