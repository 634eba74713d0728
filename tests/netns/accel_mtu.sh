#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_mtu.sh - jumbo frames: whatever the MTU lets through arrives whole, by the ring where it fits a frame of it, else by
# the kernel; and the same for what has to be cut into fragments.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"

sizes_of()
{
	case $1 in
	1500) echo 1 2 18 1400 1471 1472 1473 ;;
	3000) echo 1 1472 1473 1900 2000 2900 2971 2972 2973 ;;
	9000) echo 1 1472 3000 3400 3500 3600 3800 4000 4100 6000 8000 8971 8972 8973 20000 ;;
	esac
}

for mtu in 1500 3000 9000; do
	ns_pair -m $mtu
	start_fast server 5300 -d 5300 || { not_ok "MTU $mtu: starts"; continue; }
	for size in $(sizes_of $mtu); do
		for address in "$A4" "$A6"; do
			answer=$(client -z "$size" -n 20 -t 1500 "$address" 5300)
			check "MTU $mtu: $size bytes to $address: $answer" \
				test "${answer% from*}" = 'sent 20 back 20 bad 0'
		done
	done
	equal "MTU $mtu: nothing broken" 0 "$(bad_lines server)"
	exchange "MTU $mtu: 1400 bytes are fast" fast 50 -z 1400 "$A4" 5300
	[[ $mtu != 3000 ]] || exchange "MTU $mtu: 2900 bytes are fast" fast 50 -z 2900 "$A4" 5300
	[[ $mtu != 9000 ]] || exchange "MTU $mtu: 3000 bytes are fast" fast 50 -z 3000 "$A4" 5300
	stop "$SPAWNED"
	ns_del_all
	ns_list=()
done

# The MTU grows and shrinks under a running server.
ns_pair
start_fast server 5300 5300
ip -n "$NS_A" link set veth0 mtu 1300 && ip -n "$NS_B" link set veth0 mtu 1300
sleep 0.3
for size in 64 1200 1272 1273 1400 3000; do
	answer=$(client -z $size -n 10 -t 1500 "$A4" 5300)
	check "MTU shrinks to 1300: $size bytes: $answer" test "${answer% from*}" = 'sent 10 back 10 bad 0'
done
finish
