#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# php.sh - PHP: streams as server and as client with stream_select; the sockets extension, unaccelerated.
# PACKAGES: php-cli python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need php python3
app_lab

echo_servers "stream" php "$echo/echo.php" stream
echo_clients "client" php "$echo/echo.php" client

# PHP loads its extensions with RTLD_DEEPBIND: what the sockets extension calls is libc's, whatever is preloaded.
if ! sanitized "php sockets extension" "RTLD_DEEPBIND has no effect, so that it is accelerated"; then
	echo_by_kernel "sockets" $addr4 php "$echo/echo.php" sockets
	echo_by_kernel "socket_select" $addr6 php "$echo/echo.php" select
fi
app_end
