#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# check-runner.sh - tests/run itself: that no failure is taken for a pass, nothing hangs it, nothing is left behind.

# shellcheck source=tests/lib/test.sh
. "$(dirname "$0")/lib/test.sh"
cd "$KB_TMP" || exit 1

printf 'echo "ok one"\necho "not ok two"\necho "skip three no hardware"\n' >cases.sh
printf 'echo "ok one"\nexit 1\n' >late.sh
printf 'exit 3\n' >fails.sh
printf 'echo text\necho "no such kernel"\nexit 77\n' >skips.sh
printf 'true\n' >passes.sh
# Neither a deaf process nor one that left the session and its parent survives its test.
printf '# TIMEOUT: 1\ntrap "" TERM\necho $$ >%s/pids\n(setsid sleep 60 & echo $! >>%s/pids)\nsleep 60\n' \
	"$PWD" "$PWD" >hangs.sh

run()
{
	"$top/tests/run" "$@" >out 2>&1
	status=$?
	last=$(tail -n 1 out)
}

alive() { [[ -r /proc/$1/stat && $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) != [ZX] ]]; }

run passes.sh
equal "a pass" "0 1 passed, 0 failed, 0 skipped" "$status $last"
run skips.sh
equal "a skip" "0 0 passed, 0 failed, 1 skipped" "$status $last"
check "a skip says why" grep -q '^SKIPPED .*skips.sh: no such kernel$' out
run fails.sh
equal "a failure" "1 0 passed, 1 failed, 0 skipped" "$status $last"
run cases.sh
equal "cases are counted, a failed one fails the run" "1 1 passed, 1 failed, 1 skipped" "$status $last"
run late.sh
equal "a bad exit status after good cases" "1 1 passed, 1 failed, 0 skipped" "$status $last"
run -j 2 passes.sh fails.sh passes.sh
equal "two at a time" "1 2 passed, 1 failed, 0 skipped" "$status $last"

# What a program in the background wrote, the script itself saw nothing of it.
printf 'echo "ok one"\necho "SUMMARY: AddressSanitizer: use-after-poison" >"$KB_SAN_LOG/report.7"\n' >reports.sh
KB_SAN_LIB=none run reports.sh
equal "a sanitizer's report" "1 1 passed, 1 failed, 0 skipped" "$status $last"
check "a sanitizer's report is shown" grep -q '^FAILED .*reports.sh: sanitizer: SUMMARY: Addr.*use-after-poison$' out
KB_SAN_LIB=none run passes.sh
equal "no report of a sanitizer" "0 1 passed, 0 failed, 0 skipped" "$status $last"

run hangs.sh
equal "a hanging test" "1 0 passed, 1 failed, 0 skipped" "$status $last"
check "a hanging test is named" grep -q '^HUNG .*hangs.sh' out
left=0
while read -r pid; do alive "$pid" && left=$((left + 1)); done <pids
equal "processes left behind" 0 $left

run nonesuch.sh
equal "a test that does not exist" 2 $status

finish
