# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib_accel.sh - for the accel_*.sh tests: servers in $NS_A under the preload, clients in $NS_B on kernel sockets, and the
# kernel's own UDP counters as the witness of what went past it.

# shellcheck source=tests/lib/netns.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/netns.sh"

bin=$BUILD/tests/netns tool=$BUILD/kbaccel
[[ -e $BUILD/libkbaccel.so && -e $BUILD/kbaccel-xdp.so && -x $bin/accel_server ]] ||
	die "not built: $BUILD/libkbaccel.so, its plugin, $bin"
preload_value "$BUILD/libkbaccel.so"
[[ -z $(LD_PRELOAD=$PRELOAD true 2>&1) ]] || die "$BUILD/libkbaccel.so can not be preloaded"
# shellcheck disable=SC2034 # the scripts use these
PEER_PORT=6999 PORTS=5300-5399 # of the peer in $NS_B, which is not a chosen one; those that programs choose

# The server: start NAME PORTS [option...] PORT [step...]; waits until it serves. SPAWNED is the process.
start()
{
	local name=$1 ports=$2
	shift 2
	spawn "$NS_A" "$name" preload "$ports" "$bin/accel_server" "$@"
	wait_until 5 grep -q '^serving' "$KB_TMP/$name.log" ||
		{ sed 's/^/# /' "$KB_TMP/$name.log"; return 1; }
}

# The same, and waits until steering is on.
start_fast()
{
	if ! start "$@" || ! wait_until 3 accelerated "$SPAWNED"; then
		note "not accelerated: $("$tool" stat "$SPAWNED" 2>&1)" "$(head -n 5 "$KB_TMP/$1.log")"
		not_ok "accel_server ${*:2} is accelerated"
		return 1
	fi
}

accelerated() { "$tool" stat "$1" | grep -q ': accelerated$'; }

client() { ip netns exec "${CLIENT_NS:-$NS_B}" "$bin/accel_client" "$@"; }

# Both families together.
kernel_udp() # NS NAME
{
	echo $(($(udp_counter "$1" "$2") + $(udp_counter "$1" "$2" 6)))
}

# exchange NAME fast|slow COUNT [client option...] ADDRESS PORT: all come back intact, and the kernel of $NS_A saw none of them
# (fast; up to two of those sent may be its own, to confirm a neighbour) or all (slow), in either direction.
exchange()
{
	local name=$1 way=$2 count=$3 in out answer
	shift 3
	client -n 3 -t 500 "$@" >/dev/null # the neighbour
	in=$(kernel_udp "$NS_A" InDatagrams) out=$(kernel_udp "$NS_A" OutDatagrams)
	answer=$(client -n "$count" "$@" 2>&1)
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in)) out=$(($(kernel_udp "$NS_A" OutDatagrams) - out))
	if [[ $answer != "sent $count back $count bad 0"* ]]; then
		note "$name: $answer"
		not_ok "$name"
	elif [[ $way = fast && ($in != 0 || $out -gt 2) ]] || [[ $way = slow && ($in != "$count" || $out != "$count") ]]; then
		note "$name: want the $way path; of $count the kernel received $in and sent $out"
		not_ok "$name"
	else
		ok "$name"
	fi
}

# The peer: echoes, and sends on request.
start_peer()
{
	spawn "$NS_B" peer "$bin/accel_server" -d -q "$PEER_PORT"
	wait_until 5 udp_bound "$NS_B" "$PEER_PORT" || die "no peer"
}

# Different numbers that a server's log shows as received intact, in the range FIRST to LAST.
numbers_in() # NAME FIRST LAST
{
	awk -v a="$2" -v b="$3" '$1 == "got" && $4 == "ok" && $2 >= a && $2 <= b && !n[$2]++ { c++ }
		END { print c + 0 }' "$KB_TMP/$1.log"
}

# All lines for those, doubles too.
lines_in()
{
	awk -v a="$2" -v b="$3" '$1 == "got" && $2 >= a && $2 <= b { c++ } END { print c + 0 }' "$KB_TMP/$1.log"
}

# A flood of small frames from $NS_B to a port of $NS_A: flood PORT SECONDS [frames a second], in the background. FLOOD is its process.
flood()
{
	local mac source=$BUILD/tests/bench/live_source
	[[ -x $source ]] || return 1
	mac=$(run_in "$NS_A" cat /sys/class/net/veth0/address)
	run_in "$NS_B" timeout $(($2 + 10)) "$source" --ifname veth0 --dst-mac "$mac" --src "$B4" --dst "$A4" \
		--dport "$1" --seconds "$2" --ports 16 ${3:+--rate "$3"} --cpu $(($(nproc) - 1)) >"$KB_TMP/flood" 2>&1 &
	# shellcheck disable=SC2034
	FLOOD=$!
}

# One of the process's counters.
counter() { "$tool" stat "$1" | awk -v name="$2" '$1 == name { n = $2 } END { print n + 0 }'; }

has_xdp() { ip -n "$1" -d link show dev "$2" | grep -q 'xdp'; }
no_xdp() { ! has_xdp "$@"; }
bad_lines() { grep -c 'BAD' "$KB_TMP/$1.log"; }

# Runs a program that judges itself, in $NS_A; its cases count here. judge_run LIMIT PORTS COMMAND...
judge_run()
{
	local limit=$1 ports=$2 status
	shift 2
	run_in "$NS_A" preload "$ports" timeout -k 1 $((limit * ${KB_SLOW:-1})) "$@" >"$KB_TMP/judge" 2>&1
	status=$?
	cat "$KB_TMP/judge"
	test_failed=$((test_failed + $(grep -c '^not ok' "$KB_TMP/judge")))
	((status == 0)) || not_ok "$(basename "$1") ${*:2}: ends with status $status"
}

# The same program on kernel sockets: what fails there is the test's own fault. Cases are not counted.
kernel_first() # LIMIT COMMAND...
{
	local limit=$1 out status
	shift
	out=$(run_in "$NS_A" timeout -k 1 $((limit * ${KB_SLOW:-1})) "$@" 2>&1)
	status=$?
	if ((status != 0)) || grep -q '^not ok' <<<"$out"; then
		note "${out//$'\n'/$'\n'# }" "status $status"
		not_ok "$(basename "$1") ${*:2}, on kernel sockets"
	fi
}
