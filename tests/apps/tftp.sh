#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tftp.sh - tftpd-hpa on its own: select(), recvmsg with IP_PKTINFO, a forked child with a connected socket for each transfer.
# PACKAGES: tftpd-hpa tftp-hpa
. "$(dirname "$0")/lib.sh"
app_need in.tftpd tftp
in.tftpd -V 2>&1 | grep -q tftp-hpa || app_skip "in.tftpd is another package's"
app_lab

mkdir "$tmp/files"
chmod 777 "$tmp/files"
head -c 100000 /dev/urandom >"$tmp/files/down"
: >"$tmp/files/up"
chmod 666 "$tmp/files"/*

fetch()
{
	(cd "$tmp" && rm -f down && app_client tftp -m binary "$1" -c get down) && cmp "$tmp/down" "$tmp/files/down"
}

store()
{
	cp "$tmp/files/down" "$tmp/up"
	(cd "$tmp" && app_client tftp -m binary "$1" -c put up)
	# The server writes the last block after it has acknowledged it.
	for i in 1 2 3 4 5 6 7 8 9 10; do
		cmp -s "$tmp/up" "$tmp/files/up" && return 0
		sleep 0.1
	done
	cmp "$tmp/up" "$tmp/files/up"
}

app_server 69 in.tftpd --foreground --listen --address 0.0.0.0:69 --user root --secure "$tmp/files"
app_wait 69
app_check "get" fetch $addr4
app_check "get again" fetch $addr4
app_check "put" store $addr4
app_alive
kill "$server_pid"
wait "$server_pid" 2>/dev/null
app_server '*' in.tftpd --foreground --listen --address "[$addr6]:69" --user root --secure "$tmp/files"
app_wait 69
app_check "get, IPv6, every port" fetch $addr6
app_end
