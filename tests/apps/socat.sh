#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# socat.sh - socat as echo server: one session, a process per session (connect, fork, new listener), a process per datagram.
# PACKAGES: socat python3
. "$(dirname "$0")/lib.sh"
app_need socat python3
app_lab

app_server 5001 socat UDP4-LISTEN:5001 PIPE
app_wait 5001
app_count_start
app_check "UDP4-LISTEN" app_echo $addr4 5001 300 100
app_bypassed "UDP4-LISTEN" 300

app_server 5002 socat UDP4-LISTEN:5002,fork,reuseaddr PIPE
app_wait 5002
for i in 1 2 3; do
	app_check "UDP4-LISTEN,fork session $i" app_echo $addr4 5002 20 100
done

app_server 5003 socat UDP6-RECVFROM:5003,fork EXEC:cat
app_wait 5003
app_check "UDP6-RECVFROM,fork" app_echo $addr6 5003 5 50

app_server 5004 socat UDP6-LISTEN:5004,ipv6only=0 PIPE
app_wait 5004
app_check "UDP6-LISTEN, IPv4 client" app_echo $addr4 5004 50 1400
app_end
