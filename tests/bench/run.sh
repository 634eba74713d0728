#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - measures the library against the kernel's own path and against bare AF_XDP, in a private laboratory.
#
#   tests/bench/run.sh [case...]      cases: see CASES below; all but napi, shared and queues by default
#
# Variants of a case are run in turn, ROUNDS times over, so that what disturbs the machine disturbs all of them; printed are
# the medians. SECONDS_EACH is the length of a measurement.
#   KB_BENCH_PRELOAD=path  the library (default: $BUILD/libkbaccel.so); empty: kernel and reference variants only
#   KB_BENCH_SPIN=us       KBACCEL_SPIN of the round-trip case (default 1000)
# The share of datagrams that took the fast path comes from the kernel's counters, not from the library's.
set -u
. "$(dirname "$0")/lab.sh"

ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-2}
PRELOAD=${KB_BENCH_PRELOAD-$LAB_BUILD/libkbaccel.so}
SPIN=${KB_BENCH_SPIN:-1000}
PORT=9000
IDLE_SECONDS=5
CASES="recvmmsg recvfrom epoll echo source rtt passthru idle napi shared queues"

# Prints the words that put a variant's environment in front of a command.
variant_env() { # variant
	case $1 in
	*-batch*) echo "env LD_PRELOAD=$PRELOAD KBACCEL_PORTS=$PORT KBACCEL_TX_BATCH=${1##*-batch}" ;;
	*-spin) echo "env LD_PRELOAD=$PRELOAD KBACCEL_PORTS=$PORT KBACCEL_SPIN=$SPIN" ;;
	kbaccel*) echo "env LD_PRELOAD=$PRELOAD KBACCEL_PORTS=$PORT" ;;
	*) echo env ;;
	esac
}

# Appends one measured value to the results of CASE VARIANT, and says so.
note() { # case variant value
	echo "$3" >>"$LAB_DIR/$1.$2"
	printf '  %-14s %-16s %s\n' "$1" "$2" "$3"
}

failed() { # case variant
	echo "run.sh: $1, $2 failed:" >&2
	sed 's/^/    /' "$LAB_DIR/err" >&2
	exit 1
}

# Percent of TOTAL datagrams that the kernel did not deliver, given its counter before.
share() { # before total
	awk -v k=$(($(lab_udp_in) - $1)) -v n="$2" 'BEGIN { printf "%.1f\n", n ? 100 * (n - k > 0 ? n - k : 0) / n : 0 }'
}

# Datagrams per second of one receiver under the flood.
sink_once() { # case variant mode
	local pid before total rate env
	env=$(variant_env "$2")
	before=$(lab_udp_in)
	if [ "$2" = raw ]; then
		lab_server_bg timeout 20 "$LAB_BIN/raw_xsk" --ifname srv --port $PORT --seconds "$SECONDS_EACH" \
			--warmup 0.3 >"$LAB_DIR/out" 2>"$LAB_DIR/err"
		pid=$LAB_PID
		sleep 0.5
	else
		# shellcheck disable=SC2086 # the environment is several words
		lab_server_bg timeout 20 $env "$LAB_BIN/sink" --port $PORT --mode "$3" --seconds "$SECONDS_EACH" \
			--warmup 0.3 >"$LAB_DIR/out" 2>"$LAB_DIR/err"
		pid=$LAB_PID
		lab_wait_port $PORT 2>>"$LAB_DIR/err" || failed "$1" "$2"
	fi
	lab_flood $PORT $((SECONDS_EACH + 1)) >/dev/null
	wait $pid || failed "$1" "$2"
	read -r _ _ rate _ total <"$LAB_DIR/out"
	note "$1" "$2" "$rate"
	[ "$2" != kbaccel ] || note "$1" share "$(share "$before" "$total")"
}

# Packets per second that iptables discards in the raw table: nothing is delivered at all.
drop_once() { # case
	local n0 t0 n1 t1
	lab_server iptables -t raw -A PREROUTING -p udp --dport $PORT -j DROP || lab_die "iptables does not work here"
	lab_flood $PORT $((SECONDS_EACH + 1)) >/dev/null &
	sleep 0.5
	read -r n0 t0 < <(drop_count)
	sleep "$SECONDS_EACH"
	read -r n1 t1 < <(drop_count)
	wait $!
	lab_server iptables -t raw -F PREROUTING
	note "$1" iptables-drop "$(awk -v n=$((n1 - n0)) -v a="$t0" -v b="$t1" 'BEGIN { printf "%.0f\n", n / (b - a) }')"
}

drop_count() {
	echo "$(lab_server iptables -t raw -L PREROUTING -v -x -n | awk '/DROP/ { print $1 }') $(date +%s.%N)"
}

# Median round trip to one server.
rtt_once() { # case variant mode
	local pid before p50 p99 sent count lost env
	env=$(variant_env "$2")
	before=$(lab_udp_in)
	if [ "$2" = raw ]; then
		lab_server_bg timeout 20 "$LAB_BIN/raw_xsk" --ifname srv --port $PORT --mode echo --spin \
			--seconds 30 >/dev/null 2>"$LAB_DIR/err"
		pid=$LAB_PID
		sleep 0.5
	else
		# shellcheck disable=SC2086
		lab_server_bg timeout 20 $env "$LAB_BIN/echo" --port $PORT --mode "$3" >/dev/null 2>"$LAB_DIR/err"
		pid=$LAB_PID
		lab_wait_port $PORT 2>>"$LAB_DIR/err" || failed "$1" "$2"
	fi
	lab_client timeout 20 "$LAB_BIN/rtt" --address $LAB_SERVER --port $PORT --seconds "$SECONDS_EACH" \
		>"$LAB_DIR/out" 2>>"$LAB_DIR/err" || failed "$1" "$2"
	lab_stop $pid
	read -r p50 _ p99 _ count lost sent <"$LAB_DIR/out"
	note "$1" "$2" "$p50"
	note "$1-p99" "$2" "$p99"
	[ "$lost" = 0 ] || echo "  ($lost of $((count + lost)) lost)"
	[ "$2" != kbaccel ] || note "$1" share "$(share "$before" "$sent")"
}

# Nanoseconds of calls on descriptors that are not the library's, while it accelerates another one.
passthru_once() { # case variant
	local name ns env
	env=$(variant_env "$2")
	# shellcheck disable=SC2086
	lab_server timeout 60 $env "$LAB_BIN/passthru" --bind $PORT >"$LAB_DIR/out" 2>"$LAB_DIR/err" || failed "$1" "$2"
	while read -r name ns; do
		note "$1-$name" "$2" "$ns" >/dev/null
	done <"$LAB_DIR/out"
	echo "  $1 $2 done"
}

# CPU percent that a server takes which has served one client and now has nothing to do; default settings.
idle_once() { # case variant
	local pid t0 t1 hz env
	hz=$(getconf CLK_TCK)
	env=$(variant_env "$2")
	# No timeout in front: LAB_PID has to be the server itself, which ends by itself.
	# shellcheck disable=SC2086
	lab_server_bg $env "$LAB_BIN/echo" --port $PORT --mode epoll --seconds 20 >/dev/null 2>"$LAB_DIR/err"
	pid=$LAB_PID
	lab_wait_port $PORT 2>>"$LAB_DIR/err" || failed "$1" "$2"
	lab_client timeout 20 "$LAB_BIN/rtt" --address $LAB_SERVER --port $PORT --seconds 0.3 >/dev/null \
		2>>"$LAB_DIR/err" || failed "$1" "$2"
	sleep 0.5
	t0=$(cpu_ticks $pid)
	sleep $IDLE_SECONDS
	t1=$(cpu_ticks $pid)
	lab_stop $pid
	note "$1" "$2" "$(awk -v t=$((t1 - t0)) -v hz="$hz" -v s=$IDLE_SECONDS 'BEGIN { printf "%.2f\n", 100 * t / hz / s }')"
}

cpu_ticks() { # pid
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# Moves the receiving side's softirq work into a thread on the application's CPU: they then share one core.
napi_thread() { # 1|0
	local pid known
	known=" $(pgrep -d ' ' '^napi/srv') "
	ip netns exec "$LAB_SERVER_NS" sh -c "echo $1 >/sys/class/net/srv/threaded" || lab_die "no threaded NAPI here"
	[ "$1" = 1 ] || return 0
	for pid in $(pgrep '^napi/srv'); do
		[[ $known = *" $pid "* ]] || taskset -p -c "$LAB_APP_CPU" "$pid" >/dev/null
	done
}

# Packets that the client's end of the pair has received.
client_packets() {
	ip netns exec "$LAB_CLIENT_NS" cat /sys/class/net/cli/statistics/rx_packets
}

# Packets per second that come to the client, over SECONDS_EACH, the first of which is left out.
client_rate() {
	local n0 t0 n1 t1
	sleep 0.5
	n0=$(client_packets) t0=$(date +%s.%N)
	sleep "$SECONDS_EACH"
	n1=$(client_packets) t1=$(date +%s.%N)
	awk -v n=$((n1 - n0)) -v a="$t0" -v b="$t1" 'BEGIN { printf "%.0f\n", n / (b - a) }'
}

# Answers per second to the flood, as the client's interface counts them.
echo_once() { # case variant mode
	local pid env
	env=$(variant_env "$2")
	if [ "$2" = raw ]; then
		lab_server_bg timeout 20 "$LAB_BIN/raw_xsk" --ifname srv --port $PORT --mode echo --seconds 15 >/dev/null 2>"$LAB_DIR/err"
		pid=$LAB_PID
		sleep 0.5
	else
		# shellcheck disable=SC2086
		lab_server_bg timeout 20 $env "$LAB_BIN/echo" --port $PORT --mode "$3" --seconds 15 >/dev/null 2>"$LAB_DIR/err"
		pid=$LAB_PID
		lab_wait_port $PORT 2>>"$LAB_DIR/err" || failed "$1" "$2"
	fi
	# Nobody is there to read them: a closed port would answer each.
	lab_client iptables -t raw -A PREROUTING -p udp --sport $PORT -j DROP || lab_die "iptables does not work here"
	lab_flood $PORT $((SECONDS_EACH + 2)) >/dev/null &
	note "$1" "$2" "$(client_rate)"
	wait $!
	lab_client iptables -t raw -F PREROUTING
	lab_stop $pid
}

# Datagrams per second from one sender, as the client's interface counts them.
source_once() { # case variant mode
	local pid env
	env=$(variant_env "$2" | sed "s/PORTS=$PORT/PORTS=*/")
	lab_client iptables -t raw -A PREROUTING -p udp --dport $PORT -j DROP || lab_die "iptables does not work here"
	# shellcheck disable=SC2086
	lab_server_bg timeout 20 $env "$LAB_BIN/source" --address $LAB_CLIENT --port $PORT --mode "$3" --size 18 \
		--seconds $((SECONDS_EACH + 2)) >/dev/null 2>"$LAB_DIR/err"
	pid=$LAB_PID
	note "$1" "$2" "$(client_rate)"
	wait $pid || failed "$1" "$2"
	lab_client iptables -t raw -F PREROUTING
}

# Runs a function once for every variant, kbaccel only if there is a library.
each() { # function case variant:mode...
	local function=$1 case=$2 v
	shift 2
	for v in "$@"; do
		case $v in kbaccel*) [ -n "$PRELOAD" ] || continue ;; esac
		"$function" "$case" "${v%%:*}" "${v#*:}"
	done
}

case_recvmmsg() {
	each sink_once recvmmsg kernel:recvmmsg kbaccel:recvmmsg raw:-
	drop_once recvmmsg
}
# The interface shared with another accelerated process, which has the queues: frames come by a ring.
shared_once() { # case variant mode
	local holder
	# shellcheck disable=SC2046
	lab_server_bg $(variant_env "$2" | sed "s/PORTS=$PORT/PORTS=$((PORT + 1))/") "$LAB_BIN/sink" --port $((PORT + 1)) \
		--mode epoll --seconds 3600 >/dev/null 2>&1
	holder=$LAB_PID
	lab_wait_port $((PORT + 1)) || failed "$1" "$2"
	sleep 0.5
	sink_once "$@"
	lab_stop "$holder"
}
case_shared() {
	each sink_once shared kernel:recvmmsg kbaccel-alone:recvmmsg
	each shared_once shared kbaccel:recvmmsg
}
case_echo() {
	each echo_once echo kernel:block kbaccel:block kbaccel-batch1:block raw:-
	each echo_once echo-mmsg kernel:mmsg kbaccel:mmsg
}
case_source() {
	each source_once source-sendto kernel:sendto kbaccel:sendto
	each source_once source-sendmmsg kernel:sendmmsg kbaccel:sendmmsg
}
# An engine for each queue: what a datagram takes must not grow with them.
queues_once() { # case variant mode
	lab_queues "${2##*-}" || lab_die "can not have ${2##*-} queues"
	sink_once "$@"
	lab_queues 1
}
case_queues() {
	each queues_once queues kbaccel-1:recvmmsg kbaccel-2:recvmmsg kbaccel-4:recvmmsg
}
case_recvfrom() { each sink_once recvfrom kernel:recvfrom kbaccel:recvfrom; }
case_epoll() { each sink_once epoll kernel:epoll kbaccel:epoll; }
case_rtt() { each rtt_once rtt kernel:block kbaccel:block kernel-spun:spin kbaccel-spin:block raw:-; }
case_passthru() { each passthru_once passthru kernel:- kbaccel:-; }
case_idle() { each idle_once idle kernel:- kbaccel:-; }
case_napi() {
	napi_thread 1
	each sink_once napi kernel:recvmmsg kbaccel:recvmmsg raw:-
	napi_thread 0
}

# Median of what was noted for CASE VARIANT; "-" without any.
result() { # case variant
	local v=()
	[ ! -f "$LAB_DIR/$1.$2" ] || mapfile -t v <"$LAB_DIR/$1.$2"
	lab_median "${v[@]}"
}

# Prints one line: what, variant, median, ratio to the kernel's, difference to the kernel's.
report_line() { # case variant
	local value kernel
	value=$(result "$1" "$2")
	kernel=$(result "$1" kernel)
	case $2 in
	share) printf '%-22s %-14s %12s\n' "$1" "fast path, %" "$value" ;;
	*)
		printf '%-22s %-14s %12s %8s %10s\n' "$1" "$2" "$value" "$(lab_ratio "$value" "$kernel")" \
			"$(awk -v a="$value" -v b="$kernel" 'BEGIN { if (b != "-") printf "%+.1f", a - b }')"
		;;
	esac
}

# Says whether VALUE OPERATOR LIMIT holds; nothing when one of them was not measured.
target() { # text value operator limit
	case "$2 $4" in *-) return ;; -*) return ;; esac
	awk -v text="$1" -v v="$2" -v op="$3" -v limit="$4" 'BEGIN {
		met = op == ">=" ? v >= limit : v <= limit
		printf "%-52s %10.2f %s %-10.2f %s\n", text, v, op, limit, met ? "met" : "MISSED"
	}'
}

# The figures that the project promises.
report_targets() {
	local file name worst=-
	[ -n "$PRELOAD" ] || return 0
	echo
	target "recvmmsg, x kernel" "$(lab_ratio "$(result recvmmsg kbaccel)" "$(result recvmmsg kernel)")" ">=" 2
	target "recvmmsg, x what iptables discards" \
		"$(lab_ratio "$(result recvmmsg kbaccel)" "$(result recvmmsg iptables-drop)")" ">=" 1
	target "echo, x kernel" "$(lab_ratio "$(result echo kbaccel)" "$(result echo kernel)")" ">=" 2
	target "echo, x raw AF_XDP" "$(lab_ratio "$(result echo kbaccel)" "$(result echo raw)")" ">=" 0.9
	target "sendto, x kernel" "$(lab_ratio "$(result source-sendto kbaccel)" "$(result source-sendto kernel)")" ">=" 1
	target "sendmmsg, x kernel" "$(lab_ratio "$(result source-sendmmsg kbaccel)" "$(result source-sendmmsg kernel)")" ">=" 1.5
	target "rtt p50, x kernel" "$(lab_ratio "$(result rtt kbaccel)" "$(result rtt kernel)")" "<=" 1
	target "rtt p50, spinning, x raw AF_XDP" "$(lab_ratio "$(result rtt kbaccel-spin)" "$(result rtt raw)")" "<=" 1.1
	for file in "$LAB_DIR"/passthru-*.kbaccel; do
		[ -f "$file" ] || continue
		name=$(basename "$file" .kbaccel)
		worst=$(awk -v w="$worst" -v a="$(result "$name" kbaccel)" -v b="$(result "$name" kernel)" \
			'BEGIN { print (w == "-" || a - b > w) ? (a > b ? a - b : 0) : w }')
	done
	target "passthru, ns more in the worst call" "$worst" "<=" 10
	target "idle server, % of a CPU" "$(result idle kbaccel)" "<=" 1
}

report() {
	local file name
	printf '\n%-22s %-14s %12s %8s %10s\n' "case" variant "median" "x kernel" "- kernel"
	for file in "$LAB_DIR"/*.*; do
		name=$(basename "$file")
		report_line "${name%%.*}" "${name#*.}"
	done
	echo "recv*, epoll, napi, echo, source: datagrams/s; rtt: us (p50, p99) per round trip; passthru: ns per call; idle: % of one CPU"
	report_targets
}

main() {
	local cases=("$@") c round
	[ $# -gt 0 ] || cases=(recvmmsg recvfrom epoll echo source rtt passthru idle)
	for c in "${cases[@]}"; do
		declare -F "case_$c" >/dev/null || lab_die "no case $c: $CASES"
	done
	[ -z "$PRELOAD" ] || [ -r "$PRELOAD" ] || lab_die "$PRELOAD is missing: run make, or set KB_BENCH_PRELOAD="
	lab_build
	lab_up
	for round in $(seq "$ROUNDS"); do
		echo "round $round of $ROUNDS"
		for c in "${cases[@]}"; do
			"case_$c"
		done
	done
	report
}

main "$@"
