#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# chrony.sh - chronyd as NTP server: select(), recvmmsg, kernel time stamps, IP_PKTINFO; it does not touch the clock.
# Its answers go through the kernel: chronyd asks for the time stamp of each when it leaves.
# PACKAGES: chrony python3
. "$(dirname "$0")/lib.sh"
app_need chronyd python3
app_lab

cat >"$tmp/chrony.conf" <<CONF
local stratum 8
allow all
cmdport 0
bindcmdaddress /
pidfile $tmp/chronyd.pid
driftfile $tmp/drift
CONF
cat >"$tmp/ntp.py" <<'PYTHON'
import socket, struct, sys, time
address = sys.argv[1]
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(2)
for i in range(200):
    cookie = struct.pack("!Q", i + 1)
    before = time.time()
    sock.sendto(b"\x23" + b"\0" * 39 + cookie, (address, 123))
    data, peer = sock.recvfrom(200)
    after = time.time()
    if len(data) != 48 or data[0] & 7 != 4 or data[1] != 8 or data[24:32] != cookie:
        sys.exit("a wrong answer")
    received, sent = (s / 2**32 - 2208988800 for s in struct.unpack("!QQ", data[32:48]))
    if not before - 0.01 <= received <= sent + 0.001 <= after + 0.02:
        sys.exit(f"its time is wrong: {before} {received} {sent} {after}")
PYTHON

app_server 123 chronyd -d -x -u root -f "$tmp/chrony.conf"
app_wait 123
sleep 0.5
app_count_start
app_check "IPv4" app_client python3 "$tmp/ntp.py" $addr4
app_bypassed "IPv4" 200 rx
app_count_start
app_check "IPv6" app_client python3 "$tmp/ntp.py" $addr6
app_bypassed "IPv6" 200 rx
app_alive
app_end
