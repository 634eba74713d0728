#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# netflow.sh - nfcapd, a collector of NetFlow: blocking recvfrom, one direction only.
# PACKAGES: nfdump python3
. "$(dirname "$0")/lib.sh"
app_need nfcapd nfdump python3
app_lab

cat >"$tmp/send.py" <<'PYTHON'
import socket, struct, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(300):
    head = struct.pack("!HHIIIIBBH", 5, 1, 100000, int(time.time()), 0, i, 0, 0, 0)
    flow = struct.pack("!IIIHHIIIIHHBBBBHHBBH", 0x0a000001, 0xc0000000 + i, 0, 1, 2, 10, 1000, 90000, 99000, 1024 + i, 53,
                       0, 0, 17, 0, 0, 0, 24, 24, 0)
    sock.sendto(head + flow, (sys.argv[1], 9995))
    if i % 20 == 0:
        time.sleep(0.005)
PYTHON

# stored COUNT: so many flows are in its file, and all are different.
stored()
{
	local n
	n=$(nfdump -q -R "$tmp/flows" -o 'fmt:%da %sp' | sort -u | wc -l)
	[ "$n" = "$1" ] || { echo "$n flows, $1 expected" && return 1; }
}

mkdir "$tmp/flows"
app_server 9995 nfcapd -w "$tmp/flows" -p 9995
app_wait 9995
app_count_start
app_check "IPv4" app_client python3 "$tmp/send.py" $addr4
sleep 0.2
app_bypassed "IPv4" 300 rx
app_alive
app_stop
app_check "300 flows" stored 300
app_end
