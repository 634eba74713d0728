#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_wire.sh - the bytes on the wire: what a peer's packet socket sees of sends by the kernel and of the same sends under
# the library, plain ones and UDP_SEGMENT, IPv4 and IPv6. The kernel's side has all offloads off, so that it makes whole packets.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need ethtool
ns_pair
ns_address "$NS_A" veth0 10.77.1.3 fd77:1::3
run_in "$NS_A" ethtool -K veth0 tx off tso off gso off tx-udp-segmentation off >/dev/null 2>&1 ||
	die 'offloads can not be switched off'

# capture WAY ADDRESS SOURCE2: runs all sends, captured into $KB_TMP/WAY.log; OUT: sends that the kernel made
capture()
{
	local before capture
	spawn "$NS_B" "$1" "$bin/accel_wire" capture veth0 5999
	capture=$SPAWNED
	wait_until 5 grep -q '^capturing' "$KB_TMP/$1.log" || die 'no capture'
	run_in "$NS_A" ping -n -q -c 1 -W 1 "$2" >/dev/null
	before=$(kernel_udp "$NS_A" OutDatagrams)
	if [[ $1 = kernel* ]]; then
		run_in "$NS_A" "$bin/accel_wire" send "$2" 5999 "$3"
	else
		run_in "$NS_A" preload 5300 "$bin/accel_wire" send "$2" 5999 "$3"
	fi
	wait "$capture"
	OUT=$(($(kernel_udp "$NS_A" OutDatagrams) - before))
}

for family in 4 6; do
	if [[ $family = 4 ]]; then to=$B4 source=10.77.1.3; else to=$B6 source=fd77:1::3; fi
	capture "kernel$family" "$to" "$source"
	sends=$OUT
	capture "fast$family" "$to" "$source"
	if diff "$KB_TMP/kernel$family.log" "$KB_TMP/fast$family.log" >"$KB_TMP/diff"; then
		ok "IPv$family: $(grep -c ^case "$KB_TMP/fast$family.log") packets of $sends sends are the same"
	else
		head -n 20 "$KB_TMP/diff" | sed 's/^/# /'
		not_ok "IPv$family: packets of the kernel and of the library are the same"
	fi
	equal "IPv$family: none is broken" 0 "$(grep -cE 'BAD|BREAKS' "$KB_TMP/fast$family.log")"
	# One a second may be the kernel's, to confirm a neighbour.
	check "IPv$family: of $sends sends the kernel made $OUT under the library" test "$sends" -ge 60 -a "$OUT" -le 4
done
finish
