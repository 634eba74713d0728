#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# count.sh - how many instructions a datagram takes in the library, exactly: callgrind counts them in an unmodified program over the
# verbs backend and a NIC that is a process (tests/lib/verbs.sh), where no system call is in the way. What the fake libibverbs and libc
# take is not counted. Load on the machine does not matter.
#
#   tests/bench/count.sh [-k DIRECTORY] [recvfrom|recvmmsg|epoll|poll|sendto|sendmmsg|peers|passthru ...]
#
#   -k  keep callgrind's files there, for callgrind_annotate

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/../netns/lib_accel.sh"
# shellcheck source=tests/lib/verbs.sh
. "$(dirname "$0")/../lib/verbs.sh"
need valgrind callgrind_annotate
bench=$BUILD/tests/bench keep=$KB_TMP RATE=40000 ports=
[[ ${1:-} != -k ]] || { keep=$2 && shift 2; }
mkdir -p "$keep"

# Instructions of the library, the backend and the stack in FILE.
instructions()
{
	callgrind_annotate --auto=no --threshold=100 "$1" 2>/dev/null | awk '
		$1 ~ /^[0-9,]+$/ && $2 == "(" || $1 ~ /^[0-9,]+$/ && $2 ~ /^\(/ {
			if ($0 ~ /PROGRAM TOTALS/ || $0 ~ /fake-verbs|fake_|passthru\.c/ || $0 ~ /\/lib\/|glibc|libc\.so|ld-linux|vdso|\?\?\?/)
				next
			gsub(",", "", $1); n += $1
		} END { print n + 0 }'
}

# under_callgrind NAME FUNCTION COMMAND...: in $NS_A, counting inside of FUNCTION.
under_callgrind()
{
	local name=$1 function=$2
	shift 2
	spawn "$NS_A" "$name" preload "${ports:-9000}" valgrind -q --tool=callgrind --callgrind-out-file="$keep/$name.callgrind" \
		--toggle-collect="$function" "$@"
}

receive_case() # MODE FUNCTION
{
	local total
	under_callgrind "$1" "$2" "$bench/sink" --port 9000 --mode "$1" --seconds 4 --warmup 0 --give-up 20
	wait_until 20 eval 'run_in "$NS_A" ss -Huan "sport = :9000" | grep -q 9000'
	run_in "$NS_B" "$bench/source" --address "$A4" --port 9000 --mode sendmmsg --size 18 --rate $RATE --seconds 7 >/dev/null
	wait "$SPAWNED"
	read -r total _ < <(grep -v '^==' "$KB_TMP/$1.log")
	show "$1" "$total"
}

send_case() # NAME MODE ADDRESS [OPTION...]
{
	local total
	ports='*' under_callgrind "$1" "$2" "$bench/source" --address "$3" --port 9 --mode "$2" --size 18 --seconds 3 "${@:4}"
	wait "$SPAWNED"
	read -r total _ < <(grep -v '^==' "$KB_TMP/$1.log")
	show "$1" "$total"
}

# Calls on descriptors that are not the library's, each alone.
passthru_case()
{
	local call
	for call in read_bad recv send poll epoll_wait ioctl close_bad; do
		under_callgrind "$call" "call_$call" "$bench/passthru" --bind 9000 --batches 20
		wait "$SPAWNED"
		show "$call" 10000 calls
	done
}

show() # NAME TOTAL [WHAT]
{
	if [[ ${2:-0} -lt 1000 ]]; then
		note "$(cat "$KB_TMP/$1.log")"
		die "$1: nothing was measured"
	fi
	printf '%-10s %8d %s %8.0f instructions each\n' "$1" "$2" "${3:-datagrams}" "$(instructions "$keep/$1.callgrind" | awk -v n="$2" '{ print $1 / n }')"
}

verbs_pair
export KBACCEL_NIC=verbs
[[ $# -gt 0 ]] || set -- recvfrom recvmmsg epoll sendto sendmmsg peers passthru
for case; do
	case $case in
	send*) send_case "$case" "$case" "$B4" ;;
	peers) # each datagram to another address than the one before, behind a gateway
		run_in "$NS_A" ip route replace 10.99.0.0/16 via "$B4"
		send_case peers sendto 10.99.0.1 --peers 16384
		;;
	passthru) passthru_case ;;
	epoll | poll) receive_case "$case" recvfrom ;;
	*) receive_case "$case" "$case" ;;
	esac
done
