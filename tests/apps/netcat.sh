#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# netcat.sh - OpenBSD's nc -u -l: MSG_PEEK to learn the client, connect() to it, then read() and write() with poll().
# PACKAGES: netcat-openbsd python3
. "$(dirname "$0")/lib.sh"
app_need nc python3
nc -h 2>&1 | grep -q OpenBSD || app_skip "nc is not OpenBSD's netcat"
app_lab

cat >"$tmp/talk.py" <<'PYTHON'
import socket, sys, time
address = sys.argv[1]
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((address, 5999))
sock.settimeout(2)
for i in range(100):
    sock.send(b"line %d\n" % i)
    if i % 10 == 0:
        time.sleep(0.01)
if sock.recv(100) != b"from the server\n":
    sys.exit("the server's line is wrong")
PYTHON

# nc_run ADDRESS: a hundred lines arrive in order, and one comes back.
nc_run()
{
	mkfifo "$tmp/in$2"
	app_server 5999 sh -c "exec nc -u -l $1 5999 <'$tmp/in$2' >'$tmp/out$2'"
	exec 7>"$tmp/in$2"
	app_wait 5999
	(sleep 0.5 && echo "from the server" >&7) &
	app_client python3 "$tmp/talk.py" "$1" || return 1
	sleep 0.2
	seq 0 99 | sed 's/^/line /' | cmp - "$tmp/out$2"
}

app_count_start
app_check "IPv4" nc_run $addr4 1
app_bypassed "IPv4" 100 rx
exec 7>&-
kill $server_pid 2>/dev/null
wait $server_pid 2>/dev/null
app_check "IPv6" nc_run $addr6 2
exec 7>&-
app_end
