# SPDX-License-Identifier: BSD-3-Clause
# lib.sh - what the tests with real programs share: a pair of namespaces, the server under the preload in one, clients on
# kernel sockets in the other, and a look at the kernel's counters to see that the traffic went past it.
#
# Sourced by each test. Environment: BUILD (build directory), KB_PREFIX (prefix of namespace names), KB_NOPRELOAD=1 (run
# the servers on kernel sockets, to see that the test itself is right), KB_VERBOSE=1 (print what the kernel saw).

app=$(basename "$0" .sh)
here=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "${BUILD:-$here/../../build}" 2>/dev/null && pwd)
# shellcheck source=tests/lib/san.sh
. "$here/../lib/san.sh"
preload_value "$BUILD/libkbaccel.so"
ns_a=${KB_PREFIX:-kb$$}${app}a
ns_b=${KB_PREFIX:-kb$$}${app}b
addr4=10.77.0.1
addr6=fd77::1
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
failures=0
passes=0
server_pids=
tmp=

app_cleanup()
{
	local pid
	for pid in $server_pids; do
		kill "$pid" 2>/dev/null
	done
	# What a server forked, or daemonized, lives in the namespaces: ask, then insist.
	for pid in $(app_pids); do kill "$pid" 2>/dev/null; done
	sleep 0.1
	for pid in $(app_pids); do kill -9 "$pid" 2>/dev/null; done
	ip netns del "$ns_a" 2>/dev/null
	ip netns del "$ns_b" 2>/dev/null
	[ -n "$tmp" ] && rm -rf "$tmp"
}

app_pids()
{
	{ ip netns pids "$ns_a"; ip netns pids "$ns_b"; } 2>/dev/null
}

app_skip()
{
	echo "skip $app $*"
	exit 77
}

# Programs that must be there.
app_need()
{
	local p
	for p; do
		command -v "$p" >/dev/null || app_skip "$p is not installed (see tests/apps/packages.txt)"
	done
}

# The namespaces: ours with 10.77.0.1 and fd77::1, the clients' with .9.
app_lab()
{
	[ "$(id -u)" = 0 ] || app_skip "needs root for network namespaces"
	[ -n "${KB_NOPRELOAD:-}" ] || [ -e "$BUILD/libkbaccel.so" ] ||
		app_skip "libkbaccel.so is not built"
	tmp=$(mktemp -d "/tmp/kb$app.XXXXXX")
	chmod 755 "$tmp"
	trap app_cleanup EXIT
	trap 'exit 130' INT TERM
	ip netns add "$ns_a" && ip netns add "$ns_b" &&
		ip link add ve0 netns "$ns_a" type veth peer name ve0 netns "$ns_b" ||
		app_skip "can not make network namespaces"
	ip -n "$ns_a" addr add 10.77.0.1/24 dev ve0
	ip -n "$ns_a" addr add fd77::1/64 dev ve0 nodad
	ip -n "$ns_b" addr add 10.77.0.9/24 dev ve0
	ip -n "$ns_b" addr add fd77::9/64 dev ve0 nodad
	for ns in "$ns_a" "$ns_b"; do
		ip -n "$ns" link set lo up
		ip -n "$ns" link set ve0 up
	done
	# Resolves the neighbours, and waits for the link.
	app_client ping -q -c 1 -W 3 10.77.0.1 >/dev/null
	app_client ping -q -c 1 -W 3 fd77::1 >/dev/null
}

app_client()
{
	timeout -k 1 15 ip netns exec "$ns_b" "$@"
}

# A client under the preload, as a server is: app_client_fast PORTS COMMAND...
app_client_fast()
{
	local ports=$1
	shift
	if [ -z "${KB_NOPRELOAD:-}" ]; then
		set -- env LD_PRELOAD="$PRELOAD" KBACCEL_PORTS="$ports" "$@"
	fi
	app_client "$@"
}

# A server in the background, under the preload: app_server PORTS COMMAND...; its output is in $tmp/server.log.
app_server()
{
	local ports=$1
	shift
	if [ -n "${KB_NOPRELOAD:-}" ]; then
		app_spawn "$ns_a" "$@"
	else
		app_spawn "$ns_a" env LD_PRELOAD="$PRELOAD" KBACCEL_PORTS="$ports" "$@"
	fi
}

# The same on the clients' side, for programs that are both: app_peer PORTS COMMAND...
app_peer()
{
	local own=$ns_a
	ns_a=$ns_b
	app_server "$@"
	ns_a=$own
}

# A server on kernel sockets, for clients under the preload.
app_server_plain()
{
	app_spawn "$ns_a" "$@"
}

app_spawn()
{
	local ns=$1
	shift
	ip netns exec "$ns" "$@" >>"$tmp/server.log" 2>&1 </dev/null &
	server_pid=$!
	server_pids="$server_pids $server_pid"
}

# Ends the server that was started last.
app_stop()
{
	kill "$server_pid" 2>/dev/null
	wait "$server_pid" 2>/dev/null
}

# Waits until a UDP socket of the server is bound to the port.
app_wait()
{
	local i hex
	hex=$(printf '%04X' "$1")
	for i in $(seq 300); do
		ip netns exec "$ns_a" cat /proc/net/udp /proc/net/udp6 |
			grep -q ":$hex 0*:0000 " && sleep 0.1 && return 0
		sleep 0.05
	done
	echo "not ok $app: nothing is bound to port $1"
	sed 's/^/server: /' "$tmp/server.log" | tail -20
	exit 1
}

# Waits until the server's output has a line with the pattern.
app_wait_log()
{
	local i
	for i in $(seq 200); do
		grep -q -e "$1" "$tmp/server.log" && return 0
		sleep 0.05
	done
	echo "not ok $app: the server does not say '$1'"
	sed 's/^/server: /' "$tmp/server.log" | tail -20
	exit 1
}

app_pass()
{
	passes=$((passes + 1))
	echo "ok $app $1"
}

app_fail()
{
	failures=$((failures + 1))
	echo "not ok $app $1${2:+: $2}"
}

# app_check NAME COMMAND...: ok if the command succeeds; what it says is shown if it does not.
app_check()
{
	local name=$1
	shift
	if "$@" >"$tmp/check.log" 2>&1; then
		app_pass "$name"
	else
		app_fail "$name" "exit $?"
		tail -15 "$tmp/check.log" | sed 's/^/check: /'
	fi
}

# UDP datagrams, both families: received by programs and sent by them, as the kernel of that namespace counts.
app_counters()
{
	ip netns exec "$1" awk '/^Udp:/ && $2 ~ /[0-9]/ { i += $2; o += $5 }
		/^Udp6InDatagrams/ { i += $2 } /^Udp6OutDatagrams/ { o += $2 }
		END { print i + 0, o + 0 }' /proc/net/snmp /proc/net/snmp6
}

# app_count_start ... app_bypassed NAME LEAST [rx|tx]: of at least LEAST datagrams to the server its kernel saw less than
# a tenth, and of its answers likewise (or only one of both counts). What the other side's kernel counts is the truth.
app_count_start()
{
	set -- $(app_counters "$ns_a") $(app_counters "$ns_b")
	a_in=$1 a_out=$2 b_in=$3 b_out=$4
}

app_bypassed()
{
	set -- "$1" "$2" "${3:-both}" $(app_counters "$ns_a") $(app_counters "$ns_b")
	app_judge "$1" "$2" "$3" $(($7 - b_out)) $(($4 - a_in)) $(($6 - b_in)) $(($5 - a_out))
}

# The same for a client under the preload, whose server is on kernel sockets.
app_bypassed_client()
{
	set -- "$1" "$2" "${3:-both}" $(app_counters "$ns_a") $(app_counters "$ns_b")
	app_judge "$1" "$2" "$3" $(($5 - a_out)) $(($6 - b_in)) $(($4 - a_in)) $(($7 - b_out))
}

# app_bypassed_pair NAME COUNT: both ends are under the preload, and exchanged at least COUNT datagrams each way, of which
# neither kernel saw a tenth.
app_bypassed_pair()
{
	set -- "$1" "$2" $(app_counters "$ns_a") $(app_counters "$ns_b")
	if [ -n "${KB_NOPRELOAD:-}" ]; then
		set -- "$@" $(($4 - a_out))
		app_judge "$1" "$2" both "$7" 0 "$7" 0
	else
		app_judge "$1" "$2" both "$2" $(($3 - a_in + $5 - b_in)) "$2" $(($4 - a_out + $6 - b_out))
	fi
}

# app_judge NAME LEAST rx|tx|both IN KERNEL-IN OUT KERNEL-OUT: datagrams to the program and from it, and its kernel's part.
app_judge()
{
	local name=$1 least=$2 only=$3 in=$4 kin=$5 out=$6 kout=$7 seen=$4
	[ "$only" != tx ] || seen=$out
	[ -n "${KB_VERBOSE:-}" ] &&
		echo "# $name: to the program $in, by its kernel $kin; from it $out, by its kernel $kout"
	if [ "$seen" -lt "$least" ]; then
		app_fail "$name bypass" "only $seen datagrams were sent, $least expected"
	elif [ -n "${KB_NOPRELOAD:-}" ]; then
		echo "skip $app $name bypass: no preload"
	elif [ "$only" != tx ] && [ $((kin * 10)) -gt "$in" ]; then
		app_fail "$name bypass" "of $in datagrams to the program the kernel received $kin"
	elif [ "$only" != rx ] && [ $((kout * 10)) -gt "$out" ]; then
		app_fail "$name bypass" "of $out datagrams from the program the kernel sent $kout"
	else
		app_pass "$name bypass"
	fi
}

# The server still lives: a crash is a failure even if every answer was right.
app_alive()
{
	if kill -0 "$server_pid" 2>/dev/null; then
		app_pass "${1:-server} is alive"
	else
		app_fail "${1:-server} is alive" "it has gone"
	fi
}

app_end()
{
	if [ "$failures" -gt 0 ]; then
		sed 's/^/server: /' "$tmp/server.log" 2>/dev/null | tail -20
	fi
	[ "$failures" = 0 ] && [ "$passes" -gt 0 ]
	exit
}

# app_echo ADDRESS PORT COUNT SIZE [WINDOW]: datagrams to an echo server, each must come back as it went.
app_echo()
{
	app_client python3 "$here/echo_client.py" "$@"
}

# app_says TEXT COMMAND...: the command succeeds, and its output has the text in it.
app_says()
{
	local text=$1
	shift
	"$@" >"$tmp/says.log" 2>&1 || { cat "$tmp/says.log" && return 1; }
	cat "$tmp/says.log"
	grep -qF -e "$text" "$tmp/says.log"
}
