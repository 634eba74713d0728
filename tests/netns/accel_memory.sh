#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_memory.sh - rule R10: a socket that is flooded and not read keeps no more than its receive buffer, starves no other one, and
# says how much it dropped.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
start_fast server 5300,5301 -x 5301 5300
server=$SPAWNED
# The source fills a core from inside the kernel, which does not preempt itself: a server that is woken there waits for tens of
# milliseconds, longer than its ring lasts.
taskset -a -p -c 0 "$server" >/dev/null
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }
client -n 20 "$A4" 5300 >/dev/null
before=$(rss)
# 40,000 a second: the ring, which all sockets share, lasts for 50 ms.
flood 5301 3 40000 || skip_all 'no live_source'
sleep 0.5
answer=$(client -l -n 100 -g 10000 -t 300 "$A4" 5300)
equal 'the other socket is served under the flood' 'sent 100 back 100 bad 0' "${answer% from*}"
check "promptly (${answer##* max })" test "$(sed 's/.* max \([0-9]*\) us/\1/' <<<"$answer")" -lt 50000
wait $FLOOD
"$tool" stat "$server" >"$KB_TMP/stat"
# shellcheck disable=SC2016
field() { awk -v port="$1" -v what="$2" '/^  socket / { s = index($0, ":" port ":") } s && match($0, what " [0-9]+") {
	t = substr($0, RSTART, RLENGTH); sub(/.* /, "", t); print t; exit }' "$KB_TMP/stat"; }
dropped=$(field 5301 'buffer full:')
check "the flooded one drops and counts it ($dropped)" test "${dropped:-0}" -gt 10000
fast=$(awk '/:5301:/ { s = 1 } s && $1 == "received:" { print $3; exit }' "$KB_TMP/stat")
kept=$((${fast:-0} - ${dropped:-0}))
# The kernel keeps about 270 small datagrams in 212992 bytes.
check "it keeps what its buffer holds ($kept of $fast)" test $kept -ge 100 -a $kept -le 2000
equal 'nothing of the other one was dropped' 0 "$(field 5300 'buffer full:')"
sanitized 'memory stays where it was' 'shadow memory grows with what is used' || check "memory stays where it was ($before kB, $(rss) kB)" test "$(rss)" -le $((before + 8192))
exchange 'fast after the flood' fast 50 "$A4" 5300

# Clients that come once each: what is kept for a remote address is bounded.
before=$(rss)
for round in 1 2 3 4; do
	ip -n "$NS_B" addr add 10.77.1.$((10 + round))/24 dev veth0
	client -n 256 -P 64 -g 50 -b 10.77.1.$((10 + round)) "$A4" 5300 >"$KB_TMP/answer"
	grep -q 'sent 256 back 256 bad 0' "$KB_TMP/answer" || note "$(cat "$KB_TMP/answer")"
done
sanitized 'many clients: memory stays where it was' 'shadow memory grows with what is used' ||
	check "many clients: memory stays where it was ($before kB, $(rss) kB)" test "$(rss)" -le $((before + 2048))
stop "$server"
finish
