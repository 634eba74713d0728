# SPDX-License-Identifier: BSD-3-Clause
# lab.sh - sourced by run.sh and by tools/demo.sh: a private laboratory of two network namespaces joined by a veth pair.
#
#   server namespace: interface srv, 10.77.0.1/24, fd77::1/64        client: cli, 10.77.0.2/24, fd77::2/64
#
# Names carry the shell's PID, so several laboratories may exist at once. lab_down kills what still runs inside the two
# namespaces, nothing else, and removes them; lab_up arranges for it on every way out. eth0 is never touched.
# The application runs on LAB_APP_CPU, sources and clients (and so the softirq of the veth pair) on LAB_NET_CPU.
# shellcheck shell=bash disable=SC2015,SC2034

LAB_SERVER_NS=kbs-$$
LAB_CLIENT_NS=kbc-$$
LAB_SERVER=10.77.0.1 LAB_SERVER6=fd77::1
LAB_CLIENT=10.77.0.2 LAB_CLIENT6=fd77::2
LAB_DIR=
LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=${BUILD:-$LAB_ROOT/build}
LAB_BIN=${KB_BENCH_BIN:-$LAB_BUILD/tests/bench}
LAB_APP_CPU=0
LAB_NET_CPU=$(($(nproc) > 1 ? 1 : 0))

lab_die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# Compiles the benchmark programs that are missing or older than their source; libraries come from flags.mk.
lab_build() {
	local src name libs dir=$LAB_ROOT/tests/bench
	mkdir -p "$LAB_BIN"
	for src in "$dir"/*.c; do
		name=$(basename "$src" .c)
		[ "$LAB_BIN/$name" -nt "$src" ] && [ "$LAB_BIN/$name" -nt "$dir/bench.h" ] && continue
		libs=$(sed -n "s/^LDLIBS_$name *= *//p" "$dir/flags.mk")
		# shellcheck disable=SC2086 # several libraries are several words
		"${CC:-gcc}" -std=gnu11 -O2 -Wall -Wextra -I"$LAB_ROOT" -o "$LAB_BIN/$name" "$src" $libs ||
			lab_die "cannot compile $src"
	done
}

lab_up() {
	[ "$(id -u)" = 0 ] || lab_die "needs root: it makes network namespaces"
	LAB_DIR=$(mktemp -d /tmp/kbaccel-lab.XXXXXX) || exit 1
	trap lab_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	ip netns add "$LAB_SERVER_NS" && ip netns add "$LAB_CLIENT_NS" &&
		ip link add srv netns "$LAB_SERVER_NS" numrxqueues 4 numtxqueues 4 type veth \
			peer name cli netns "$LAB_CLIENT_NS" numrxqueues 4 numtxqueues 4 && lab_queues 1 ||
		lab_die "cannot make the namespaces and the veth pair"
	lab_configure "$LAB_SERVER_NS" srv $LAB_SERVER $LAB_SERVER6
	lab_configure "$LAB_CLIENT_NS" cli $LAB_CLIENT $LAB_CLIENT6
	# GRO makes the server's end a NAPI device, as a NIC is, also while no XDP program is attached there.
	ip netns exec "$LAB_SERVER_NS" ethtool -K srv gro on || lab_die "ethtool -K srv gro on failed"
	LAB_SERVER_MAC=$(ip netns exec "$LAB_SERVER_NS" cat /sys/class/net/srv/address)
	lab_client timeout 5 ping -q -c 1 -W 3 $LAB_SERVER >/dev/null || lab_die "the two namespaces do not see each other"
}

# So many queues on either end, of the 4 that there can be.
lab_queues() { # count
	# Native XDP needs as many RX queues as the peer has TX queues, at every moment.
	ip netns exec "$LAB_SERVER_NS" ethtool -L srv rx 4 tx "$1" 2>/dev/null
	ip netns exec "$LAB_CLIENT_NS" ethtool -L cli rx 4 tx "$1" 2>/dev/null
	ip netns exec "$LAB_SERVER_NS" ethtool -L srv rx "$1" 2>/dev/null
	ip netns exec "$LAB_CLIENT_NS" ethtool -L cli rx "$1" 2>/dev/null
	[ "$(ip netns exec "$LAB_SERVER_NS" sh -c 'ls -d /sys/class/net/srv/queues/rx-*' | wc -l)" = "$1" ]
}

lab_configure() { # namespace interface address4 address6
	ip -n "$1" addr add "$3/24" dev "$2" && ip -n "$1" -6 addr add "$4/64" dev "$2" nodad &&
		ip -n "$1" link set lo up && ip -n "$1" link set "$2" up || lab_die "cannot configure $2"
}

lab_down() {
	local ns pid n
	trap '' INT TERM HUP
	for n in 1 2 3 4 5 6 7 8 9 10; do
		for ns in "$LAB_SERVER_NS" "$LAB_CLIENT_NS"; do
			for pid in $(ip netns pids "$ns" 2>/dev/null); do
				kill "-$([ "$n" -gt 5 ] && echo KILL || echo TERM)" "$pid" 2>/dev/null
				sleep 0.1
			done
		done
	done
	ip netns del "$LAB_SERVER_NS" 2>/dev/null
	ip netns del "$LAB_CLIENT_NS" 2>/dev/null
	[ -n "$LAB_DIR" ] && rm -rf "$LAB_DIR"
}

# Runs a command on the application's CPU, in the server's namespace.
lab_server() {
	ip netns exec "$LAB_SERVER_NS" taskset -c "$LAB_APP_CPU" "$@"
}

# Runs a command on the network's CPU, in the client's namespace.
lab_client() {
	ip netns exec "$LAB_CLIENT_NS" taskset -c "$LAB_NET_CPU" "$@"
}

# The same two in the background; LAB_PID is then the process itself (or its `timeout`), not a shell around it.
lab_server_bg() {
	ip netns exec "$LAB_SERVER_NS" taskset -c "$LAB_APP_CPU" "$@" &
	LAB_PID=$!
}

lab_client_bg() {
	ip netns exec "$LAB_CLIENT_NS" taskset -c "$LAB_NET_CPU" "$@" &
	LAB_PID=$!
}

# Datagrams that the kernel's UDP has delivered to programs in the server's namespace; IPv4 and IPv6 together.
lab_udp_in() {
	ip netns exec "$LAB_SERVER_NS" cat /proc/net/snmp /proc/net/snmp6 | awk '
		$1 == "Udp:" && $2 ~ /^[0-9]/ { n += $2 }
		$1 == "Udp6InDatagrams" { n += $2 }
		END { print n + 0 }'
}

# Stops a process that was started here, TERM first, and waits for it.
lab_stop() {
	local n
	kill "$1" 2>/dev/null
	for n in $(seq 40); do
		kill -0 "$1" 2>/dev/null || break
		[ "$n" = 30 ] && kill -KILL "$1" 2>/dev/null
		sleep 0.05
	done
	wait "$1" 2>/dev/null
}

# Waits, 5 s at most, until UDP (or with -t TCP) port $1 is bound in the server's namespace.
lab_wait_port() {
	local proto=-u n
	[ "$1" = -t ] && proto=-t && shift
	for n in $(seq 100); do
		ip netns exec "$LAB_SERVER_NS" ss -Hna $proto "sport = :$1" | grep -q . && return 0
		sleep 0.05
	done
	echo "nobody bound port $1 within $((n / 20)) s" >&2
	return 1
}

# Floods the server's UDP port $1 with small frames for $2 seconds.
lab_flood() {
	lab_client timeout $(($2 + 10)) "$LAB_BIN/live_source" --ifname cli --dst-mac "$LAB_SERVER_MAC" \
		--src $LAB_CLIENT --dst $LAB_SERVER --dport "$1" --seconds "$2" --ports 16
}

# Middle one of the numbers in the arguments; "-" when there is none.
lab_median() {
	printf '%s\n' "$@" | grep -v '^-*$' | sort -g | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'
}

# A divided by B with two decimals; "-" when that makes no sense.
lab_ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 > 0 && b + 0 > 0) printf "%.2f\n", a / b; else print "-" }'
}
