# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib_nic.sh - for the accel_queue*.sh tests: a NIC that steers (fake_nic.c) in $NS_A, whose RX queues the veth pair really has.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib_accel.sh"

NIC_SOCKET='' NIC=()
nics=0

# nic_begin QUEUES [NAME=NUMBER...]: a new pair of namespaces, with that NIC.
nic_begin()
{
	local queues=$1
	shift
	ns_pair -q "$queues"
	NIC_SOCKET=$KB_TMP/nic$((++nics))
	NIC=("$bin/fake_nic" run "$NIC_SOCKET")
	spawn "$NS_B" "nic$nics" "$bin/fake_nic" serve "$NIC_SOCKET" veth0 "queues=$queues" "$@"
	NIC_PID=$SPAWNED
	wait_until 5 grep -q serving "$KB_TMP/nic$nics.log" || die "no NIC: $(cat "$KB_TMP/nic$nics.log")"
}

nic_end()
{
	nic_leave
	NIC_SOCKET=
	stop "$NIC_PID"
	ns_del_all
	ns_list=()
}

nic_set() { "$bin/fake_nic" set "$NIC_SOCKET" "$@"; }
nic_show() { "$bin/fake_nic" show "$NIC_SOCKET"; }
nic_rss() { nic_show | sed -n 's/^rss //p'; }

# Its rules, without their locations: "udp4 any port 5300 queue 3", sorted, separated by commas.
nic_rules() { nic_show | sed -n 's/^\(udp.*\) location.*/\1/p' | sort | paste -sd, | sed 's/,/, /g'; }

# As an operator does.
nic_ethtool() { run_in "$NS_A" "${NIC[@]}" ethtool "$@"; }

# own NAME QUEUES [option...] PORT: a server that asks for queues of its own; waits until it serves.
own()
{
	local name=$1 queues=$2
	shift 2
	preload_env "${OWN_PORTS:-$PORTS}"
	spawn "$NS_A" "$name" "${NIC[@]}" env "${PRELOAD_ENV[@]}" "KBACCEL_QUEUES=$queues" "$bin/accel_server" -d "$@"
	wait_until 5 grep -q '^serving' "$KB_TMP/$name.log" || { sed 's/^/# /' "$KB_TMP/$name.log"; return 1; }
}

own_fast()
{
	if ! own "$@" || ! wait_until 3 accelerated "$SPAWNED"; then
		note "not accelerated: $("$tool" stat "$SPAWNED" 2>&1)" "$(head -n 5 "$KB_TMP/$1.log")"
		not_ok "$1 is accelerated"
	fi
}

# How the process is served: "AF_XDP copy, native, own queue 3".
mode_of() { "$tool" stat "$1" | sed -n 's/^  queue veth0[^(]*(\(.*\))$/\1/p' | sort -u | paste -sd'|'; }

nic_clean() { run_in "$NS_A" "${NIC[@]}" "$tool" clean; }

# Nothing may be left in /run/kbaccel when the namespace is gone: nobody else can tell whose it is.
nic_leave() { [[ -z $NIC_SOCKET ]] || nic_clean >/dev/null 2>&1; }
at_exit nic_leave
