#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# erlang_socket.sh - Erlang's socket module: recvmsg and sendmsg by the VM, which asks its poll threads for one event at a time.
# PACKAGES: erlang-base python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need escript python3
app_lab

export HOME=$tmp # for a cookie
echo_servers "socket" escript "$echo/echo_socket.erl" server
echo_client "socket client" $addr4 escript "$echo/echo_socket.erl" client
app_end
