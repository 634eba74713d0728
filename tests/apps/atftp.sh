#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# atftp.sh - atftpd on its own: a thread with a connected socket for each transfer, select() with a time limit, recvmsg with
# IP_PKTINFO. With every port chosen the sockets of the transfers, which come and go, are accelerated, too.
# PACKAGES: atftpd atftp
. "$(dirname "$0")/lib.sh"
app_need atftpd atftp
app_lab

mkdir "$tmp/files" "$tmp/a" "$tmp/b"
chmod 777 "$tmp/files"
head -c 100000 /dev/urandom >"$tmp/files/down"

fetch()
{
	(cd "$tmp/$1" && rm -f down && app_client atftp --get -r down -l down $addr4 69) && cmp "$tmp/$1/down" "$tmp/files/down"
}

store()
{
	(cd "$tmp" && app_client atftp --put -l files/down -r "$1" $addr4 69) || return 1
	# The server writes the last block after it has acknowledged it.
	for i in 1 2 3 4 5 6 7 8 9 10; do
		cmp -s "$tmp/files/$1" "$tmp/files/down" && return 0
		sleep 0.1
	done
	cmp "$tmp/files/$1" "$tmp/files/down"
}

both()
{
	local pid
	fetch a &
	pid=$!
	fetch b && wait $pid
}

for ports in 69 '*'; do
	app_server "$ports" atftpd --daemon --no-fork --logfile - --bind-address $addr4 --user root.root "$tmp/files"
	app_wait 69
	echo "# ports $ports"
	app_count_start
	app_check "get" fetch a
	app_check "get again" fetch a
	app_check "put" store "up${ports#\*}"
	app_check "two at once" both
	[ "$ports" = 69 ] || app_bypassed "every port" 700
	app_alive
	app_stop
done
app_end
