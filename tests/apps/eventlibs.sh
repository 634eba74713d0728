#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# eventlibs.sh - C with the event libraries: libuv, libevent (epoll, poll, select), libev (epoll, poll, select).
# PACKAGES: gcc libc6-dev libuv1-dev libevent-dev libev-dev python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need gcc python3
app_lab

# compiled NAME LIBRARY: builds echo/NAME.c, or reports what is missing as skipped.
compiled()
{
	gcc -O1 -o "$tmp/$1" "$echo/$1.c" -l"$2" 2>"$tmp/gcc.log" && return
	echo "skip $app $1: does not build, lib$2 is not installed? (see tests/apps/packages.txt)"
	return 1
}

if compiled echo_uv uv; then
	echo_servers "libuv" "$tmp/echo_uv" plain
	echo_server "libuv recvmmsg" $addr4 "$tmp/echo_uv" recvmmsg
fi
if compiled echo_event event; then
	echo_server "libevent epoll" $addr4 "$tmp/echo_event" epoll
	echo_server "libevent poll" $addr6 "$tmp/echo_event" poll
	echo_server "libevent select" $addr4 "$tmp/echo_event" select
fi
if compiled echo_ev ev; then
	echo_server "libev epoll" $addr6 "$tmp/echo_ev" epoll
	echo_server "libev poll" $addr4 "$tmp/echo_ev" poll
	echo_server "libev select" $addr6 "$tmp/echo_ev" select
fi
app_end
