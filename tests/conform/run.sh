#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - runs every comparison program twice, on kernel sockets and under the preload, and compares what it printed.
#
#   run.sh [-k] [-v] [NAME | NAME[VARIANT]]...
#     -k  kernel sockets both times: are the programs themselves deterministic?
#     -v  show how many datagrams the kernel saw in either run, and keep the outputs
#
# Variants: v4, v6, map (IPv6 socket, IPv4 peer) over a veth pair; b4, b6 the same with the peer under the preload, too;
# lo4, lo6 on the loopback of the namespace. A file may name its own: /* variants: v4 v6 */.
# Known differences are listed in differences.txt: NAME VARIANT REASON (VARIANT may be *). A listed case that
# differs is skipped, a listed case that does not is told.
# KB_NIC=verbs puts an RDMA NIC that is a process (tests/fake-verbs) between the namespaces; differences-verbs.txt is what it lacks.
# BUILD is the build directory, KB_PREFIX the prefix of namespace names, KB_JOBS the number of labs.
set -u

here=$(cd "$(dirname "$0")" && pwd)
BUILD=${BUILD:-$here/../../build}
prefix=${KB_PREFIX:-kb$$}
jobs=${KB_JOBS:-8}
work=${KB_WORK:-}
self=$here/run.sh
variants="v4 v6 map b4 b6 lo4 lo6"
lib=libkbaccel.so
fake=$BUILD/tests/fake-verbs
lists=$here/differences.txt
if [ "${KB_NIC:-}" = verbs ]; then
	variants="v4 v6 map b4 b6"
	lists="$lists $here/differences-verbs.txt"
fi

# shellcheck source=tests/lib/san.sh
. "$here/../lib/san.sh"

programs()
{
	for f in "$here"/*.c; do
		f=${f##*/}
		[ "$f" = peer.c ] || echo "${f%.c}"
	done
}

compile()
{
	mkdir -p "$BUILD/tests/conform" || exit 1
	for p in peer $(programs); do
		local out=$BUILD/tests/conform/$p
		[ "$out" -nt "$here/$p.c" ] && [ -z "$(find "$here" -name '*.h' -newer "$out")" ] && continue
		${CC:-gcc} -std=gnu11 -O2 -pthread -o "$out" "$here/$p.c" || exit 1
	done
}

# Joins the two namespaces of lab $1, maybe through a third one.
link_up()
{
	local a=${prefix}a$1 b=${prefix}b$1 h=${prefix}h$1
	if [ "${KB_NIC:-}" != verbs ]; then
		ip link add ve0 netns "$a" type veth peer name ve0 netns "$b"
		return
	fi
	ip netns add "$h" &&
		ip link add ve0 netns "$a" type veth peer name k0 netns "$h" &&
		ip link add ve0 netns "$b" type veth peer name w0 netns "$h" || return 1
	for i in all default; do ip netns exec "$h" sysctl -qw "net.ipv6.conf.$i.disable_ipv6=1"; done
	for i in k0 w0; do ip -n "$h" link set $i up; done
	for i in $a $b; do ip netns exec $i ethtool -K ve0 tx off >/dev/null; done
}

hca_up()
{
	local i
	ip netns exec "${prefix}h$1" "$fake/fake_hca" -s "$work/lab$1/hca" -w w0 -k k0 \
		-n "$(ip netns exec "${prefix}a$1" cat /sys/class/net/ve0/ifindex)" >"$work/lab$1/hca.log" &
	echo $! >>"$work/pids"
	for ((i = 0; i < 100; i++)); do
		[ -S "$work/lab$1/hca" ] && chmod 777 "$work/lab$1/hca" && return
		sleep 0.02
	done
	return 1
}

# A pair of namespaces, joined, with the addresses that lib.h knows, and a peer in either.
lab_up()
{
	local a=${prefix}a$1 b=${prefix}b$1 i
	mkdir -p "$work/lab$1"
	ip netns add "$a" && ip netns add "$b" || return 1
	link_up "$1" || return 1
	for i in 1/24 2/24; do ip -n "$a" addr add 10.77.0.$i dev ve0; done
	for i in 9/24 10/24; do ip -n "$b" addr add 10.77.0.$i dev ve0; done
	for i in 2 1; do ip -n "$a" addr add fd77::$i/64 dev ve0 nodad; done
	for i in 9 10; do ip -n "$b" addr add fd77::$i/64 dev ve0 nodad; done
	for i in 2 9 10; do ip -n "$a" addr add fd78::$i/128 dev lo nodad; done
	for i in $a $b; do
		ip -n $i link set lo up
		ip -n $i link set ve0 up
		# icmp.c provokes many errors in a short time.
		ip netns exec $i sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	done
	[ "${KB_NIC:-}" != verbs ] || { hca_up "$1" && export CF_HCA="$work/lab$1/hca"; } || return 1
	ip netns exec "$b" "$BUILD/tests/conform/peer" "$work/lab$1/veth.sock" &
	echo $! >>"$work/pids"
	ip netns exec "$a" "$BUILD/tests/conform/peer" "$work/lab$1/lo.sock" &
	echo $! >>"$work/pids"
	if [ -z "${KB_KERNEL_ONLY:-}" ]; then
		ip netns exec "$b" env "LD_PRELOAD=$PRELOAD" KBACCEL_PORTS='*' \
			"$BUILD/tests/conform/peer" "$work/lab$1/both.sock" 2>"$work/lab$1/both.err" &
		echo $! | tee -a "$work/pids" >"$work/lab$1/both.pid"
	fi
	# Neighbours are resolved before anything is compared.
	for i in 10.77.0.1 10.77.0.2 fd77::1 fd77::2; do
		ip netns exec "$b" ping -q -c 1 -W 2 $i >/dev/null
	done
	for i in 10.77.0.9 10.77.0.10 fd77::9 fd77::10; do
		ip netns exec "$a" ping -q -c 1 -W 2 $i >/dev/null
	done
}

cleanup()
{
	local i
	# After an interrupt: no new case, and nothing that goes on in the namespaces.
	[ -n "${workers:-}" ] && kill "$workers" 2>/dev/null
	[ -f "$work/pids" ] && while read -r i; do kill "$i" 2>/dev/null; done <"$work/pids"
	for ((i = 0; i < jobs; i++)); do
		kill $(ip netns pids "${prefix}a$i" 2>/dev/null) 2>/dev/null
		ip netns del "${prefix}a$i" 2>/dev/null
		ip netns del "${prefix}b$i" 2>/dev/null
		ip netns del "${prefix}h$i" 2>/dev/null
	done
	[ -z "${KB_WORK:-}" ] && rm -rf "$work"
}

# Datagrams that the kernel has given to programs of this namespace, and sends that it has made for them, both families.
seen()
{
	awk '/^Udp:/ && $2 ~ /[0-9]/ { n += $2; m += $5 } /^Udp6InDatagrams/ { n += $2 } /^Udp6OutDatagrams/ { m += $2 }
		END { print n + 0, m + 0 }' /proc/net/snmp /proc/net/snmp6
}

# Runs the program once: once OUTPUT NAME VARIANT PEER [VAR=VALUE...]; prints the datagrams that the kernel received and sent.
once()
{
	local out=$1 name=$2 variant=$3 ctl=$4 before status
	shift 4
	before=$(seen)
	env CF_VARIANT="$variant" CF_CTL="$ctl" "$@" \
		timeout -k 2 $((25 * ${KB_SLOW:-1})) "$BUILD/tests/conform/$name" >"$out" 2>"$out.err" </dev/null
	status=$?
	[ $status = 0 ] || [ $status = 77 ] || echo "EXIT $status" >>"$out"
	awk -v a="$before" '{ split(a, b); print $1 - b[1], $2 - b[2] }' <<<"$(seen)"
}

# Both runs and the verdict, inside the namespace.
inner()
{
	local name=$1 variant=$2 out=$work/$1.$2 ctl=$KB_LAB/veth.sock k p # "RECEIVED SENT"
	case $variant in lo*) ctl=$KB_LAB/lo.sock ;; esac
	k=$(once "$out.kernel" "$name" "$variant" "$ctl")
	if [ -n "${KB_KERNEL_ONLY:-}" ]; then
		p=$(once "$out.preload" "$name" "$variant" "$ctl")
	else
		set -- KBACCEL_PORTS='*' "LD_PRELOAD=$PRELOAD"
		[ "${KB_NIC:-}" != verbs ] ||
			set -- "$@" KBACCEL_NIC=verbs "FAKE_VERBS=$KB_LAB/hca" "LD_LIBRARY_PATH=$fake"
		case $variant in
		lo*) set -- "$@" KBACCEL_INTERFACE=lo ;;
		b*) ctl=$KB_LAB/both.sock ;;
		esac
		p=$(once "$out.preload" "$name" "$variant" "$ctl" "$@")
	fi
	verdict "$name" "$variant" "$out" "$k" "$p" >"$out.verdict"
	cat "$out.verdict"
}

verdict()
{
	local name=$1 variant=$2 out=$3 k=${4% *} p=${5% *} ks=${4#* } ps=${5#* } case="$1[$2]" want sends reason
	want=$(sed -n 's,^/\* expect: fast \([0-9]*\) \*/$,\1,p' "$here/$name.c")
	# Sends are fast between two hosts only.
	sends=$(sed -n 's,^/\* expect: sent \([0-9]*\) \*/$,\1,p' "$here/$name.c")
	case $variant in lo*) sends=0 ;; esac
	reason=$(awk -v n="$name" -v v="$variant" '$1 == n && ($2 == v || $2 == "*") {
		$1 = $2 = ""; sub(/^ +/, ""); print; exit }' $lists)
	if grep -q '^SKIP ' "$out.kernel"; then
		echo "skip $case $(sed -n 's/^SKIP //p' "$out.kernel")"
	elif grep -qE '^(FATAL|EXIT)' "$out.kernel"; then
		echo "not ok $case: fails on kernel sockets: $(grep -E '^(FATAL|EXIT)' "$out.kernel" | head -1)"
	elif ! cmp -s "$out.kernel" "$out.preload"; then
		if [ -n "$reason" ]; then
			echo "skip $case known difference: $reason"
			return
		fi
		echo "not ok $case"
		diff -U 2 --label kernel --label preload "$out.kernel" "$out.preload" | head -60
		[ -s "$out.preload.err" ] && head -20 "$out.preload.err" | sed 's/^/stderr: /'
	elif [ "${KB_NIC:-}" = verbs ] && [ -n "$reason" ] &&
		{ [ $((k - p)) -lt "${want:-1}" ] || [ $((ks - ps)) -lt "${sends:-0}" ]; }; then
		echo "skip $case known difference: $reason"
	elif [ -z "${KB_KERNEL_ONLY:-}" ] && [ $((k - p)) -lt "${want:-1}" ]; then
		echo "not ok $case: the kernel received $k datagrams, and $p under the preload: at least ${want:-1} fewer expected"
		[ -s "$out.preload.err" ] && head -20 "$out.preload.err" | sed 's/^/stderr: /'
	elif [ -z "${KB_KERNEL_ONLY:-}" ] && [ "${sends:-0}" -gt 0 ] && [ $((ks - ps)) -lt "$sends" ]; then
		echo "not ok $case: the kernel made $ks sends, and $ps under the preload: at least $sends fewer expected"
		[ -s "$out.preload.err" ] && head -20 "$out.preload.err" | sed 's/^/stderr: /'
	else
		echo "ok $case${reason:+ (but listed in differences.txt)}${KB_VERBOSE:+ kernel $k/$ks preload $p/$ps}"
	fi
}

# One case in lab $1.
one()
{
	local lab=$1 item=$2 name variant
	name=${item%%/*}
	variant=${item##*/}
	export KB_LAB=$work/lab$lab
	# Whole verdicts, not interleaved ones.
	verdict_text=$(timeout -k 2 $((70 * ${KB_SLOW:-1})) ip netns exec "${prefix}a$lab" "$self" --inner "$name" "$variant")
	flock "$work/print" tee -a "$work/log" <<<"${verdict_text:-not ok $name[$variant]: no verdict}"
}

# NAME, or NAME[VARIANT], or nothing for all.
items()
{
	local a v own
	[ $# -gt 0 ] || set -- $(programs)
	for a; do
		own=$(sed -n 's,^/\* variants: \(.*\) \*/$,\1,p' "$here/${a%%[*}.c" 2>/dev/null)
		case $a in
		*\[*\]) v=${a#*[} && echo "${a%%[*}/${v%]}" ;;
		*) for v in ${own:-$variants}; do echo "$a/$v"; done ;;
		esac
	done | if [ "${KB_NIC:-}" = verbs ]; then grep -v '/lo[46]$'; else cat; fi
}

# Was the peer of the variants b4 and b6 really accelerated? Its own counters say so.
peers_were_fast()
{
	local lab fast
	# One program alone may have nothing to send to it.
	[ -z "${KB_KERNEL_ONLY:-}" ] && [ "$(grep -c '/b[46]$' "$work/items")" -gt 40 ] &&
		[ -x "$BUILD/kbaccel" ] || return 0
	for lab in "$work"/lab*; do
		fast=$("$BUILD/kbaccel" stat "$(cat "$lab/both.pid")" | awk '$1 == "rx_fast" { print $2 }')
		[ "${fast:-0}" -eq 0 ] || { echo "ok peers of b4 and b6 are accelerated" && return; }
	done
	echo "not ok peers of b4 and b6 are accelerated: none received a datagram past the kernel"
}

case ${1:-} in
--inner)
	inner "$2" "$3"
	exit
	;;
--one)
	one "$KB_SLOT" "$2"
	exit
	;;
esac

while getopts kv opt; do
	case $opt in
	k) export KB_KERNEL_ONLY=1 ;;
	v) export KB_VERBOSE=1 ;;
	*) sed -n '3,8s/^# \{0,1\}//p' "$self" && exit 2 ;;
	esac
done
shift $((OPTIND - 1))

if [ "$(id -u)" != 0 ]; then echo "skip conform needs root for network namespaces" && exit 77; fi
if [ "${KB_NIC:-}" = verbs ] && [ ! -e "$fake/fake_hca" ]; then
	echo "skip conform needs the verbs plugin and $fake (make deps, make tests)"
	exit 77
fi
if [ -z "${KB_KERNEL_ONLY:-}" ] && [ ! -e "$BUILD/$lib" ]; then
	echo "skip conform $BUILD/$lib is missing"
	exit 77
fi
BUILD=$(cd "$BUILD" 2>/dev/null && pwd || { mkdir -p "$BUILD" && cd "$BUILD" && pwd; })
[ -n "$work" ] && mkdir -p "$work" || work=$(mktemp -d /tmp/kbconform.XXXXXX)
fake=$BUILD/tests/fake-verbs
export BUILD KB_PREFIX=$prefix work PRELOAD
preload_value "$BUILD/$lib"
trap cleanup EXIT
trap 'exit 130' INT TERM
compile
for ((i = 0; i < jobs; i++)); do lab_up $i || { echo "skip conform can not make network namespaces" && exit 77; }; done
items "$@" >"$work/items"
: >"$work/log"
KB_WORK=$work KB_JOBS=$jobs xargs -a "$work/items" -P "$jobs" -n 1 --process-slot-var=KB_SLOT "$self" --one &
workers=$!
wait $workers
workers=
peers_were_fast | tee -a "$work/log"
# A line that both runs printed is one observation that was compared.
seen=$(cat "$work"/*.kernel 2>/dev/null | wc -l)
ok=$(grep -c '^ok ' "$work/log")
bad=$(grep -c '^not ok ' "$work/log")
skipped=$(grep -c '^skip ' "$work/log")
echo "conform: $ok ok, $bad not ok, $skipped skipped; $seen observations compared"
[ "$bad" = 0 ] && [ "$ok" -gt 0 ]
