#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# lua.sh - LuaSocket: blocking, socket.select, and a client.
# PACKAGES: lua5.4 lua-socket python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need lua5.4 python3
lua5.4 -e 'require "socket"' 2>/dev/null || app_skip "lua-socket is not installed"
app_lab

echo_server "blocking" $addr4 lua5.4 "$echo/echo.lua" blocking
echo_servers "select" lua5.4 "$echo/echo.lua" select
echo_clients "client" lua5.4 "$echo/echo.lua" client
app_end
