#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 180
#
# check-man.sh - the manual pages: well-formed, and nothing that the tool or the library knows is missing in them.

# shellcheck source=tests/lib/test.sh
. "$(dirname "$0")/lib/test.sh"
cd "$top" || exit 1
[[ -e $BUILD/libkbaccel.7 ]] || die "no $BUILD/libkbaccel.7: run make"

if command -v mandoc >/dev/null; then
	for page in docs/kbaccel.1 docs/kbacceld.8 "$BUILD/libkbaccel.7"; do
		complaints=$(mandoc -Tlint -Wwarning "$page")
		[[ -z $complaints ]] || note "$complaints"
		check "mandoc has nothing to say about $(basename "$page")" test -z "$complaints"
	done
else
	skip 'mandoc' 'mandoc is not installed'
fi

# missing PAGE WORD...: those that it does not have.
missing()
{
	local page=$1 word
	shift
	for word; do grep -qF -- "$word" "$page" || echo "$word"; done
}

mapfile -t settings < <(sed -nE 's/^SETTING\(([A-Z_]+),.*/KBACCEL_\1/p' base/config.def)
check 'there are settings' test "${#settings[@]}" -gt 10
equal 'libkbaccel(7) has each setting' '' "$(missing "$BUILD/libkbaccel.7" "${settings[@]}")"
equal 'operations.md has each setting' '' "$(missing docs/operations.md "${settings[@]}")"
for command in run check stat capture config clean; do
	mapfile -t options < <("$BUILD/kbaccel" $command --help | grep -oE -- '--[a-z]+' | sort -u | grep -v -- '--help' | sed 's/^--//')
	equal "kbaccel(1) has $command and its options" '' "$(missing docs/kbaccel.1 ".It Cm $command" "${options[@]}")"
done
finish
