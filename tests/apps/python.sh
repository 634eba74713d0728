#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# python.sh - echo servers in Python: a blocking socket, selectors (epoll), select, poll, asyncio, threads.
# PACKAGES: python3
. "$(dirname "$0")/lib.sh"
app_need python3
app_lab

port=6000
for kind in blocking recvmsg epoll poll select asyncio threads; do
	for address in $addr4 $addr6; do
		port=$((port + 1))
		app_server $port python3 "$here/echo_server.py" $kind $address $port
		app_wait $port
		app_count_start
		app_check "$kind $address" app_echo $address $port 150 200 4
		app_bypassed "$kind $address" 150
		kill "$server_pid" 2>/dev/null
		wait "$server_pid" 2>/dev/null
	done
done
app_end
