#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# soak.sh - `make soak MINUTES=10`: accelerated processes of several kinds on one interface at half of what they can do, while
# programs are started, sockets opened and closed, addresses and other processes come and go, and damaged datagrams arrive.
# Says at the end what was lost, doubled, out of order, damaged, leaked; fails if anything was.
#
#   MINUTES   of load (10)      RATE   datagrams a second, instead of half of what is measured first

# shellcheck source=tests/lib/netns.sh
. "$(dirname "$0")/../lib/netns.sh"
soak=$BUILD/tests/soak/soak tool=$BUILD/kbaccel
[[ -x $soak && -e $BUILD/kbaccel-xdp.so ]] || die "not built: $soak"
MINUTES=${MINUTES:-10}
PORTS=5300-5399
RSS_BOUND=6144 # KiB that a process may grow by: all that is on the way to it may be set aside at a fork, at 4 KiB each
ns_pair
ip -n "$NS_A" link add other0 type veth peer name other1
ip -n "$NS_A" link set other0 up
ip -n "$NS_A" link set other1 up
for family in ipv4 ipv6; do # fragments of all flows at once
	for ns in "$NS_A" "$NS_B"; do
		run_in "$ns" sh -c "echo 16777216 >/proc/sys/net/$family/ip${family#ipv}frag_high_thresh" 2>/dev/null
	done
done

pids=() names=()
begin() # NAME KIND PORT
{
	KBACCEL_INTERFACE=veth0 spawn "$NS_A" "$1" preload "$PORTS" "$soak" serve "$2" "$3"
	wait_until 5 udp_bound "$NS_A" "$3" || die "$1 does not start: $(head -n 3 "$KB_TMP/$1.log")"
	sleep 0.3
	for pid in $SPAWNED $(run_in "$NS_A" pgrep -P "$SPAWNED"); do
		pids+=("$pid")
		names+=("$1")
	done
}
begin epoll epoll 5300
begin workers workers 5310
begin group1 group 5320
begin group2 group 5320
begin mmsg mmsg 5330
servers=(5300 5301 5302 5303 5310u 5320 5330)
load() { run_in "$NS_B" "$soak" load "$A4" "${servers[@]}" - "$@"; }

fds_of() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }
anon_of() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }
frames_of() { "$tool" stat "$1" 2>/dev/null | sed -nE 's/.*frames free ([0-9]+) of.*/\1/p' | tr '\n' ' '; }

# Sent frames are only seen completed once there are 64 of them, so so many may be away at either time.
frames_missing()
{
	local was now i
	read -ra was <<<"${frames[$1]}"
	read -ra now <<<"$(frames_of "$1")"
	for i in "${!was[@]}"; do
		((${now[i]:-0} >= was[i] - 64)) || return 0
	done
	return 1
}

# Half of what they do when they are asked as fast as they answer, which also brings them to their working size.
load 1 0 >"$KB_TMP/warm"
if [[ -z ${RATE:-} ]]; then
	kill -USR1 "${pids[@]}"
	load 3 0 >"$KB_TMP/capacity" 2>&1
	kill -USR2 "${pids[@]}"
	capacity=$(sed -nE 's/.* rate ([0-9]+)$/\1/p' "$KB_TMP/capacity")
	RATE=$((capacity / 2))
	note "capacity $capacity datagrams a second there and back; load: $RATE"
fi
sleep 1.5
declare -A fds anon frames
for pid in "${pids[@]}"; do
	fds[$pid]=$(fds_of "$pid") anon[$pid]=$(anon_of "$pid") frames[$pid]=$(frames_of "$pid")
done

# Everything that is not the servers' own business.
disturb()
{
	local i=0 pid
	trap '[[ -z $pid ]] || kill -KILL "$pid"; exit' TERM
	while :; do
		i=$((i + 1))
		ip -n "$NS_A" addr add "10.78.0.$((i % 250 + 1))/24" dev other0
		ip -n "$NS_A" addr add "fd78::$i/64" dev other0 nodad
		# Not by run_in: $! would be a shell, and the server outlive it.
		ip netns exec "$NS_A" env "LD_PRELOAD=$PRELOAD" "KBACCEL_PORTS=$PORTS" "$soak" serve mmsg 5390 &
		pid=$!
		run_in "$NS_B" "$soak" junk "$A4" $((5300 + i % 4)) 1
		run_in "$NS_B" "$soak" load "$A4" 5390 - 1 500
		kill -s "$([[ $((i % 2)) = 0 ]] && echo KILL || echo TERM)" "$pid"
		wait "$pid"
		pid=
		ip -n "$NS_A" addr flush dev other0
	done
}
preload_value "$BUILD/libkbaccel.so"
disturb >"$KB_TMP/disturb" 2>&1 &
disturber=$!
kill -USR1 "${pids[@]}"
load "$(awk -v m="$MINUTES" 'BEGIN { print m * 60 }')" "$RATE" >"$KB_TMP/load" 2>"$KB_TMP/flows"
kill -USR2 "${pids[@]}"
kill "$disturber"
wait "$disturber" 2>/dev/null
sleep 1.5

# The verdict.
cat "$KB_TMP/load"
sed 's/^/# /' "$KB_TMP/flows"
value() { sed -nE "s/.*$1 ([0-9]+).*/\\1/p" "$KB_TMP/load"; }
check "$(value sent) datagrams were sent" test "$(value sent)" -gt 0
for what in lost duplicated reordered corrupted; do equal "$what" 0 "$(value $what)"; done
leaks=0 grown=0
for i in "${!pids[@]}"; do
	pid=${pids[i]}
	if ! kill -0 "$pid"; then
		not_ok "${names[i]} lives"
		continue
	fi
	now="$(fds_of "$pid") descriptors, frames free: $(frames_of "$pid")"
	was="${fds[$pid]} descriptors, frames free: ${frames[$pid]}"
	if [[ $(fds_of "$pid") != "${fds[$pid]}" ]] || frames_missing "$pid"; then
		leaks=$((leaks + 1))
		note "${names[i]} ($pid): $was; then $now"
	fi
	more=$(($(anon_of "$pid") - ${anon[$pid]}))
	((more <= grown)) || grown=$more
	note "${names[i]} ($pid): $now; memory $more KiB more; $("$tool" stat "$pid" | grep -cE ': accelerated') accelerated"
done
equal 'processes that leaked descriptors or frames' 0 $leaks
kill -KILL "${pids[@]}" 2>/dev/null
check 'no XDP program stays' wait_until 2 eval '! ip -n "$NS_A" -d link show dev veth0 | grep -q xdp'
check "no process has grown by more than $RSS_BOUND KiB ($grown)" test "$grown" -le $RSS_BOUND
finish
