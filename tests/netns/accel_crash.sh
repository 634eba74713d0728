#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 170
#
# accel_crash.sh - rule R6 at random moments: servers that are killed under load, one after another, of all kinds; that are
# stopped or compute for ten seconds; whose interface goes down, or goes away and comes back. accel_lease.sh has the single cases.
#
# KB_ROUNDS=N kills so many (default: for 45 seconds); KB_SEED=N repeats the random choices of a run.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need bpftool
ns_pair
seed=${KB_SEED:-$((EPOCHSECONDS % 32768))}
RANDOM=$seed
note "KB_SEED=$seed"

# 1000 numbered datagrams a second to port 5300, until the script ends.
stream_begin() { spawn "$NS_B" stream "$bin/accel_client" -s -g 1000 -n 4000000 "$A4" 5300; }

# The kernel's objects that the processes of $NS_A hold now, and what is in their maps of maps: `prog 7`, `map 12`, `link 3`.
declare -A objects
note_objects()
{
	local pid kind id inner
	for pid in $(ip netns pids "$NS_A"); do
		while read -r kind id; do
			objects[$kind $id]=1
		done < <(cat "/proc/$pid/fdinfo/"* 2>/dev/null | sed -nE 's/^(prog|map|link)_id:[[:space:]]*/\1 /p')
	done
	id=$(ip -n "$NS_A" -d link show dev veth0 | sed -nE 's/.*prog\/xdp id ([0-9]+).*/\1/p')
	[[ -n $id ]] || return 0
	objects[prog $id]=1
	for id in $(bpftool prog show id "$id" 2>/dev/null | sed -nE 's/.*map_ids ([0-9,]+).*/\1/p' | tr , ' '); do
		objects[map $id]=1
		for inner in $(bpftool map dump id "$id" 2>/dev/null | sed -nE 's/.*inner_map_id: ([0-9]+).*/\1/p'); do
			objects[map $inner]=1
		done
	done
}

left_objects()
{
	local o
	for o in "${!objects[@]}"; do
		# shellcheck disable=SC2086
		! bpftool ${o/ / show id } >/dev/null 2>&1 || echo "$o"
	done
}
no_objects() { [[ -z $(left_objects) ]]; }

nothing_stays() # NAME
{
	check "$1: no XDP program stays" wait_until 2 no_xdp "$NS_A" veth0
	equal "$1: no process stays" '' "$(ip netns pids "$NS_A")"
	wait_until 5 no_objects # the kernel frees them some time later
	equal "$1: of ${#objects[@]} programs, maps and links none stays" '' "$(left_objects)"
	equal "$1: no name stays" '' "$(run_in "$NS_A" grep -o '@kbaccel-.*' /proc/net/unix)"
	equal "$1: nothing in /dev/shm" '' "$(find /dev/shm -iname '*kbaccel*')"
}

# A server of a kind; its processes are all that run in $NS_A but the holder of the queues.
serve() # KIND
{
	n=$((n + 1))
	case $1 in
	plain) spawn "$NS_A" "server$n" "$bin/accel_server" -s 5300 ;;
	forked) spawn "$NS_A" "server$n" preload 5300 "$bin/accel_server" -s 5300 workers=2 ;;
	*) spawn "$NS_A" "server$n" preload 5300 "$bin/accel_server" -s 5300 ;;
	esac
	server=$SPAWNED
}
others() { ip netns pids "$NS_A" | grep -vxF "${holder:-none}"; }
kill_all()
{
	# shellcheck disable=SC2046
	kill -KILL $(others) 2>/dev/null
	wait "$server" 2>/dev/null
	wait_until 2 eval '[[ -z $(others) ]]'
}
served() { grep -q '^got .* ok' "$KB_TMP/server$n.log"; }
nap() { sleep "0.$(printf %03d $((RANDOM % $1)))"; }

hold() # the queues, so that others get rings; or let them go
{
	if [[ $1 = ring && -z ${holder:-} ]]; then
		start holder 5399 -s 5399 && holder=$SPAWNED
		wait_until 3 accelerated "$holder"
	elif [[ $1 != ring && -n ${holder:-} ]]; then
		stop "$holder"
		holder=
	fi
}

within_2s() # WHAT
{
	local begun=${EPOCHREALTIME/./} took
	if ! wait_until 2 served; then
		note "$1: $(head -n 5 "$KB_TMP/server$n.log")" "XDP: $(ip -n "$NS_A" -d link show dev veth0 | grep -c xdp)"
		late=$((late + 1))
	fi
	took=$(((${EPOCHREALTIME/./} - begun) / 1000))
	((took <= slowest)) || slowest=$took slowest_was=$1
}

# One of the forked dies, the others live.
kill_one()
{
	local pids
	mapfile -t pids < <(others)
	kill -KILL "${pids[RANDOM % ${#pids[@]}]}"
	: >"$KB_TMP/server$n.log"
	within_2s "one of ${#pids[@]} forked ones was killed"
}

n=0 late=0 slowest=0 slowest_was= kills=0 not_fast=0
killing()
{
	local kinds=(xsk ring forked) kind begun=$EPOCHSECONDS round
	for ((round = 0; round < ${KB_ROUNDS:-9999}; round++)); do
		[[ -n ${KB_ROUNDS:-} ]] || ((EPOCHSECONDS - begun < 45)) || break
		kind=${kinds[round % 3]}
		hold "$kind"
		if ((RANDOM % 3 == 0)); then # in the middle of its start
			serve "$kind"
			nap 200
			note_objects
			kill_all
			kills=$((kills + 1))
		fi
		serve "$kind"
		within_2s "round $round: a new server ($kind)"
		nap 300
		if [[ $kind != forked ]] && ((RANDOM % 4 == 0)); then # those come and go between themselves
			wait_until 2 accelerated "$(others | tail -n 1)" || not_fast=$((not_fast + 1))
		fi
		note_objects
		[[ $kind != forked ]] || kill_one
		kill_all
		kills=$((kills + 1))
		if ((RANDOM % 2)); then
			serve plain
			within_2s "round $round: a server without us after one that was killed ($kind)"
			kill_all
		fi
		rm -f "$KB_TMP"/server*.log
	done
	note "$kills killed, $n servers, the slowest had traffic after $slowest ms: $slowest_was"
	equal "killed $kills times: the next one has traffic within 2 s" 0 $late
	equal 'those that live are accelerated' 0 $not_fast
	hold none
	kill_all
	nothing_stays "killed $kills times"
}

stream_begin
stream=$SPAWNED
killing
stop "$stream"

# For ten seconds one is stopped, another one computes: what comes after the lease is in the kernel's socket, and nothing is lost.
start_fast first "$PORTS" -s -r 425984 5301 && first=$SPAWNED
start_fast second "$PORTS" -s -r 425984 5302 && second=$SPAWNED
for port in 5301 5302; do client -s -n 20 "$A4" $port >/dev/null; done
kill -STOP "$first"
client -s -C 10000 -N 1000 -n 1 "$A4" 5302 >/dev/null
stopped=$EPOCHREALTIME
for port in 5301 5302; do client -s -N 2000 -n 20 -g 0 "$A4" $port >/dev/null; done
sleep 1.2
for port in 5301 5302; do client -s -N 3000 -n 200 -g 2000 "$A4" $port >/dev/null; done
queued() { run_in "$NS_A" ss -Hauemn "sport = :$1" 2>/dev/null | sed -nE 's/.*skmem:\(r([0-9]+),.*/\1/p'; }
for port in 5301 5302; do
	bytes=$(queued $port)
	check "not running: the kernel's socket of $port has what came after the lease ($bytes bytes)" test "$bytes" -ge $((200 * 768))
done
sleep "$(awk -v a="$stopped" -v b="$EPOCHREALTIME" 'BEGIN { t = 10 - (b - a); print (t > 0 ? t : 0) }')"
kill -CONT "$first"
for name in first second; do
	wait_until 4 eval "[[ \$(lines_in $name 2000 3199) = 220 ]]"
	equal "ten seconds, $name: all arrive in the end, once" '20 200 220' \
		"$(numbers_in $name 2000 2019) $(numbers_in $name 3000 3199) $(lines_in $name 2000 3199)"
	check "ten seconds, $name: in order" eval "awk '\$1 == \"got\" && \$2 >= 3000 { print \$2 }' '$KB_TMP/$name.log' | sort -nc"
done
for port in 5301 5302; do client -s -N 4000 -n 50 "$A4" $port >/dev/null; done
check 'ten seconds: afterwards accelerated' eval "accelerated $first && accelerated $second"
note_objects
kill -KILL "$first" "$second"
wait "$first" "$second" 2>/dev/null
nothing_stays 'stopped and computing'

# The interface goes down; it is removed, and made again with the same name and addresses.
remake()
{
	ip -n "$NS_A" link del veth0
	sleep 0.5
	check "$1: the interface is removed: loopback serves" all_back 20 127.0.0.1 5301
	ip link add veth0 netns "$NS_A" type veth peer name veth0 netns "$NS_B"
	ns_address "$NS_B" veth0 "$B4" "$B6"
	ns_address "$NS_A" veth0 "$A4" "$A6"
	wait_until 5 run_in "$NS_B" ping -n -q -c 1 -W 1 "$A6"
}
all_back() # COUNT ADDRESS PORT
{
	local answer
	answer=$(CLIENT_NS=$NS_A client -n "$@")
	[[ $answer = "sent $1 back $1 bad 0"* ]] || { note "$answer"; false; }
}
again() # NAME PORT: how it is on the interface that was made
{
	if ! wait_until 3 has_xdp "$NS_A" veth0; then
		not_ok "$1: XDP is back"
		return
	fi
	sleep 0.4
	exchange "$1, IPv4" fast 50 "$A4" "$2"
	exchange "$1, IPv6" fast 50 "$A6" "$2"
}

start_fast any "$PORTS" -d 5301 && first=$SPAWNED
start_fast one "$PORTS" -b "$A4" 5302 && second=$SPAWNED
ip -n "$NS_A" link set veth0 down
sleep 0.5
check 'down: loopback serves' all_back 20 127.0.0.1 5301
ip -n "$NS_A" link set veth0 up
ip -n "$NS_A" addr replace "$A6/64" dev veth0 nodad
wait_until 5 run_in "$NS_B" ping -n -q -c 1 -W 1 "$A6"
again 'down and up, any address' 5301
exchange 'down and up, one address' fast 50 "$A4" 5302
for i in 1 2; do
	remake "made again ($i)"
	again "made again ($i), any address" 5301
	exchange "made again ($i), one address" fast 50 "$A4" 5302
done
start_fast late "$PORTS" -d 5304 && check 'made again: a new server beside them' accelerated "$SPAWNED"
exchange 'made again: a new server beside them' fast 50 "$A4" 5304
note_objects
stop "$first" "$second" "$SPAWNED"
nothing_stays 'made again'

# Those that may not open it any more go on with the kernel.
for step in nobody seccomp; do
	start server "$PORTS" -d 5301 $step && server=$SPAWNED
	wait_until 3 accelerated "$server"
	remake "$step"
	sleep 0.5
	exchange "$step: made again, the kernel serves" slow 20 "$A4" 5301
	[[ $step = seccomp ]] || # where nothing can be said without a call that may be forbidden
		check "$step: says so" grep -q 'there again, but its traffic stays on the kernel path' "$KB_TMP/server.log"
	stop "$server"
done
finish
