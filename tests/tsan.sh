#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# tsan.sh - unit tests, and all comparison programs and netns tests that have threads, under ThreadSanitizer: `make tsan`.
#
# A program with a report exits with 66, and is told apart from the kernel's by that. But a test is tried again when it fails,
# the second time maybe without the race: so reports are kept aside, and one is enough to fail.
# BUILD: where the library was built with SAN=thread; KB_SAN_LIB: the sanitizer's runtime. Names of comparison programs
# instead of all: tsan.sh threads[v4] ...
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

reports=$(mktemp -d) || exit 1
# Programs that have dropped their privileges report, too.
chmod 1777 "$reports"
trap 'rm -rf "$reports"' EXIT
export TSAN_OPTIONS=log_path=$reports/report:exitcode=66
failed=0

threaded() # FILES...
{
	grep -l pthread_create "$@"
}

comparisons()
{
	local program
	for program in $(threaded tests/conform/*.c); do
		program=${program##*/}
		echo "${program%.c}[v4]" "${program%.c}[b6]"
	done
}

[ "$(id -u)" = 0 ] || echo "skip tsan needs root for all but the unit tests"
if [ $# = 0 ]; then
	# accel_fds and accel_fork have no threads of their own, but what they close and fork is shared with the runtime's.
	tests/run unit $(threaded tests/netns/*.c | sed 's/\.c$/.sh/') tests/netns/accel_{fds,fork}.sh || failed=1
	set -- $(comparisons)
fi
for try in 1 2; do
	# Two at a time: the sanitizer slows them down, and they look at the clock.
	KB_JOBS=2 tests/conform/run.sh "$@" | tee "$reports/log" && break
	[ "${PIPESTATUS[0]}" = 77 ] && break
	set -- $(sed -n 's/^not ok \([^ :]*\).*/\1/p' "$reports/log")
	[ $try = 1 ] && echo "AGAIN $*" && continue
	failed=1
done

for report in "$reports"/report.*; do
	[ -e "$report" ] || continue
	failed=1
	cat "$report"
done
echo "ThreadSanitizer: $(cat "$reports"/report.* 2>/dev/null | grep -c ^SUMMARY) reports"
[ $failed = 0 ]
