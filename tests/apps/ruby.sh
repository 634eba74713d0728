#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ruby.sh - Ruby's UDPSocket: blocking, IO.select, threads, recvmsg; and a client.
# PACKAGES: ruby python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need ruby python3
app_lab

ruby="ruby --disable-gems $echo/echo.rb"
echo_server "blocking" $addr4 $ruby blocking
echo_servers "IO.select" $ruby select
echo_server "threads" $addr6 $ruby threads
echo_server "recvmsg" $addr4 $ruby recvmsg
echo_clients "client" $ruby client
app_end
