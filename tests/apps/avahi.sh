#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# avahi.sh - avahi-daemon: multicast DNS, groups joined on an interface, IP_PKTINFO and TTL of each datagram, FIONREAD before each
# receive.
# PACKAGES: avahi-daemon python3
. "$(dirname "$0")/lib.sh"
app_need avahi-daemon python3
app_lab
cat >"$tmp/avahi.conf" <<CONF
[server]
enable-dbus=no
allow-interfaces=ve0
host-name=kbhost
use-ipv4=yes
use-ipv6=no
CONF
cat >"$tmp/ask.py" <<'PYTHON'
import socket, struct, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.9"))
sock.settimeout(3)
for i in range(1, 101):
    sock.sendto(struct.pack("!HHHHHH", i, 0, 1, 0, 0, 0) + b"\6kbhost\5local\0\0\1\0\1", ("224.0.0.251", 5353))
    data = sock.recv(1500)
    if struct.unpack("!H", data[:2])[0] != i or socket.inet_aton("10.77.0.1") not in data:
        sys.exit(f"a wrong answer: {data}")
PYTHON
app_server 5353 avahi-daemon -f "$tmp/avahi.conf" --no-drop-root --no-chroot --no-rlimits
app_wait 5353
app_wait_log 'Server startup complete'
app_count_start
app_check "IPv4" app_client python3 "$tmp/ask.py"
app_bypassed "IPv4" 100
app_alive
app_end
