#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# frames.sh - runs fuzz_frames twice: with a seed that is always the same, and with one of the day. KB_FUZZ_SECONDS: for how long each.
set -euo pipefail
program=${BUILD:-build}/tests/fuzz/fuzz_frames
seconds=${KB_FUZZ_SECONDS:-5}
"$program" "$seconds" 1 | sed 's/^\(ok\|not ok\) /\1 seed 1: /'
"$program" "$seconds" | sed 's/^\(ok\|not ok\) /\1 seed of the day: /'
