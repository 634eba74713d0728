#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 170
#
# accel_stamps.sh - hardware stamps: on the fast path from an RDMA NIC whose driver stamps (tests/fake-verbs, whose clock is 37 seconds
# ahead; fake_nic answers for the driver), else from the kernel, or nowhere.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
# shellcheck source=tests/lib/verbs.sh
. "$(dirname "$0")/../lib/verbs.sh"
verbs_pair
export KBACCEL_NIC=verbs
driver=("$bin/fake_nic" run "$KB_TMP/driver")
spawn "$NS_B" driver "$bin/fake_nic" serve "$KB_TMP/driver" veth0 queues=1 stamps=1
wait_until 5 grep -q serving "$KB_TMP/driver.log" || die "no driver: $(cat "$KB_TMP/driver.log")"
driver_set() { "$bin/fake_nic" set "$KB_TMP/driver" "$@"; }

start_stamps() # NAME [option...] PORT FLAG...
{
	local name=$1
	shift
	preload_env "$PORTS"
	spawn "$NS_A" "$name" "${driver[@]}" env "${PRELOAD_ENV[@]}" "$bin/accel_stamps" "$@"
	wait_until 5 grep -q '^serving' "$KB_TMP/$name.log" || { sed 's/^/# /' "$KB_TMP/$name.log"; not_ok "$name starts"; }
}

stamp_lines() { grep -v 'kbaccel\|^serving' "$KB_TMP/$1.log" | sed 's/ *$//'; }

# What the last COUNT datagrams came with, each kind once.
came_with() # NAME COUNT
{
	stamp_lines "$1" | tail -n "$2" | sort -u | paste -sd';'
}

# stamps_case NAME fast|slow WANT ADDRESS [option...] FLAG...
stamps_case()
{
	local name=$1 way=$2 want=$3 address=$4
	shift 4
	local options=()
	while [[ $1 = -* ]]; do options+=("$1" "$2"); shift 2; done
	start_stamps server "${options[@]}" 5300 "$@"
	[[ $way = slow ]] || wait_until 3 accelerated "$SPAWNED" || note "$(head -n 5 "$KB_TMP/server.log")"
	exchange "$name: $way" "$way" 20 "$address" 5300
	equal "$name" "$want" "$(came_with server 20)"
	stop "$SPAWNED"
}

# The client's datagrams have 64 bytes of payload.
all=(raw_hardware rx_hardware software rx_software opt_pktinfo)
driver_set filter=1
stamps_case 'the hardware alone' fast 'stamping hw+37' "$A4" raw_hardware rx_hardware
stamps_case 'everything' fast 'pktinfo veth0 106 stamping sw hw+37' "$A4" "${all[@]}"
stamps_case 'with nanoseconds beside it' fast 'ns sw pktinfo veth0 106 stamping sw hw+37' "$A4" ns "${all[@]}"
stamps_case 'software only' fast 'stamping sw' "$A4" software rx_software opt_pktinfo
start_stamps six -6 5301 "${all[@]}"
wait_until 3 accelerated "$SPAWNED"
exchange 'IPv6: fast' fast 20 "$A6" 5301
equal 'IPv6' 'pktinfo veth0 126 stamping sw hw+37' "$(came_with six 20)"
"$tool" stat "$SPAWNED" >"$KB_TMP/stat"
check 'stat: the queue stamps' grep -q '(verbs fake_0 port 1, stamps)' "$KB_TMP/stat"
stop "$SPAWNED"

# The driver's stamps are switched off and on: by another process, within a second; by this one, at once.
start_stamps server 5300 "${all[@]}"
wait_until 3 accelerated "$SPAWNED"
driver_set filter=0
sleep 1.3
exchange 'switched off elsewhere: fast' fast 20 "$A4" 5300
equal 'switched off elsewhere' 'stamping sw' "$(came_with server 20)"
driver_set filter=1
client -n 1 "$A4" 5300 >/dev/null
sleep 1.3
client -n 1 "$A4" 5300 >/dev/null
exchange 'and on' fast 20 "$A4" 5300
equal 'and on: they are back' 'pktinfo veth0 106 stamping sw hw+37' "$(came_with server 20)"
stop "$SPAWNED"
start_stamps server -t 10 veth0 5300 "${all[@]}"
wait_until 3 accelerated "$SPAWNED"
client -n 30 "$A4" 5300 >/dev/null
equal 'switched by the program: off and on' '10 pktinfo veth0 106 stamping sw hw+37;10 stamping sw;10 pktinfo veth0 106 stamping sw hw+37' \
	"$(stamp_lines server | uniq -c | sed 's/^ *//' | paste -sd';')"
stop "$SPAWNED"
driver_set filter=0
start_stamps server -s veth0 5300 "${all[@]}"
wait_until 3 accelerated "$SPAWNED"
exchange 'switched on before it binds: fast' fast 20 "$A4" 5300
equal 'switched on before it binds' 'pktinfo veth0 106 stamping sw hw+37' "$(came_with server 20)"
stop "$SPAWNED"

# The device goes, and is opened again when the driver does not stamp: without stamps, so the socket is the kernel's.
start_stamps server 5300 "${all[@]}"
wait_until 3 accelerated "$SPAWNED"
driver_set filter=0
hca_toggle device 'device removed'
wait_until 3 grep -q 'veth0 is gone' "$KB_TMP/server.log"
hca_toggle device 'device is back'
wait_until 12 grep -q 'is there again, and accelerated' "$KB_TMP/server.log"
wait_until 1 grep -q 'stays on the kernel path: SO_TIMESTAMPING with hardware stamps' "$KB_TMP/server.log"
exchange 'opened again without stamps: the kernel serves' slow 20 "$A4" 5300
check 'opened again without stamps: says why' grep -q 'stays on the kernel path: SO_TIMESTAMPING with hardware stamps' "$KB_TMP/server.log"
stop "$SPAWNED"

# Where the NIC's stamps are not to be had, who wants them is the kernel's, which would have them; others are not.
no_stamps()
{
	stamps_case "$1: who wants them" slow 'stamping sw' "$A4" "${all[@]}"
	check "$1: says why" grep -q 'stays on the kernel path: SO_TIMESTAMPING with hardware stamps' "$KB_TMP/server.log"
	stamps_case "$1: who does not" fast 'stamping sw' "$A4" software rx_software
}
driver_set filter=0
no_stamps 'the driver does not stamp when it binds'
driver_set filter=1
stop "$HCA"
hca_start -o no-clock
no_stamps 'a device without a clock'
stop "$HCA"
hca_start -o no-clock-page
no_stamps 'a device whose clock can not be read'
KBACCEL_NIC=xdp no_stamps 'AF_XDP'
driver_set stamps=0
KBACCEL_NIC=xdp stamps_case 'AF_XDP, a driver that can not stamp' fast 'stamping sw' "$A4" "${all[@]}"
finish
