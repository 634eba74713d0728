#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# tool_config.sh - `kbaccel`, `kbaccel config` and `kbaccel clean`: usage, the listing of the settings, exit status.
# shellcheck source=tests/lib/test.sh
. "$(dirname "$0")/../lib/test.sh"
tool=$BUILD/kbaccel
[[ -x $tool ]] || die "no $tool"

# gives NAME STATUS TEXT COMMAND...: stdout and stderr have TEXT.
gives()
{
	local name=$1 want=$2 text=$3 out status
	shift 3
	out=$("$@" 2>&1)
	status=$?
	if [[ $status = "$want" && $out = *"$text"* ]]; then
		ok "$name"
	else
		note "status $status, output: $out"
		not_ok "$name"
	fi
}

gives 'no command' 2 'Usage: kbaccel' "$tool"
gives 'unknown command' 2 'unknown command "frobnicate"' "$tool" frobnicate
gives 'unknown option' 2 'unrecognized option' "$tool" --frobnicate
gives 'help' 0 'Usage: kbaccel' "$tool" --help
gives 'version' 0 'kbaccel ' "$tool" --version
for command in run check stat config clean; do
	gives "$command --help" 0 "Usage: kbaccel $command" "$tool" "$command" --help
	gives "$command with a bad option" 2 "kbaccel $command --help" "$tool" "$command" --frobnicate
done
gives 'output that cannot be written' 1 'cannot write' sh -c "'$tool' config >/dev/full"

gives 'listing, default' 0 'KBACCEL_SPIN=0 us  (default)' "$tool" config
gives 'listing, not set' 0 'KBACCEL_PORTS=  (not set)' "$tool" config
gives 'listing, environment' 0 'KBACCEL_SPIN=50 us  (environment)' env KBACCEL_SPIN=50 "$tool" config
gives 'listing, ports' 0 'KBACCEL_PORTS=53,[fd00::1]:5-9  (environment)' \
	env KBACCEL_PORTS=' 53 , [fd00:0::1]:5-9' "$tool" config
gives 'malformed value' 1 'MALFORMED: "abc": not a whole number; allowed: 0..3600000000 us' \
	env KBACCEL_SPIN=abc "$tool" config
gives 'malformed value: the default stands' 1 'KBACCEL_SPIN=0 us  (default)' env KBACCEL_SPIN=abc "$tool" config
gives 'unknown name' 1 'KBACCEL_PORT  UNKNOWN: did you mean KBACCEL_PORTS?' env KBACCEL_PORT=53 "$tool" config
gives 'config takes no argument' 2 'unexpected argument "x"' "$tool" config x
equal 'every setting is described in docs/operations.md' '' \
	"$("$tool" config | sed -n 's/^\(KBACCEL_[A-Z_]*\)=.*/\1/p' |
		while read -r name; do grep -q "$name" "$(dirname "$0")/../../docs/operations.md" || echo "$name"; done)"
gives 'nothing to clean' 0 'nothing to clean' "$tool" clean
finish
