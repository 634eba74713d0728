#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# guile.sh - Guile: recvfrom and sendto on blocking sockets, beside threads for its collector and its signals.
# PACKAGES: guile-3.0 python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need guile python3
app_lab

export GUILE_AUTO_COMPILE=0
echo_servers "recvfrom!" guile "$echo/echo.scm" server
echo_clients "client" guile "$echo/echo.scm" client
app_end
