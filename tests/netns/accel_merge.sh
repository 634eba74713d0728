#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_merge.sh - rule R2: what the kernel receives for an accelerated socket (fragments, IP options, loopback, another
# interface) reaches the program too, promptly, also under a flood on the fast path.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
ip link add veth1 netns "$NS_A" type veth peer name veth1 netns "$NS_B"
ns_address "$NS_A" veth1 10.88.1.1 fd88:1::1
ns_address "$NS_B" veth1 10.88.1.2 fd88:1::2
export KBACCEL_INTERFACE=veth0
start_fast server 5300 -d -r 1000000 5300
server=$SPAWNED

whole() # NAME COUNT [client option...] ADDRESS PORT
{
	local name=$1 count=$2 answer
	shift 2
	answer=$(client -n "$count" "$@")
	check "$name: $answer" test "${answer%% from*}" = "sent $count back $count bad 0"
}

for address in "$A4" "$A6"; do
	for size in 1473 2000 8000 30000 65000; do
		whole "fragments, $size bytes, $address" 20 -g 3000 -z $size "$address" 5300
	done
done
whole 'the largest IPv4 datagram' 10 -g 5000 -z 65507 "$A4" 5300
whole 'IP options' 100 -O "$A4" 5300
CLIENT_NS=$NS_A
whole 'loopback' 100 127.0.0.1 5300
whole 'loopback, IPv6' 100 ::1 5300
whole 'own address' 100 "$A4" 5300
unset CLIENT_NS
exchange 'the second interface' slow 50 10.88.1.1 5300
exchange 'the second interface, IPv6' slow 50 fd88:1::1 5300
exchange 'the first is fast' fast 50 "$A4" 5300

# In turn: no order is promised between the two ways, but nothing is lost or kept back.
run_in "$NS_B" "$bin/accel_client" -n 200 -g 500 "$A4" 5300 >"$KB_TMP/one" &
one=$!
run_in "$NS_B" "$bin/accel_client" -n 200 -g 500 -O "$A4" 5300 >"$KB_TMP/two" &
two=$!
run_in "$NS_A" "$bin/accel_client" -n 200 -g 500 127.0.0.1 5300 >"$KB_TMP/three"
wait $one $two
for which in one two three; do
	answer=$(cat "$KB_TMP/$which")
	equal "three ways at once ($which)" 'sent 200 back 200 bad 0' "${answer% from*}"
done
stop "$server"

# Zero-length datagrams by either way, however the program waits for them.
for how in block poll select epoll busy; do
	start_fast server 5300 -w $how 5300
	server=$SPAWNED
	whole "empty datagrams, $how" 20 -z 0 "$A4" 5300
	whole "empty datagrams by the kernel, $how" 20 -z 0 -O "$A4" 5300
	CLIENT_NS=$NS_A whole "empty datagrams by loopback, $how" 20 -z 0 127.0.0.1 5300
	stop "$server"
done

# The time it takes is that of the kernel's path, not of some poll interval: 300 ms are the longest sleep.
start_fast server 5300 5300
server=$SPAWNED
slowest=$(client -l -n 50 -g 10000 -O "$A4" 5300 | sed 's/.* max \([0-9]*\) us/\1/')
check "promptly when idle (slowest round trip $slowest us)" test "${slowest:-999999}" -lt 50000
stop "$server"

# Under a flood. Without us the flood would fill the one receive buffer; with us the kernel's is nearly empty.
start_fast server 5300 -q -P 5300
server=$SPAWNED
flood 5300 4 || { skip 'under a flood' "no live_source"; finish; }
sleep 0.7
before=$(counter "$server" rx_fast)
answer=$(client -l -n 100 -g 10000 -t 300 -O "$A4" 5300)
after=$(counter "$server" rx_fast)
wait $FLOOD
note "flood: $(tail -n 1 "$KB_TMP/flood"), $((after - before)) datagrams on the fast path meanwhile; $answer"
check 'the flood was one' test $((after - before)) -gt 50000
equal 'IP options under a flood' 'sent 100 back 100 bad 0' "${answer% from*}"
slowest=${answer##* max }
check "promptly under a flood (slowest round trip ${slowest})" test "${slowest% us}" -lt 50000
exchange 'fast after the flood' fast 50 "$A4" 5300
stop "$server"
finish
