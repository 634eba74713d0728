#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# mosh.sh - mosh-server: forks and daemonizes after bind, pselect() beside a terminal, TOS and ECN, peers that it learns.
# PACKAGES: mosh bsdutils
. "$(dirname "$0")/lib.sh"
app_need mosh-server mosh-client script
app_lab
export LC_ALL=C.UTF-8 TERM=xterm
# Mosh sends at a pace of its own, four to fifty screens in a second: what is said takes three.
says='for i in $(seq 150); do echo line $i; sleep 0.02; done; echo all is said; sleep 0.3'

# session ADDRESS: the client sees all that the server's shell says.
session()
{
	local key
	set -- "$1" mosh-server new -i "$1" -p 60001 -- sh -c "$says"
	[ -n "${KB_NOPRELOAD:-}" ] || set -- "$1" env LD_PRELOAD="$PRELOAD" KBACCEL_PORTS=60001 "${@:2}"
	ip netns exec "$ns_a" "${@:2}" >"$tmp/mosh.log" 2>&1
	key=$(awk '/MOSH CONNECT/ { print $4 }' "$tmp/mosh.log")
	[ -n "$key" ] || { cat "$tmp/mosh.log" && return 1; }
	app_client env MOSH_KEY="$key" script -qec "stty rows 24 cols 80; mosh-client $1 60001" "$tmp/screen" \
		</dev/null >/dev/null 2>&1
	grep -qa 'all is said' "$tmp/screen" || { tail -n 5 "$tmp/screen" && return 1; }
}

app_count_start
app_check "IPv4" session $addr4
app_bypassed "IPv4" 12
app_end
