#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_links.sh - servers on interfaces that are made of others: macvlan, VLAN, bridge, bond, team, VRF. Each serves without a
# loss whatever KBACCEL_INTERFACE says: past the kernel where that can be right, else by the kernel, with the reason.
# TIMEOUT: 240

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need_root
need ip ethtool
A4=10.77.1.1 B4=10.77.1.2 A6=fd77:1::1 B6=fd77:1::2

# lab NAME [QUEUES]: $NS_A with s0 and s1, $NS_B with p0 and p1 at their other ends; all without an address.
lab()
{
	local i
	ns_add "a$1" && NS_A=$NS
	ns_add "b$1" && NS_B=$NS
	for i in 0 1; do
		ip link add s$i netns "$NS_A" numrxqueues "${2:-1}" numtxqueues "${2:-1}" type veth \
			peer name p$i netns "$NS_B" numrxqueues "${2:-1}" numtxqueues "${2:-1}" || die 'no veth pair'
	done
}
up() { ip -n "$1" link set "$2" up; }

# above NS NAME [LOWER] TYPE...: a new interface; false, and skipped, if this kernel has no such.
above()
{
	ip -n "$1" link add "${@:2:1}" "${@:3}" 2>/dev/null && return
	skip "$kind" "this kernel has none"
	return 1
}

# Ports of an interface.
ports() # NS MASTER PORT...
{
	local ns=$1 master=$2 port
	shift 2
	for port; do
		ip -n "$ns" link set "$port" down
		ip -n "$ns" link set "$port" master "$master" && up "$ns" "$port" || return 1
	done
	up "$ns" "$master"
}

# The addresses, on interface $1 of $NS_A and $2 of $NS_B.
addresses()
{
	ns_address "$NS_A" "$1" "$A4" "$A6"
	ns_address "$NS_B" "$2" "$B4" "$B6"
	reach || die "$kind: no traffic"
}
reach() { wait_until 5 run_in "$NS_A" ping -n -q -c 1 -W 1 "$B4" && wait_until 5 run_in "$NS_A" ping -n -q -c 1 -W 1 "$B6"; }

# open_server INTERFACES ('': by address and route): both families, any address. SERVER is the process.
open_server()
{
	KBACCEL_INTERFACE=$1 start server 5300 -d 5300 || { not_ok "$kind ($1): starts"; return 1; }
	SERVER=$SPAWNED
}

# both NAME fast|slow|any [client option...]: 100 datagrams of each family; any: by whichever way.
both()
{
	local name=$1 way=$2 to answer
	shift 2
	for to in "$A4" "$A6"; do
		if [[ $way != any ]]; then
			exchange "$name: $way, to $to" "$way" 100 "$@" "$to" 5300
		else
			answer=$(client -n 100 "$@" "$to" 5300)
			equal "$name: to $to" 'sent 100 back 100 bad 0' "${answer% from*}"
		fi
	done
}

# serves INTERFACES fast|slow|any [REASON]: the whole, with the reason that `kbaccel stat` gives for the slow way.
serves()
{
	local name="$kind (${1:-by route})"
	open_server "$1" || return
	[[ $2 != fast ]] || check "$name: accelerated" wait_until 3 accelerated "$SERVER"
	[[ -z ${3:-} ]] || check "$name: says why" eval "$tool stat $SERVER | grep -q '$3'"
	both "$name" "$2"
	equal "$name: nothing broken" 0 "$(bad_lines server)"
	stop "$SERVER"
}

kind=macvlan
lab macvlan
if above "$NS_A" m0 link s0 type macvlan mode bridge; then
	up "$NS_A" s0
	addresses m0 p0
	serves '' fast
	serves m0 fast
	serves s0 slow # another MAC address than its own
fi

kind=VLAN
lab vlan
if above "$NS_A" v0 link s0 type vlan id 7; then
	ip -n "$NS_B" link add v0 link p0 type vlan id 7
	up "$NS_A" s0
	up "$NS_B" p0
	addresses v0 v0
	serves '' fast
	serves v0 fast
	serves s0 any # a tag that the driver has stripped XDP can not see
fi

kind=bridge
lab bridge
if above "$NS_A" br0 type bridge; then
	ports "$NS_A" br0 s0
	addresses br0 p0
	serves '' slow 'br0 is a bridge'
	serves br0 fast
	serves s0 any # received fast, sent by the bridge
fi

# The other end of a bond's ports: a switch.
active() { [[ $(run_in "$NS_A" cat /sys/class/net/bond0/bonding/active_slave) = "$1" ]]; }
fail_over() # NAME fast|any
{
	local from=0 to=1 i
	for i in 1 2; do
		ip -n "$NS_A" link set s$from down
		check "$1: s$to takes over" wait_until 5 active s$to
		ip -n "$NS_A" link set s$from up
		reach || not_ok "$1: the peer is reached by s$to"
		both "$1, by s$to" "$2"
		from=1 to=0
	done
}

kind='bond, active-backup'
lab ab
if above "$NS_A" bond0 type bond mode active-backup miimon 20; then
	ports "$NS_A" bond0 s0 s1
	ip -n "$NS_B" link add w0 type bridge
	ports "$NS_B" w0 p0 p1
	addresses bond0 w0
	check "$kind: kbaccel check" eval \
		"run_in $NS_A $tool check bond0 | grep -q 'bond0: driver bonding: generic XDP'"
	serves bond0 fast
	open_server '' && wait_until 3 accelerated "$SERVER"
	fail_over "$kind" fast
	stop "$SERVER"
	open_server s0,s1
	fail_over "$kind, its ports" any
	stop "$SERVER"

	kind='VLAN on a bond'
	ip -n "$NS_A" addr flush dev bond0
	ip -n "$NS_B" addr flush dev w0
	if above "$NS_A" v0 link bond0 type vlan id 7; then
		ip -n "$NS_B" link add v0 link w0 type vlan id 7
		addresses v0 v0
		serves '' fast
	fi
fi

# Ports of two queues each; several flows.
kind='bond, balance-xor'
lab xor 2
if above "$NS_A" bond0 type bond mode balance-xor xmit_hash_policy layer3+4 miimon 20; then
	ip -n "$NS_B" link add bond0 type bond mode balance-xor xmit_hash_policy layer3+4 miimon 20
	ports "$NS_A" bond0 s0 s1
	ports "$NS_B" bond0 p0 p1
	addresses bond0 bond0
	check "$kind: as many queues as a port" eval "run_in $NS_A $tool check bond0 | grep -q 'bond0: 2 RX queues'"
	open_server '' && wait_until 3 accelerated "$SERVER"
	both "$kind" fast -P 16
	check "$kind: all its queues" eval "$tool stat $SERVER | grep -q 'queue bond0/1 .*generic'"
	stop "$SERVER"
fi

kind=team
lab team
if ! command -v teamnl >/dev/null; then
	skip team 'teamnl (libteam-utils) is not installed'
elif above "$NS_A" team0 type team; then
	run_in "$NS_A" teamnl team0 setoption mode roundrobin
	ip -n "$NS_B" link add bond0 type bond mode balance-xor miimon 20
	ports "$NS_A" team0 s0 s1
	ports "$NS_B" bond0 p0 p1
	addresses team0 bond0
	serves '' fast
	serves s0,s1 any
fi

# A socket that is bound to no device gets nothing from a VRF, unless udp_l3mdev_accept is set.
kind=VRF
lab vrf
if above "$NS_A" vrf0 type vrf table 10; then
	ports "$NS_A" vrf0 s0
	ns_address "$NS_A" s0 "$A4" "$A6"
	up "$NS_B" p0
	ns_address "$NS_B" p0 "$B4" "$B6"
	wait_until 5 run_in "$NS_B" ping -n -q -c 1 -W 1 "$A4" || die 'VRF: no traffic'
	for accept in 0 1; do
		run_in "$NS_A" sysctl -qw net.ipv4.udp_l3mdev_accept=$accept
		spawn "$NS_A" server "$bin/accel_server" -d 5300
		wait_until 5 grep -q '^serving' "$KB_TMP/server.log"
		client -n 50 -t 300 "$A4" 5300 >/dev/null
		want=$(numbers_in server 0 50)
		stop "$SPAWNED"
		for i in '' s0 vrf0; do
			open_server "$i"
			client -n 50 -t 300 "$A4" 5300 >/dev/null
			equal "VRF (${i:-by route}), udp_l3mdev_accept=$accept: as many as on kernel sockets" "$want" \
				"$(numbers_in server 0 50)"
			[[ -z $i ]] || check "VRF ($i): says why" eval "$tool stat $SERVER | grep -q '$i is a VRF or in one'"
			stop "$SERVER"
		done
	done
fi
finish
