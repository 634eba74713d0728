#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_checksum.sh - UDP checksums of received datagrams: a right one and none are accepted, a wrong one is not, as in the
# kernel; what a peer on a virtual link left to hardware that is not there (a partial sum) is accepted.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
mac=$(run_in "$NS_A" cat /sys/class/net/veth0/address)
frames() # FIRST CHECKSUM
{
	CHECKSUM=$2 run_in "$NS_B" "$bin/accel_tagged" veth0 "$mac" -1 "$B4" "$A4" 5300 "$1" 50
}
for way in kernel libkbaccel; do
	if [[ $way = kernel ]]; then start server 1 -s 5300; else start_fast server 5300 -s 5300; fi
	server=$SPAWNED
	in=$(kernel_udp "$NS_A" InDatagrams)
	frames 100 right
	frames 200 wrong
	run_in "$NS_B" "$bin/accel_tagged" veth0 "$mac" -1 "$B4" "$A4" 5300 300 50
	frames 400 right
	wait_until 1 eval '[[ $(numbers_in server 400 449) = 50 ]]'
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in))
	equal "$way: checksum right, wrong, none, right" '50 0 50 50' "$(numbers_in server 100 149) $(
		lines_in server 200 249) $(numbers_in server 300 349) $(numbers_in server 400 449)"
	if [[ $way = libkbaccel ]]; then
		equal 'past the kernel' 0 $in
		equal 'the wrong ones are counted' 50 "$(counter "$server" rx_checksum)"
	fi
	stop "$server"
done

# Clients' sums with offload (partial) and without (whole).
start_fast server 5300 -d 5300
for offload in on off; do
	run_in "$NS_B" ethtool -K veth0 tx $offload >/dev/null 2>&1
	exchange "IPv4, transmit checksum offload $offload" fast 50 "$A4" 5300
	answer=$(client -n 50 "$A6" 5300)
	equal "IPv6, transmit checksum offload $offload" 'sent 50 back 50 bad 0' "${answer% from*}"
done
equal 'none of these is taken for wrong' 0 "$(counter "$SPAWNED" rx_checksum)"
# What we send is right, for a peer that checks it: the kernel of $NS_B counted no errors.
equal 'checksums of what is sent' '0 0' "$(udp_counter "$NS_B" InCsumErrors) $(udp_counter "$NS_B" InCsumErrors 6)"
stop "$SPAWNED"
finish
