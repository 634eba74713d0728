#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nic_xdp.sh - the AF_XDP backend by itself, without the stack above it: what it steers, what it leaves to the
# kernel, what it says when it can not open, and that nothing stays behind. nic_xdp.c does the work.

# shellcheck source=tests/lib/netns.sh
. "$(dirname "$0")/../lib/netns.sh"

helper=$BUILD/tests/netns/nic_xdp holder=$BUILD/tests/netns/nic_hold plugin=$BUILD/kbaccel-xdp.so
[[ -x $helper && -e $plugin ]] || die "not built: $helper, $plugin"
need setpriv prlimit unshare

nic_xdp() { ip netns exec "$1" "$helper" "$plugin" "${@:2}"; }

no_xdp() { ! ip -n "$1" -d link show dev "$2" | grep -q xdp; }

# scenario NAME NS INTERFACE ARGUMENT...: cases are the helper's; a crash is a case too.
scenario()
{
	local name=$1 status
	shift
	nic_xdp "$@" >"$KB_TMP/out" 2>&1
	status=$?
	sed -E "s/^(ok|not ok) /&$name, /" "$KB_TMP/out"
	test_failed=$((test_failed + $(grep -c '^not ok' "$KB_TMP/out")))
	((status <= 1)) || not_ok "$name: ends with status $status"
	if [[ -n ${SHARED:-} ]]; then
		check "$name: the program stays for the first process" eval ! no_xdp "$1" "$2"
	else
		check "$name: close leaves no XDP program" no_xdp "$1" "$2"
	fi
}

# refused NAME ERRNO TEXT COMMAND...: opening fails with that error, TEXT is in the reason, nothing is left open.
refused()
{
	local name=$1 errno=$2 text=$3 out
	shift 3
	out=$("$@" 2>&1)
	note "$out"
	if [[ $out = "$errno "*"$text"* && $out != *LEAK* && $out != *$'\n'* ]]; then
		ok "$name"
	else
		not_ok "$name (want $errno and '$text')"
	fi
}

# hold NS COMMAND...: a program that says "held" keeps something busy until let_go.
hold()
{
	coproc HOLD { exec ip netns exec "$@" 2>&1; }
	local line
	while read -r -t 5 line <&"${HOLD[0]}"; do
		[[ $line != held ]] || return 0
	done
	die "can not hold: $*"
}

let_go()
{
	local pid=$HOLD_PID
	eval "exec ${HOLD[1]}>&-"
	wait "$pid" 2>/dev/null
}

ns_pair
preload_runtime
A=$NS_A
nic_xdp "$A" veth0 open >"$KB_TMP/first" 2>&1 || {
	grep -qE '^(EPERM|EOPNOTSUPP)' "$KB_TMP/first" && skip_all "$(tail -n 1 "$KB_TMP/first")"
}

scenario veth "$A" veth0 veth "$NS_B" "$A4" "$B4" "$A6" "$B6"
scenario loopback "$A" lo lo

refused 'no such interface' ENODEV 'no interface nope0' nic_xdp "$A" nope0 open
refused 'no privilege' EPERM 'missing CAP_NET_ADMIN CAP_NET_RAW CAP_BPF CAP_PERFMON' \
	ip netns exec "$A" setpriv --reuid 65534 --clear-groups --inh-caps=-all "$helper" "$plugin" veth0 open
refused 'one privilege missing' EPERM 'missing CAP_NET_RAW' \
	ip netns exec "$A" setpriv --bounding-set=-net_raw --inh-caps=-all "$helper" "$plugin" veth0 open
refused 'memlock too low' ENOBUFS 'ulimit -l unlimited' \
	ip netns exec "$A" prlimit --memlock=65536:65536 setpriv --bounding-set=-ipc_lock --inh-caps=-all \
	"$helper" "$plugin" veth0 open
NIC_XDP_FRAMES=700 refused 'too few frames' EINVAL 'from 769' nic_xdp "$A" veth0 open
check 'failures leave no XDP program' no_xdp "$A" veth0

refused 'a shifted clock' EOPNOTSUPP 'time namespace shifts CLOCK_MONOTONIC by 1000' \
	ip netns exec "$A" unshare --time --monotonic 1000 --fork "$helper" "$plugin" veth0 open
check 'a time namespace without shift' \
	ip netns exec "$A" unshare --time --boottime 1000 --fork "$helper" "$plugin" veth0 open

caps=+net_admin,+net_raw,+bpf,+perfmon
check 'four capabilities suffice' ip netns exec "$A" setpriv --reuid 65534 --clear-groups \
	--inh-caps=-all,$caps --ambient-caps=-all,$caps "$helper" "$plugin" veth0 open

# Whoever comes second gets a ring, and all that the first has.
hold "$A" "$helper" "$plugin" veth0 hold
nic_xdp "$A" veth0 open >"$KB_TMP/second" 2>&1
check 'a second process gets a ring' grep -q 'XDP ring, native' "$KB_TMP/second"
SHARED=1 scenario 'second process' "$A" veth0 veth "$NS_B" "$A4" "$B4" "$A6" "$B6"
caps=+net_admin,+net_raw,+bpf,+perfmon
refused 'a second process without CAP_SYS_ADMIN' EPERM 'takes CAP_SYS_ADMIN' ip netns exec "$A" setpriv --reuid 65534 \
	--clear-groups --inh-caps=-all,$caps --ambient-caps=-all,$caps "$helper" "$plugin" veth0 open
let_go
hold "$A" "$holder" veth0 xdp
refused 'XDP is occupied' EBUSY 'foreign): detach it' nic_xdp "$A" veth0 open
let_go
hold "$A" "$holder" veth0 queue
scenario 'queue is busy' "$A" veth0 veth "$NS_B" "$A4" "$B4" "$A6" "$B6"
let_go
check 'opens when all is free again' nic_xdp "$A" veth0 open

ns_pair -q 2 -m 9000 -i jumbo0
scenario 'two queues, MTU 9000' "$NS_A" jumbo0 veth "$NS_B" "$A4" "$B4" "$A6" "$B6"

finish
