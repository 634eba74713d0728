#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# perl.sh - Perl: blocking recv, IO::Select, and a client whose time limit is SIGALRM.
# PACKAGES: perl python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need perl python3
app_lab

echo_servers "blocking" perl "$echo/echo.pl" blocking
echo_servers "IO::Select" perl "$echo/echo.pl" select
echo_clients "client with alarm" perl "$echo/echo.pl" client
echo_client "client with IO::Select" $addr4 perl "$echo/echo.pl" waiting
app_end
