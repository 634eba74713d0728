#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# asio.sh - C++ with Boost.Asio (edge-triggered epoll), two threads.
# PACKAGES: g++ libboost-dev python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need g++ python3
[ -e /usr/include/boost/asio.hpp ] || app_skip "libboost-dev is not installed (see tests/apps/packages.txt)"
app_lab

g++ -O0 -o "$tmp/echo_asio" "$echo/echo_asio.cc" -pthread 2>"$tmp/server.log" ||
	app_fail "g++" "echo_asio.cc does not build"
echo_servers "asio" "$tmp/echo_asio"
app_end
