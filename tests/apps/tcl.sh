#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tcl.sh - Tcl's udp package: an event loop whose notifier is a thread; server and client.
# PACKAGES: tcl tcl-udp python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need tclsh python3
echo 'package require udp' | tclsh >/dev/null 2>&1 || app_skip "tcl-udp is not installed"
app_lab

echo_servers "server" tclsh "$echo/echo.tcl" server
echo_clients "client" tclsh "$echo/echo.tcl" client
app_end
