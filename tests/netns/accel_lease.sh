#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_lease.sh - rule R6: a server that is stopped, computes or dies never swallows its traffic: the kernel's socket gets it.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
start_fast server 5300 -s -r 212992 5300 # twice the default, and what an unprivileged program may ask for
server=$SPAWNED
client -s -n 20 "$A4" 5300 >/dev/null

# Stopped for three seconds, from the lease's last moment to beyond its end.
kill -STOP "$server"
client -s -N 1000 -n 300 -g 10000 "$A4" 5300 >/dev/null
queued=$(run_in "$NS_A" ss -Hunl "sport = :5300" | awk '{ print $2 }')
kill -CONT "$server"
wait_until 3 eval '[[ $(numbers_in server 1000 1299) = 300 ]]'
equal 'stopped: every datagram arrives in the end' 300 "$(numbers_in server 1000 1299)"
equal 'stopped: none twice' 300 "$(lines_in server 1000 1299)"
check "stopped: the kernel's socket had the later ones ($queued bytes)" test "$queued" -gt 10000
sleep 0.2
in=$(kernel_udp "$NS_A" InDatagrams)
client -s -N 2000 -n 100 "$A4" 5300 >/dev/null
wait_until 2 eval '[[ $(numbers_in server 2000 2099) = 100 ]]'
equal 'stopped: afterwards all arrive' 100 "$(numbers_in server 2000 2099)"
equal 'stopped: afterwards past the kernel' 0 $(($(kernel_udp "$NS_A" InDatagrams) - in))

# In the order in which they were sent, although the traffic goes on: the kernel's before what is steered again.
disorder() { awk -v a="$2" -v b="$3" '$1 == "got" && $2 >= a && $2 <= b { n += $2 < last; last = $2 } END { print n + 0 }' "$KB_TMP/$1.log"; }
for from in 20000 30000 40000; do
	client -s -N $from -n 800 -g 3000 "$A4" 5300 >/dev/null &
	sleep 0.3
	kill -STOP "$server"
	sleep 1.4
	kill -CONT "$server"
	wait $!
	wait_until 3 eval '[[ $(numbers_in server $from $((from + 799))) = 800 ]]'
	equal 'stopped under load: all arrive, in order' '800 0' \
		"$(numbers_in server $from $((from + 799))) $(disorder server $from $((from + 799)))"
done

# Computes for three seconds without a call.
client -s -N 3000 -C 3000 -n 300 -g 9000 "$A4" 5300 >/dev/null
wait_until 4 eval '[[ $(numbers_in server 3000 3299) = 300 ]]'
equal 'computing: every datagram arrives in the end' 300 "$(numbers_in server 3000 3299)"
equal 'computing: none twice' 300 "$(lines_in server 3000 3299)"
in=$(kernel_udp "$NS_A" InDatagrams)
client -s -N 4000 -n 100 "$A4" 5300 >/dev/null
wait_until 2 eval '[[ $(numbers_in server 4000 4099) = 100 ]]'
equal 'computing: afterwards past the kernel' 0 $(($(kernel_udp "$NS_A" InDatagrams) - in))

# Stopped under more than the kernel's buffer holds: what fits is there, in order, the rest is counted by the kernel.
kill -STOP "$server"
sleep 1.3
errors=$(udp_counter "$NS_A" RcvbufErrors)
client -s -N 10000 -n 2000 -g 0 -z 1000 "$A4" 5300 >/dev/null
errors=$(($(udp_counter "$NS_A" RcvbufErrors) - errors))
kill -CONT "$server"
wait_until 3 eval '[[ $(numbers_in server 10000 11999) = $((2000 - errors)) ]]'
check "overload while stopped: the kernel's buffer is the limit ($errors dropped)" test "$errors" -gt 100
equal 'overload while stopped: received and dropped make all' 2000 \
	$(($(numbers_in server 10000 11999) + errors))

# An idle one keeps its lease: sleeping is not dying.
sleep 2.5
in=$(kernel_udp "$NS_A" InDatagrams)
client -s -N 5000 -n 50 "$A4" 5300 >/dev/null
wait_until 2 eval '[[ $(numbers_in server 5000 5049) = 50 ]]'
equal 'idle: still past the kernel' '50 0' \
	"$(numbers_in server 5000 5049) $(($(kernel_udp "$NS_A" InDatagrams) - in))"

# Killed. Nothing stays, a successor has the port at once.
successor() # NAME KIND
{
	check "$1: no XDP program stays" wait_until 1 no_xdp "$NS_A" veth0
	if [[ $2 = kernel ]]; then
		spawn "$NS_A" next "$bin/accel_server" 5300
		wait_until 2 udp_bound "$NS_A" 5300
	else
		start_fast next 5300 5300
	fi
	exchange "$1: a successor, ${2/slow/kernel}" "$([[ $2 = kernel ]] && echo slow || echo fast)" 50 "$A4" 5300
	stop "$SPAWNED"
}
kill -KILL "$server"
wait "$server" 2>/dev/null
successor 'killed' kernel
start_fast server 5300 5300
kill -KILL "$SPAWNED"
wait "$SPAWNED" 2>/dev/null
successor 'killed' accelerated
start_fast server 5300 -n 5 5300
server=$SPAWNED
client -n 5 "$A4" 5300 >/dev/null
check 'ends by itself' wait_until 2 eval "! kill -0 $server"
successor 'ended' kernel
start_fast server 5300 5300
stop "$SPAWNED"
successor 'terminated' accelerated

# A listener that shares the port (SO_REUSEPORT) and is not accelerated gets what is sent once the first is dead.
start_fast server 5300 -s -S 5300
server=$SPAWNED
spawn "$NS_A" next "$bin/accel_server" -S 5300
sleep 0.2
kill -KILL "$server"
wait "$server" 2>/dev/null
answer=$(client -n 50 "$A4" 5300)
equal 'a listener beside the killed one' 'sent 50 back 50 bad 0' "${answer% from*}"
finish
