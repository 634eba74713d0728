#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_basic.sh - an unmodified server and an unmodified client past the kernel, in each family and kind of bind: the
# kernel's own Udp: counters stand still while every byte arrives.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair

# case NAME PORTS ADDRESS [server option...] PORT
serve_case()
{
	local name=$1 ports=$2 address=$3 server
	shift 3
	start_fast server "$ports" "$@" || { not_ok "$name: starts"; stop "$SPAWNED"; return; }
	server=$SPAWNED
	exchange "$name" fast 100 "$address" "${*: -1}"
	equal "$name: as the server saw it" "$((103)) 0" \
		"$(grep -c '^got .* ok ' "$KB_TMP/server.log") $(bad_lines server)"
	stop "$server"
}

serve_case 'IPv4 wildcard' 5300 "$A4" 5300
serve_case 'IPv4 specific address' 5300 "$A4" -b "$A4" 5300
serve_case 'IPv6 wildcard' 5300 "$A6" -6 5300
serve_case 'IPv6 specific address' 5300 "$A6" -6 -b "$A6" 5300
serve_case 'dual stack, IPv6 client' 5300 "$A6" -d 5300
serve_case 'dual stack, IPv4 client' 5300 "$A4" -d 5300
serve_case 'IPv4-mapped bind' 5300 "$A4" -d -b "::ffff:$A4" 5300
for how in poll select epoll busy; do
	serve_case "waits with $how" 5300-5310 "$A4" -w $how 5305
done
serve_case 'port rule with address' "$A4:5300" "$A4" -b "$A4" 5300
serve_case 'port rule with IPv6 address' "[$A6]:5300" "$A6" -6 -b "$A6" 5300

# Not chosen: the kernel's.
start server 5301 5300
exchange 'another port stays with the kernel' slow 20 "$A4" 5300
stop "$SPAWNED"

# Port 0.
start_fast server '*' 0
port=$(awk '$1 == "bound" { print $2 }' "$KB_TMP/server.log")
exchange 'port 0 with KBACCEL_PORTS=*' fast 100 "$A4" "$port"
stop "$SPAWNED"

# Several sockets of several servers' making: one process may not share the interface with another, so threads of socat would
# not do; a client with 8 sockets is one.
start_peer
for mode in '' '-c' '-P 8' '-c -P 8'; do
	in=$(kernel_udp "$NS_A" InDatagrams) out=$(kernel_udp "$NS_A" OutDatagrams)
	# shellcheck disable=SC2086
	answer=$(run_in "$NS_A" preload '*' "$bin/accel_client" -n 200 $mode "$B4" $PEER_PORT 2>&1)
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in)) out=$(($(kernel_udp "$NS_A" OutDatagrams) - out))
	check "client${mode:+ $mode}: all answers" test "${answer% from*}" = 'sent 200 back 200 bad 0'
	# The first datagram of each socket is what binds it: that one is the kernel's.
	check "client${mode:+ $mode}: answers past the kernel ($in of 200 through it)" test "$in" -le 16
	check "client${mode:+ $mode}: requests past the kernel ($out of 200 through it)" test "$out" -le 16
done
in=$(kernel_udp "$NS_A" InDatagrams) out=$(kernel_udp "$NS_A" OutDatagrams)
answer=$(run_in "$NS_A" preload '*' "$bin/accel_client" -n 100 -c "$B6" $PEER_PORT 2>&1)
in=$(($(kernel_udp "$NS_A" InDatagrams) - in)) out=$(($(kernel_udp "$NS_A" OutDatagrams) - out))
equal 'IPv6 client: all answers' 'sent 100 back 100 bad 0' "${answer% from*}"
check "IPv6 client: past the kernel ($in received, $out sent through it)" test "$in" -le 2 -a "$out" -le 3

# The descriptor is a kernel socket (R1): the port is taken, ss shows it, a closed port is refused by ICMP.
start_fast server 5300 5300
server=$SPAWNED
run_in "$NS_A" timeout 2 "$bin/accel_server" 5300 >"$KB_TMP/second.log" 2>&1
check 'the port is taken for others' grep -q 'bind: Address already in use' "$KB_TMP/second.log"
run_in "$NS_A" preload 5300 timeout 2 "$bin/accel_server" 5300 >"$KB_TMP/second.log" 2>&1
check 'for those with the library, too' grep -q 'bind: Address already in use' "$KB_TMP/second.log"
check 'ss shows the socket and its process' grep -q "0.0.0.0:5300.*pid=$server" <(run_in "$NS_A" ss -Hunlp)
answer=$(run_in "$NS_A" preload '*' timeout 3 "$bin/accel_client" -n 3 -c -g 50000 "$B4" 6998 2>&1)
check 'ICMP errors reach a connected client' grep -q 'refused' <<<"$answer"
stop "$server"

# What the tool tells about a server.
start_fast server 5300 5300
client -n 50 "$A4" 5300 >"$KB_TMP/client.out"
sleep 0.6 # the queue's own counters are published by the tick
"$tool" stat "$SPAWNED" >"$KB_TMP/stat"
check 'stat: accelerated' grep -qE "^  socket fd [0-9]+ .*5300: accelerated" "$KB_TMP/stat"
received=$(awk '$1 == "received:" { print $3 + $8 }' "$KB_TMP/stat")
fast=$(awk '$1 == "received:" { print $3 }' "$KB_TMP/stat")
equal 'stat: datagrams received' 50 "$received"
equal 'stat: all of them fast' 50 "$fast"
equal 'stat: bytes' $((50 * 64)) "$(awk '$1 == "received:" { print $5 }' "$KB_TMP/stat")"
check 'stat: the queue' grep -qE '^  queue veth0/0 \(AF_XDP copy, native\)' "$KB_TMP/stat"
check 'stat: frames of the queue' test "$(awk '/queue veth0/ { q = 1 } q && $1 == "received" { print $2; exit }' "$KB_TMP/stat")" -ge 50
stop "$SPAWNED"
check 'nothing stays on the interface' wait_until 2 no_xdp "$NS_A" veth0

# The rest of the traffic while a server is accelerated.
need iperf3
start_fast server 5300 5300
spawn "$NS_A" iperf iperf3 -s -1 -p 5999
wait_until 5 eval '[[ -n $(ip netns exec $NS_A ss -Hltn "sport = :5999") ]]'
run_in "$NS_B" timeout 15 iperf3 -c "$A4" -p 5999 -t 1 -J >"$KB_TMP/iperf.json" 2>&1 &
iperf=$!
answer=$(client -n 200 -g 2000 "$A4" 5300)
wait $iperf
check 'UDP beside a TCP transfer' test "${answer% from*}" = 'sent 200 back 200 bad 0'
bits=$(awk '/"sum_received"/ { s = 1 } s && /"bits_per_second"/ { gsub(/[^0-9.e+]/, "", $2); printf "%d", $2; exit }' "$KB_TMP/iperf.json")
check "TCP goes on beside us ($bits bit/s)" test "${bits:-0}" -gt 50000000
check 'IPv4 ping' eval "run_in $NS_B ping -q -c 3 -i 0.05 -W 1 $A4 >/dev/null"
check 'IPv6 ping' eval "run_in $NS_B ping -q -c 3 -i 0.05 -W 1 $A6 >/dev/null"
exchange 'and still fast afterwards' fast 50 "$A4" 5300
stop "$SPAWNED"
finish
