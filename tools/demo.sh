#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh - `make demo`: unmodified programs from Debian on a veth pair, without and with the preload, in one table.
#
# Two network namespaces of its own (tests/bench/lab.sh); nothing outside them is touched, and nothing stays behind.
# Each program serves on the kernel's path first, then under LD_PRELOAD; the clients are never preloaded, and ping and a TCP
# stream share the interface throughout. How much really bypassed the kernel is computed from the kernel's own
# `Udp:` counters in the server's namespace. Ends with 1, and shows the output, if a program did not work or less than
# MIN_SHARE percent of its datagrams took the fast path.
#
#   BUILD=dir              where libkbaccel.so is (default: build)
#   KB_DEMO_PRELOAD=path   another library; empty: compare the kernel with itself, to try out this script
#   KB_DEMO_SPIN=us        KBACCEL_SPIN of the round-trip programs (default 1000)
#   KB_DEMO_ONLY="a b"     only these programs
set -u
TOP=$(cd "$(dirname "$0")/.." && pwd)
. "$TOP/tests/bench/lab.sh"
. "$TOP/tools/demo/beside.sh"
. "$TOP/tools/demo/programs.sh"

PRELOAD=${KB_DEMO_PRELOAD-$LAB_BUILD/libkbaccel.so}
SPIN=${KB_DEMO_SPIN:-1000}
ONLY=${KB_DEMO_ONLY:-$PROGRAMS}
MIN_SHARE=90
MIN_HANDLED=100
FAILED=()
declare -A VALUE SHARE

need_programs() {
	local missing=() p
	for p in sockperf iperf3 dnsmasq dnsperf socat ping ethtool ip taskset ss; do
		command -v "$p" >/dev/null || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] || lab_die "missing: ${missing[*]} (make deps installs them)"
	[ -z "$PRELOAD" ] || [ -r "$PRELOAD" ] || lab_die "$PRELOAD is missing: run make"
}

# Sets ENVIRONMENT to what goes before a server's command.
server_environment() { # program mode
	local port=PORT_$1 spins=SPINS_$1
	ENVIRONMENT=(env)
	[ "$2" = kbaccel ] && [ -n "$PRELOAD" ] || return 0
	ENVIRONMENT+=("LD_PRELOAD=$PRELOAD" "KBACCEL_PORTS=${!port}")
	[ "${!spins:-no}" = no ] || ENVIRONMENT+=("KBACCEL_SPIN=$SPIN")
}

# Remembers that PROGRAM failed in MODE; its output is shown at the end.
fail() { # program mode why
	FAILED+=("$1 $2 $3")
	VALUE[$1.$2]=FAILED
	echo "FAILED: $3"
}

# Runs one program in one mode; fills VALUE and SHARE.
measure() { # program mode
	local program=$1 mode=$2 log=$LAB_DIR/$1.$2 before server status
	printf '  %-9s %-8s ' "$program" "$mode"
	before=$(lab_udp_in)
	server_environment "$program" "$mode"
	"server_$program" >"$log.server" 2>&1
	server=$LAB_PID
	if ! "ready_$program" 2>"$log.client"; then
		lab_stop "$server"
		fail "$program" "$mode" "the server did not come up"
		return
	fi
	beside_start
	HANDLED=0 RESULT=
	"client_$program" "$server" >"$log.client" 2>&1
	status=$?
	beside_stop "$program" "$mode"
	lab_stop "$server"
	"result_$program" "$log"
	judge "$program" "$mode" "$status" $(($(lab_udp_in) - before))
}

# Did it work, and how much of it went past the kernel?
judge() { # program mode client-status kernel-datagrams
	local share
	[ "$3" = 0 ] || { fail "$1" "$2" "the client ended with status $3"; return; }
	awk -v v="${RESULT:-0}" 'BEGIN { exit !(v > 0) }' || { fail "$1" "$2" "no result"; return; }
	[ "$HANDLED" -ge $MIN_HANDLED ] || { fail "$1" "$2" "only $HANDLED datagrams were handled"; return; }
	VALUE[$1.$2]=$RESULT
	share=$(awk -v k="$4" -v n="$HANDLED" 'BEGIN { printf "%.1f", k < n ? 100 * (n - k) / n : 0 }')
	SHARE[$1.$2]=$share
	echo "$RESULT $(unit "$1"); $HANDLED datagrams, of which the kernel delivered $4"
	[ "$2" = kbaccel ] && [ -n "$PRELOAD" ] || return 0
	awk -v s="$share" -v m=$MIN_SHARE 'BEGIN { exit !(s < m) }' || return 0
	FAILED+=("$1 $2 only $share % of its datagrams bypassed the kernel")
}

unit() { # program
	local what=WHAT_$1
	echo "${!what##*, }"
}

table_line() { # name what kernel libkbaccel ratio share
	printf '%-9s | %-34s | %10s | %10s | %6s | %9s\n' "$@"
}

table() {
	local p what k a
	echo
	table_line program "what is measured" kernel libkbaccel ratio "fast path"
	echo "----------+------------------------------------+------------+------------+--------+----------"
	for p in $ONLY; do
		what=WHAT_$p
		k=${VALUE[$p.kernel]:--} a=${VALUE[$p.kbaccel]:--}
		table_line "$p" "${!what}" "$k" "$a" "$(lab_ratio "$a" "$k")" "${SHARE[$p.kbaccel]:--} %"
	done
	beside_table
	echo
	echo "ratio: libkbaccel / kernel; of round trips less is better. Round-trip servers run with KBACCEL_SPIN=$SPIN,"
	echo "the others with default settings. fast path: datagrams that the kernel's own Udp: counters did not see."
	[ -n "$PRELOAD" ] || echo "KB_DEMO_PRELOAD is empty: this compared the kernel with itself."
}

show_failures() {
	local f program mode why log
	for f in "${FAILED[@]}"; do
		read -r program mode why <<<"$f"
		echo
		echo "FAILED: $program, $mode: $why"
		for log in "$LAB_DIR/$program.$mode".{server,client}; do
			[ -s "$log" ] || continue
			echo "  last output of the ${log##*.}:"
			tail -n 25 "$log" | sed 's/^/    /'
		done
	done >&2
}

main() {
	local started=$SECONDS p mode
	need_programs
	lab_build
	lab_up
	beside_server
	echo "two namespaces, one veth pair; each program serves for about 3 s on either path:"
	for p in $ONLY; do
		for mode in kernel kbaccel; do
			measure "$p" "$mode"
		done
	done
	beside_judge
	table
	echo "took $((SECONDS - started)) s"
	[ ${#FAILED[@]} = 0 ] && exit 0
	show_failures
	exit 1
}

main "$@"
