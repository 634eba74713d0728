#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# twin_traffic.sh - odd frames, fragments and large datagrams: what the program receives is what it would receive on kernel
# sockets.
# TIMEOUT: 420

# shellcheck source=tests/netns/lib_twin.sh
. "$(dirname "$0")/lib_twin.sh"

frames() # SOURCE DESTINATION NUMBER KIND...: from port 7000 to port 5300
{
	run_in "$NS_B" "$bin/twin_frames" veth0 "$mac" "$1" "$2" "${SPORT:-7000}" 5300 "${@:3}" || say "frames: failed"
}
a_few()
{
	frames "$@" 90 plain plain plain
	a drain 0 200
}
mac_of_a() { mac=$(run_in "$NS_A" cat /sys/class/net/veth0/address); }


each_kind() # FAMILY SOURCE DESTINATION
{
	local kind n=100
	for kind in $("$bin/twin_frames" kinds "$1"); do
		n=$((n + 10))
		part "IPv$1 $kind"
		frames "$2" "$3" $n "$kind"
		a recv 0 100
		[[ $kind != twice ]] || a recv 0 100
		# One right behind it: whatever that one did, the socket goes on.
		frames "$2" "$3" $((n + 5)) plain
		a recv 0 1000
		a drain 0 1
	done
	part "IPv$1, all in one go"
	# shellcheck disable=SC2046
	frames "$2" "$3" 1000 $("$bin/twin_frames" kinds "$1")
	a drain 0 200
}

scenario_kinds4()
{
	a sock 0 4; a bind 0 "$A4" 5300
	for option in pktinfo recvttl recvtos recvopts; do a set 0 $option 1; done
	b sock 0 4; b bind 0 "$B4" 7000
	steered 0
	mac_of_a
	fast rx 3 a_few "$B4" "$A4"
	each_kind 4 "$B4" "$A4"
}

scenario_kinds6()
{
	a sock 0 6; a bind 0 "$A6" 5300
	for option in pktinfo6 hoplimit tclass; do a set 0 $option 1; done
	b sock 0 6; b bind 0 "$B6" 7000
	steered 0
	mac_of_a
	fast rx 3 a_few "$B6" "$A6"
	each_kind 6 "$B6" "$A6"
}

# Sources that nobody may have, to a wildcard socket and to a bound one.
scenario_martians()
{
	local source n=0 id
	a sock 0 dual; a bind 0 :: 5300
	a sock 1 4; a bind 1 "$A4" 5301
	for option in pktinfo pktinfo6; do a set 0 $option 1; done
	steered 0
	mac_of_a
	for source in "$B4" 10.77.1.77 10.200.0.1 127.0.0.1 0.0.0.0 0.1.2.3 255.255.255.255 10.77.1.255 224.0.0.1 239.1.1.1 240.0.0.1 \
		169.254.7.7 "$A4"; do
		part "source $source"
		n=$((n + 10))
		frames "$source" "$A4" $n plain
		a recv 0 60
	done
	for source in "$B6" fd77:1::77 2001:db8::1 :: ::1 ff02::1 ff0e::1 ::ffff:10.77.1.2 ::10.77.1.2 fe80::77 fec0::1 "$A6"; do
		part "source $source"
		n=$((n + 10))
		frames "$source" "$A6" $n plain
		a recv 0 60
	done
	for id in 127.0.0.1 0.0.0.0 255.255.255.255 10.77.1.255 10.77.1.0 224.0.0.1 10.77.1.77 10.77.1.2 ::1 ff02::1 fd77:1::77 fe80::1; do
		part "destination $id"
		n=$((n + 10))
		if [[ $id = *:* ]]; then frames "$B6" "$id" $n plain; else frames "$B4" "$id" $n plain; fi
		a recv 0 60
	done
	part 'reverse path filter'
	run_in "$NS_A" sysctl -qw net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.veth0.rp_filter=2
	frames 10.77.1.77 "$A4" 5000 plain
	a recv 0 60
	frames "$B4" "$A4" 5010 plain
	a recv 0 1000
	part 'the socket still works'
	frames "$B4" "$A4" 6000 plain
	a recv 0 1000
}

five_to_a()
{
	times 5 b send 0 100 '5N#' "$1" 5300
	a drain 0 100
}

# Datagrams of all sizes both ways, large ones among small ones.
large() # IPV4-OR-6 A B
{
	local size n=0
	a sock 0 "$1"; a bind 0 "$2" 5300; a set 0 rcvbuf 500000
	b sock 0 "$1"; b bind 0 "$3" 7000; b set 0 rcvbuf 500000
	steered 0
	b send 0 64 1 "$2" 5300
	a recv 0 1000
	for size in 0 1 1452 1453 1472 1473 1480 1481 2000 4096 9000 30000 65000 65507 65508; do
		part "IPv$1: $size bytes"
		n=$((n + 10))
		b send 0 $size $n "$2" 5300
		a recv 0 1000
		a send 0 $size $((n + 1)) "$3" 7000
		b recv 0 1000
	done
	part "IPv$1: large and small in turn"
	times 12 quiet b send 0 5000 '1N#' "$2" 5300
	times 12 quiet b send 0 100 '2N#' "$2" 5300
	a drain 0 200
	times 12 quiet a send 0 5000 '3N#' "$3" 7000
	times 12 quiet a send 0 100 '4N#' "$3" 7000
	b drain 0 200
	part "IPv$1: empty ones are counted"
	times 5 quiet b send 0 0 0 "$2" 5300
	sleep 0.05
	a poll 0 100
	a drain 0 100
	a poll 0 1
	a recv 0 0
	quiet b send 0 0 0 "$2" 5300
	a recv 0 1000
	part "IPv$1: small ones are fast"
	fast rx 5 five_to_a "$2"
	fast tx 4 times 5 a send 0 100 '6N#' "$3" 7000
	b drain 0 100
}
scenario_large4() { large 4 "$A4" "$B4"; }
scenario_large6() { large 6 "$A6" "$B6"; }

for name in kinds4 kinds6 martians large4 large6; do
	[[ $# -gt 0 && " $* " != *" $name "* ]] || twin $name
done
finish
