#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_generic.sh - an interface with generic XDP, a bridge as the host of virtual machines has it: plain datagrams go past
# the kernel; what the sender at the other end left to be cut (UDP_SEGMENT) arrives uncut, and must be received in pieces.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
ip -n "$NS_A" link add br0 type bridge 2>/dev/null || skip_all 'this kernel has no bridges'
ip -n "$NS_A" addr flush dev veth0
ip -n "$NS_A" link set veth0 master br0
ns_address "$NS_A" br0 "$A4" "$A6"
run_in "$NS_B" ip neigh flush dev veth0
wait_until 5 run_in "$NS_A" ping -n -q -c 1 -W 1 "$B6" || die "the bridge does not forward"
# The kernel tells of a carrier up to a second late; until then sends are its own.
wait_until 5 eval 'ip -n "$NS_A" link show dev br0 | grep -q "state UP"' || die "the bridge has no carrier"

# batches NAME ADDRESS SIZE COUNT: sends of COUNT datagrams each come as that many.
batches()
{
	local answer
	answer=$(client -n 120 -g $((1000 * ${KB_SLOW:-1})) -z "$3" -B "$4" "$2" 5300)
	equal "$1: $4 datagrams of $3 bytes in a send" 'sent 120 back 120 bad 0' "${answer% from*}"
}

export KBACCEL_INTERFACE=br0
start_fast server 5300 -d 5300 || finish
unset KBACCEL_INTERFACE
check 'the mode is generic' eval "$tool stat $SPAWNED | grep -q generic"
for a in "$A4" "$A6"; do
	exchange "plain datagrams to $a" fast 100 "$a" 5300
	batches "to $a" "$a" 64 2
	batches "to $a" "$a" 100 10
	batches "to $a" "$a" 700 2
	batches "to $a" "$a" 1000 30
	exchange "again plain ones to $a" fast 100 "$a" 5300
done
equal 'nothing broken' 0 "$(bad_lines server)"
stop "$SPAWNED"
finish
