# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# test.sh - what every test script needs: verdicts, bounded waiting, and cleaning up, also when it is run by hand
# without tests/run. `. "$(dirname "$0")/../lib/test.sh"`; see tests/run for the protocol.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# The system's own programs, not the wrappers that somebody has in front of them.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH LC_ALL=C
BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$top/$BUILD
KB_PREFIX=${KB_PREFIX:-kb$$-}
own_tmp=
[[ -n ${KB_TMP:-} ]] || own_tmp=$(mktemp -d)
KB_TMP=${KB_TMP:-$own_tmp}
export BUILD KB_TMP KB_PREFIX

test_failed=0 test_passed=0 test_skipped=0
spawned_pids=()

ok()     { test_passed=$((test_passed + 1)); echo "ok $*"; }
not_ok() { test_failed=$((test_failed + 1)); echo "not ok $*"; }
# skip NAME REASON...: one case that this machine can not run.
skip()   { test_skipped=$((test_skipped + 1)); echo "skip $*"; }
note()   { echo "# $*"; }

# check NAME COMMAND...: the case passes when the command does.
check()
{
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}

# equal NAME WANT GOT
equal()
{
	if [[ $2 = "$3" ]]; then
		ok "$1"
	else
		note "$1: want '$2', got '$3'"
		not_ok "$1"
	fi
}

# Last line of a script: the exit status from what was counted.
finish() { exit $((test_failed > 0)); }

# The whole test can not run here.
skip_all() { echo "$*"; exit 77; }

# The whole test broke.
die() { echo "# broken: $*"; exit 1; }

need_root() { [[ $(id -u) = 0 ]] || skip_all "needs root"; }

# need COMMAND...: programs the test uses.
need()
{
	local name
	for name; do
		command -v "$name" >/dev/null || skip_all "needs $name (make deps)"
	done
}

# wait_until SECONDS COMMAND...: until the command succeeds; fails when the time is over (KB_SLOW times that on a slow machine).
wait_until()
{
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000 * ${KB_SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		((${EPOCHREALTIME/./} < end)) || return 1
		sleep 0.02
	done
}

# stop PID...: ends processes that spawn() started, gently at first, and waits for them.
stop()
{
	local pid
	for pid; do
		kill "$pid" 2>/dev/null
		wait_until 3 eval "! kill -0 $pid" || kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
}

clean_up_hooks=()

# at_exit COMMAND: run when the script ends, in reverse order.
at_exit() { clean_up_hooks=("$1" "${clean_up_hooks[@]}"); }

test_clean_up()
{
	local status=$? hook
	trap - EXIT
	trap '' INT TERM
	if [[ ${#spawned_pids[@]} != 0 ]]; then
		kill -KILL "${spawned_pids[@]}" 2>/dev/null
		wait "${spawned_pids[@]}" 2>/dev/null
	fi
	for hook in "${clean_up_hooks[@]}"; do eval "$hook"; done
	[[ -z $own_tmp ]] || rm -rf "$own_tmp"
	exit $status
}
trap test_clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
