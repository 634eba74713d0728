#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 90
#
# accel_badinput.sh - rule R4: whatever is in the way, the program serves as it would without us, and one line says what is wrong
# and how to put it right; with KBACCEL_STRICT=1 bind() fails, with that line.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need setpriv prlimit capsh
ns_pair
holder=$bin/nic_hold raw=$BUILD/tests/bench/raw_xsk

warnings() { grep -cE '^kbaccel\[[0-9]+\]: (warn|error): ' "$KB_TMP/server.log"; }

# refused NAME TEXT COMMAND... : COMMAND (it gets the server as further arguments) serves by the kernel, and there is exactly one
# message, in which TEXT (an extended regular expression) occurs. Environment by WITH=(NAME=VALUE...).
WITH=()
refused()
{
	local name=$1 text=$2 pid status
	shift 2
	spawn "$NS_A" server env "${WITH[@]}" "$@" "$bin/accel_server" 5300
	pid=$SPAWNED
	if ! wait_until 3 grep -q '^serving' "$KB_TMP/server.log"; then
		note "$(cat "$KB_TMP/server.log")"
		not_ok "$name: starts"
	else
		exchange "$name: serves by the kernel" slow 20 "$A4" 5300
		message=$(grep -E '^kbaccel' "$KB_TMP/server.log")
		equal "$name: one message" 1 "$(warnings)"
		if grep -qE -- "$text" <<<"$message"; then
			ok "$name: says what to do"
		else
			note "want '$text' in: $message"
			not_ok "$name: says what to do"
		fi
	fi
	stop "$pid"
	run_in "$NS_A" env "${WITH[@]}" KBACCEL_STRICT=1 "$@" timeout 3 "$bin/accel_server" 5300 >"$KB_TMP/strict.log" 2>&1
	status=$?
	if [[ $status = 2 ]] && grep -q '^bind: ' "$KB_TMP/strict.log" && grep -qE -- "$text" "$KB_TMP/strict.log"; then
		ok "$name: strict, bind fails and says why"
	else
		note "status $status: $(head -n 3 "$KB_TMP/strict.log")"
		not_ok "$name: strict, bind fails and says why"
	fi
	check "$name: nothing stays" wait_until 2 no_xdp "$NS_A" "${HELD_IF:-veth0}"
}
preload_value "$BUILD/libkbaccel.so"
lib=LD_PRELOAD=$PRELOAD

WITH=("$lib" KBACCEL_PORTS=5300 KBACCEL_INTERFACE=nope0)
refused 'no such interface' 'nope0.*KBACCEL_INTERFACE' env
WITH=("$lib" KBACCEL_PORTS=5300 KBACCEL_NIC=verbs)
refused 'the other backend is not there' 'verbs.*(install|KBACCEL_NIC|RDMA|device)' env

ip -n "$NS_A" link add down0 type dummy 2>/dev/null || ip -n "$NS_A" link add down0 type veth peer name down1
WITH=("$lib" KBACCEL_PORTS=5300 KBACCEL_INTERFACE=down0)
refused 'the interface is down' 'down0 is down: .ip link set down0 up' env

mkdir "$KB_TMP/alone"
cp "$BUILD/libkbaccel.so" "$KB_TMP/alone/"
if [[ -e /usr/local/lib/kbaccel/kbaccel-xdp.so ]]; then
	skip 'missing plugin' 'one is installed in /usr/local'
else
	preload_value "$KB_TMP/alone/libkbaccel.so"
	WITH=("LD_PRELOAD=$PRELOAD" KBACCEL_PORTS=5300)
	refused 'missing plugin' 'kbaccel-xdp.so.*install' env
	echo garbage >"$KB_TMP/alone/kbaccel-xdp.so"
	refused 'broken plugin' 'kbaccel-xdp.so' env
fi

WITH=("$lib" KBACCEL_PORTS=5300)
chmod 755 "$KB_TMP"
refused 'nobody' 'missing CAP_NET_ADMIN CAP_NET_RAW.*(root|AmbientCapabilities)' \
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all
refused 'no CAP_BPF' 'CAP_BPF|CAP_NET_ADMIN|privilege' \
	setpriv --bounding-set=-bpf,-sys_admin,-perfmon --inh-caps=-all
refused 'no CAP_NET_RAW' 'missing CAP_NET_RAW' setpriv --bounding-set=-net_raw --inh-caps=-all
if run_in "$NS_A" unshare -U true 2>/dev/null; then
	refused 'a user namespace' '(CAP_|user namespace).*run' unshare -U
else
	skip 'a user namespace' 'unshare -U is not allowed here'
fi
refused 'memlock too low' 'ulimit -l|memlock' \
	prlimit --memlock=16384:16384 setpriv --bounding-set=-ipc_lock --inh-caps=-all
# Enough descriptors for the server, not for the library.
refused 'too few descriptors' 'descriptor|files|ulimit -n' prlimit --nofile=12:12

# The interface is taken.
hold() # COMMAND...
{
	coproc HOLD { exec ip netns exec "$NS_A" "$@" 2>&1; }
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
HELD_IF=lo # the holder's own program stays on veth0
hold "$holder" veth0 xdp
refused 'XDP is occupied' 'occupied by another XDP program.*(detach|xdp off|KBACCEL_INTERFACE)' env
check 'XDP is occupied: the other program is still there' has_xdp "$NS_A" veth0
let_go
hold "$holder" veth0 queue
start_fast server "$PORTS" 5300 && exchange 'the queue is busy: by a ring' fast 20 "$A4" 5300
stop "$SPAWNED"
let_go
if [[ -x $raw ]]; then
	spawn "$NS_A" raw "$raw" --ifname veth0 --port 9999 --seconds 60 --give-up 60
	rawpid=$SPAWNED
	wait_until 3 has_xdp "$NS_A" veth0
	refused 'another AF_XDP program' 'veth0 (is occupied|.*in use)' env
	stop "$rawpid"
fi
wait_until 3 no_xdp "$NS_A" veth0
HELD_IF=lo
spawn "$NS_A" first preload 5301 "$bin/accel_server" 5301
first=$SPAWNED
wait_until 3 accelerated "$first"
caps=+net_admin,+net_raw,+bpf,+perfmon
refused 'another accelerated process, no CAP_SYS_ADMIN' 'in use by another process.*CAP_SYS_ADMIN.*KBACCEL_INTERFACE' \
	setpriv --reuid 65534 --clear-groups --inh-caps=-all,$caps --ambient-caps=-all,$caps env
exchange 'the first process is still fast' fast 20 "$A4" 5301
stop "$first"
unset HELD_IF
wait_until 3 no_xdp "$NS_A" veth0

# Malformed settings: the program runs as without us, the message names the setting and what it should be.
malformed() # NAME TEXT SETTING...
{
	local name=$1 text=$2
	shift 2
	spawn "$NS_A" server env "$lib" "$@" "$bin/accel_server" 5300
	if ! wait_until 3 grep -q '^serving' "$KB_TMP/server.log"; then
		note "$(cat "$KB_TMP/server.log")"
		not_ok "$name: starts"
	else
		answer=$(client -n 20 "$A4" 5300)
		equal "$name: serves" 'sent 20 back 20 bad 0' "${answer% from*}"
		equal "$name: one message" 1 "$(warnings)"
		check "$name: it says what is wrong ($(grep -m1 '^kbaccel' "$KB_TMP/server.log"))" \
			grep -qE -- "^kbaccel.*$text" "$KB_TMP/server.log"
	fi
	stop "$SPAWNED"
}
malformed 'a port that is none' 'KBACCEL_PORTS.*70000' KBACCEL_PORTS=70000
malformed 'ports that are words' 'KBACCEL_PORTS.*domain' KBACCEL_PORTS=domain
malformed 'a range that goes backwards' 'KBACCEL_PORTS.*5400-5300' KBACCEL_PORTS=5400-5300
malformed 'half an address' 'KBACCEL_PORTS.*10\.0:53' KBACCEL_PORTS=10.0:53
malformed 'a number that is none' 'KBACCEL_SPIN' KBACCEL_PORTS=5300 KBACCEL_SPIN=often
malformed 'a number out of range' 'KBACCEL_RX_RING.*(64|16384)' KBACCEL_PORTS=5300 KBACCEL_RX_RING=7
malformed 'a level that is none' 'KBACCEL_LOG' KBACCEL_PORTS=5300 KBACCEL_LOG=loud
malformed 'a flag that is none' 'KBACCEL_STRICT' KBACCEL_PORTS=5300 KBACCEL_STRICT=maybe
malformed 'a backend that is none' 'KBACCEL_NIC' KBACCEL_PORTS=5300 KBACCEL_NIC=dpdk
malformed 'a name that is none' 'KBACCEL_PORT\b' KBACCEL_PORTS=5300 KBACCEL_PORT=5300

# All is well again.
start_fast server 5300 5300
exchange 'after all that: fast' fast 50 "$A4" 5300
equal 'after all that: no message' 0 "$(warnings)"
stop "$SPAWNED"
finish
