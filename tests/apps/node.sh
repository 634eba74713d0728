#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# node.sh - Node's dgram (libuv: epoll, non-blocking), in the main thread and in a worker, as server and client.
# PACKAGES: nodejs python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need node python3
app_lab

echo_servers "dgram" node "$echo/echo.js" dgram
echo_server "dgram in a worker" $addr4 node "$echo/echo.js" worker
echo_clients "client" node "$echo/echo.js" client
echo_client "connected client" $addr4 node "$echo/echo.js" connected
app_end
