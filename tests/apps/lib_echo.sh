# SPDX-License-Identifier: BSD-3-Clause
# lib_echo.sh - what the tests of language runtimes share: their echo servers under the preload with clients on kernel
# sockets, and their clients under the preload with a server on kernel sockets. Sourced after lib.sh.
#
# The programs are in tests/apps/echo. A server's command is followed by ADDRESS PORT, a client's by ADDRESS PORT COUNT
# SIZE: it sends COUNT datagrams of SIZE bytes, and fails unless each comes back as it went.

echo=$here/echo
port=6000

# echo_server NAME ADDRESS COMMAND...
echo_server()
{
	local name=$1 address=$2
	shift 2
	port=$((port + 1))
	app_server $port "$@" "$address" $port
	app_wait $port
	app_count_start
	app_check "$name $address" app_echo "$address" $port 150 200 4
	app_bypassed "$name $address" 150
	app_alive "$name $address"
	app_stop
}

# The same for IPv4 and IPv6: echo_servers NAME COMMAND...
echo_servers()
{
	local name=$1
	shift
	echo_server "$name" "$addr4" "$@"
	echo_server "$name" "$addr6" "$@"
}

# echo_client NAME ADDRESS COMMAND...
echo_client()
{
	local name=$1 address=$2
	shift 2
	port=$((port + 1))
	app_server_plain python3 "$here/echo_server.py" distant "$address" $port
	app_wait $port
	app_count_start
	app_check "$name $address" app_client_fast '*' "$@" "$address" $port 150 200
	app_bypassed_client "$name $address" 150
	app_stop
}

echo_clients()
{
	local name=$1
	shift
	echo_client "$name" "$addr4" "$@"
	echo_client "$name" "$addr6" "$@"
}

# app_by_kernel NAME LEAST: the opposite of app_bypassed, for programs that the preload can not accelerate: the server's
# kernel counts at least LEAST datagrams each way.
app_by_kernel()
{
	local name=$1 least=$2 to back
	set -- $(app_counters "$ns_a")
	to=$(($1 - a_in)) back=$(($2 - a_out))
	[ -n "${KB_VERBOSE:-}" ] && echo "# $name: by the server's kernel received $to, sent $back"
	if [ "$to" -lt "$least" ] || [ "$back" -lt "$least" ]; then
		app_fail "$name by the kernel" "it received $to and sent $back datagrams, $least expected"
	else
		app_pass "$name by the kernel"
	fi
}

# A server that the preload has to leave alone: echo_by_kernel NAME ADDRESS COMMAND...
echo_by_kernel()
{
	local name=$1 address=$2
	shift 2
	port=$((port + 1))
	app_server $port "$@" "$address" $port
	app_wait $port
	app_count_start
	app_check "$name $address" app_echo "$address" $port 150 200 4
	app_by_kernel "$name $address" 150
	app_alive "$name $address"
	app_stop
}
