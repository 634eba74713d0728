# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# netns.sh - a laboratory for test scripts: network namespaces joined by veth pairs, and programs in them with and
# without the preload. All traffic stays in namespaces that are taken down at the end; nothing is ever created in,
# and no preloaded program started in, the machine's own one.
#
#     . "$(dirname "$0")/../lib/netns.sh"
#     ns_pair                                   # $NS_A 10.77.1.1 fd77:1::1 (veth0) == (veth0) 10.77.1.2 $NS_B
#     spawn "$NS_A" server preload 5300 ./server
#     wait_until 5 udp_bound "$NS_A" 5300
#     run_in "$NS_B" ./client "$A4" 5300

# shellcheck source=tests/lib/test.sh
. "$(dirname "${BASH_SOURCE[0]}")/test.sh"
# shellcheck source=tests/lib/san.sh
. "$(dirname "${BASH_SOURCE[0]}")/san.sh"

pair_count=0
ns_list=()
NS_A='' NS_B='' A4='' B4='' A6='' B6=''

# A command in a namespace. `run_in NS preload PORTS COMMAND...` starts it with the library.
run_in()
{
	local ns=$1
	shift
	if [[ $1 = preload ]]; then
		preload_env "$2"
		shift 2
		set -- env "${PRELOAD_ENV[@]}" "$@"
	fi
	ip netns exec "$ns" "$@"
}

# For processes that are in a namespace already.
preload()
{
	preload_env "$1"
	shift
	env "${PRELOAD_ENV[@]}" "$@"
}

# The environment of a program with the library.
preload_env()
{
	preload_value "$BUILD/libkbaccel.so"
	PRELOAD_ENV=("LD_PRELOAD=$PRELOAD" "KBACCEL_PORTS=$1")
}

# spawn NS NAME COMMAND...: in the background; output goes to $KB_TMP/NAME.log, the process id into SPAWNED.
spawn()
{
	local ns=$1 name=$2
	shift 2
	if [[ $1 = preload ]]; then
		preload_env "$2"
		shift 2
		set -- env "${PRELOAD_ENV[@]}" "$@"
	fi
	ip netns exec "$ns" "$@" >"$KB_TMP/$name.log" 2>&1 </dev/null &
	SPAWNED=$!
	spawned_pids+=("$SPAWNED")
}

# ns_add NAME: a namespace with loopback up and no duplicate address detection; its full name goes into NS.
ns_add()
{
	NS=$KB_PREFIX$1
	ip netns add "$NS" || die "no namespace $NS"
	ns_list+=("$NS")
	# shellcheck disable=SC2016
	ip netns exec "$NS" sh -c 'for f in all default; do echo 0 >/proc/sys/net/ipv6/conf/$f/accept_dad; done
		ip link set lo up' || die "no loopback in $NS"
}

ns_del_all()
{
	local ns pids
	for ns in "${ns_list[@]}"; do
		pids=$(ip netns pids "$ns" 2>/dev/null)
		# shellcheck disable=SC2086
		[[ -z $pids ]] || kill -KILL $pids 2>/dev/null
		ip netns del "$ns" 2>/dev/null
	done
}
at_exit ns_del_all

# ns_pair [-q QUEUES] [-m MTU] [-i NAME]: two namespaces joined by a veth pair whose ends are both called NAME
# (default veth0). Sets NS_A A4 A6 and NS_B B4 B6; a second call makes another pair, in other subnets.
ns_pair()
{
	local queues=1 mtu=1500 name=veth0 option OPTIND=1 n
	while getopts 'q:m:i:' option; do
		case $option in
		q) queues=$OPTARG ;;
		m) mtu=$OPTARG ;;
		i) name=$OPTARG ;;
		*) die "ns_pair: usage" ;;
		esac
	done
	need_root
	need ip
	n=$((++pair_count))
	ns_add "a$n" && NS_A=$NS
	ns_add "b$n" && NS_B=$NS
	A4=10.77.$n.1 B4=10.77.$n.2 A6=fd77:$n::1 B6=fd77:$n::2
	ip link add "$name" netns "$NS_A" mtu "$mtu" numrxqueues "$queues" numtxqueues "$queues" type veth \
		peer name "$name" netns "$NS_B" mtu "$mtu" numrxqueues "$queues" numtxqueues "$queues" ||
		die "no veth pair"
	ns_address "$NS_A" "$name" "$A4" "$A6"
	ns_address "$NS_B" "$name" "$B4" "$B6"
	wait_until 5 run_in "$NS_A" ping -n -q -c 1 -W 1 "$B6" || die "the veth pair does not work"
}

# ns_address NS INTERFACE IPV4 IPV6: brings the interface up.
ns_address()
{
	# shellcheck disable=SC2015
	ip -n "$1" addr add "$3/24" dev "$2" && ip -n "$1" addr add "$4/64" dev "$2" nodad &&
		ip -n "$1" link set "$2" up || die "no address $3 in $1"
}

# udp_counter NS NAME [4|6]: what the namespace's kernel counted: InDatagrams, OutDatagrams, NoPorts, RcvbufErrors ...
udp_counter()
{
	# shellcheck disable=SC2016
	if [[ ${3:-4} = 6 ]]; then
		run_in "$1" awk -v name="Udp6$2" '$1 == name { print $2 }' /proc/net/snmp6
	else
		run_in "$1" awk -v name="$2" '
			$1 == "Udp:" && !seen { for (i = 2; i <= NF; i++) if ($i == name) column = i; seen = 1; next }
			$1 == "Udp:" { print $column; exit }' /proc/net/snmp
	fi
}

# udp_bound NS PORT: is a UDP socket bound to the port?
udp_bound() { [[ -n $(ip netns exec "$1" ss -Huan "sport = :$2") ]]; }
