#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_lo.sh - generic XDP on the loopback interface: receiving is accelerated, replies go through the shadow, so that any
# program can be tried on one host.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
CLIENT_NS=$NS_A

# received_fast NAME ADDRESS PORT [client option...]: the kernel's receive counter moves for the client's replies only.
received_fast()
{
	local name=$1 in answer
	shift
	in=$(kernel_udp "$NS_A" InDatagrams)
	answer=$(client -n 100 "${@:3}" "$1" "$2")
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in))
	equal "$name: answers" 'sent 100 back 100 bad 0' "${answer% from*}"
	equal "$name: the kernel received the client's only" 100 "$in"
}

# Not unless lo is named: generic XDP is a burden on everything else there.
spawn "$NS_A" server preload 5300 "$BUILD/tests/netns/accel_server" -b 127.0.0.1 5300
wait_until 5 udp_bound "$NS_A" 5300
answer=$(client -n 20 127.0.0.1 5300)
equal 'bound to 127.0.0.1, lo not named' 'sent 20 back 20 bad 0' "${answer% from*}"
check 'there is no program on lo' no_xdp "$NS_A" lo
check 'the reason names the remedy' grep -q 'name lo in KBACCEL_INTERFACE' "$KB_TMP/server.log"
stop "$SPAWNED"

export KBACCEL_INTERFACE=lo
start_fast server 5300 -b 127.0.0.1 5300 && received_fast 'bound to 127.0.0.1' 127.0.0.1 5300
check 'the program is on lo' has_xdp "$NS_A" lo
check 'and not on veth0' no_xdp "$NS_A" veth0
stop "$SPAWNED"
check 'lo is as before' wait_until 2 no_xdp "$NS_A" lo
start_fast server 5300 -6 -b ::1 5300 && received_fast 'bound to ::1' ::1 5300
stop "$SPAWNED"

start_fast server 5300 -d 5300
server=$SPAWNED
received_fast 'wildcard on lo, IPv4' 127.0.0.1 5300
received_fast 'wildcard on lo, IPv6' ::1 5300
received_fast 'own address' "$A4" 5300
received_fast 'own IPv6 address' "$A6" 5300
received_fast 'connected client' 127.0.0.1 5300 -c
received_fast '1400 bytes' 127.0.0.1 5300 -z 1400
for size in 0 1 3000 9000 65507; do
	answer=$(client -n 20 -z $size -g 500 127.0.0.1 5300)
	equal "$size bytes" 'sent 20 back 20 bad 0' "${answer% from*}"
done
CLIENT_NS=$NS_B
answer=$(client -n 50 "$A4" 5300)
equal 'clients elsewhere, by the kernel' 'sent 50 back 50 bad 0' "${answer% from*}"
equal 'nothing broken' 0 "$(bad_lines server)"

# The rest of the loopback's traffic.
spawn "$NS_A" tcp socat -u TCP4-LISTEN:5998,bind=127.0.0.1 OPEN:"$KB_TMP/tcp.out",creat
wait_until 3 eval '[[ -n $(ip netns exec $NS_A ss -Hltn "sport = :5998") ]]'
head -c 3000000 /dev/urandom >"$KB_TMP/tcp.in"
run_in "$NS_A" timeout 10 socat -u OPEN:"$KB_TMP/tcp.in" TCP4:127.0.0.1:5998
wait_until 3 cmp "$KB_TMP/tcp.in" "$KB_TMP/tcp.out"
check 'TCP over lo' cmp "$KB_TMP/tcp.in" "$KB_TMP/tcp.out"
check 'ping over lo' run_in "$NS_A" ping -q -c 2 -i 0.05 -W 1 127.0.0.1
stop "$server"
finish
