#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# rsyslog.sh - rsyslog's UDP input: epoll and recvmmsg, one direction only.
# PACKAGES: rsyslog python3
. "$(dirname "$0")/lib.sh"
app_need rsyslogd python3
app_lab

cat >"$tmp/rsyslog.conf" <<CONF
global(workDirectory="$tmp")
module(load="imudp")
input(type="imudp" address="$addr4" port="514")
input(type="imudp" address="$addr6" port="514")
*.* action(type="omfile" file="$tmp/messages")
CONF
cat >"$tmp/send.py" <<'PYTHON'
import socket, sys, time
address, count = sys.argv[1], int(sys.argv[2])
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
for i in range(count):
    sock.sendto(b"<14>Jan  1 00:00:00 host kb: message %s %d" % (address.encode(), i), (address, 514))
    if i % 20 == 0:
        time.sleep(0.005)
PYTHON

# Every message is in the file, once.
logged()
{
	local i
	app_client python3 "$tmp/send.py" "$1" 500
	for i in $(seq 30); do
		[ "$(grep -c "message $1 " "$tmp/messages" 2>/dev/null)" = 500 ] && break
		sleep 0.1
	done
	grep -c "message $1 " "$tmp/messages"
	[ "$(grep -o "message $1 .*" "$tmp/messages" | sort -u | wc -l)" = 500 ]
}

app_server 514 rsyslogd -n -f "$tmp/rsyslog.conf" -i "$tmp/rsyslog.pid"
app_wait 514
app_count_start
app_check "IPv4" logged $addr4
app_bypassed "IPv4" 500 rx
app_count_start
app_check "IPv6" logged $addr6
app_bypassed "IPv6" 500 rx
app_alive
app_end
