#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nic_shared.sh - a steered wildcard port that has further sockets of another process (SO_REUSEADDR): these keep what
# the kernel would give them. nic_shared.c does the work.

# shellcheck source=tests/lib/netns.sh
. "$(dirname "$0")/../lib/netns.sh"

helper=$BUILD/tests/netns/nic_shared plugin=$BUILD/kbaccel-xdp.so
[[ -x $helper && -e $plugin ]] || die "not built: $helper, $plugin"

ns_pair
preload_runtime
ip netns exec "$NS_A" "$BUILD/tests/netns/nic_xdp" "$plugin" veth0 open >"$KB_TMP/first" 2>&1 ||
	! grep -qE '^(EPERM|EOPNOTSUPP)' "$KB_TMP/first" || skip_all "$(tail -n 1 "$KB_TMP/first")"

ip netns exec "$NS_A" "$helper" "$plugin" veth0 "$NS_B" "$A4" "$B4" "$A6" "$B6" >"$KB_TMP/out" 2>&1
status=$?
cat "$KB_TMP/out"
test_failed=$((test_failed + $(grep -c '^not ok' "$KB_TMP/out")))
((status <= 1)) || not_ok "ends with status $status"
grep -qE '^(not )?ok' "$KB_TMP/out" || not_ok 'has no verdict'

finish
