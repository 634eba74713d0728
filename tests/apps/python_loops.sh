#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# python_loops.sh - event loops for Python: uvloop (libuv), Twisted (epoll), gevent (libev), Trio (epoll, one-shot).
# PACKAGES: python3 python3-uvloop python3-twisted python3-gevent python3-trio
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need python3
app_lab

for loop in uvloop twisted gevent trio; do
	if ! python3 -c "import $loop" 2>/dev/null; then
		echo "skip $app $loop: python3-$loop is not installed (see tests/apps/packages.txt)"
		continue
	fi
	echo_servers "$loop" python3 "$echo/echo_loop.py" $loop server
	echo_client "$loop client" $addr4 python3 "$echo/echo_loop.py" $loop client
done
app_end
