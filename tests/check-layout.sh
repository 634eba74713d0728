#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 180
#
# check-layout.sh - every C file is laid out as .clang-format says (`make format` does it).

# shellcheck source=tests/lib/test.sh
. "$(dirname "$0")/lib/test.sh"
cd "$top" || exit 1
command -v clang-format >/dev/null || { skip 'layout' 'clang-format is not installed'; finish; }

mapfile -t files < <(make -s c-files)
check 'there are C files' test "${#files[@]}" -gt 100
wrong=$(clang-format --dry-run "${files[@]}" 2>&1 | sed -nE 's/^([^:]*:[0-9]+):.*clang-format-violations.*/# \1/p')
[[ -z $wrong ]] || echo "$wrong"
check 'C files are laid out by .clang-format' test -z "$wrong"
finish
