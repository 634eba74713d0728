#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kea.sh - Kea's DHCP servers, asked by relays: select() beside a watch pipe and a thread, IP_PKTINFO and IPV6_PKTINFO both ways,
# for IPv6 a socket on the interface's address.
# PACKAGES: kea-dhcp4-server kea-dhcp6-server python3
. "$(dirname "$0")/lib.sh"
app_need kea-dhcp4 kea-dhcp6 python3
app_lab
export KEA_PIDFILE_DIR="$tmp" KEA_LOCKFILE_DIR="$tmp"

cat >"$tmp/dhcp4.json" <<JSON
{ "Dhcp4": {
	"interfaces-config": { "interfaces": [ "ve0/$addr4" ], "dhcp-socket-type": "udp" },
	"lease-database": { "type": "memfile", "persist": false },
	"loggers": [ { "name": "kea-dhcp4", "severity": "WARN", "output_options": [ { "output": "stderr" } ] } ],
	"subnet4": [ { "subnet": "10.77.0.0/24", "pools": [ { "pool": "10.77.0.100 - 10.77.0.250" } ] } ]
} }
JSON
cat >"$tmp/dhcp6.json" <<JSON
{ "Dhcp6": {
	"interfaces-config": { "interfaces": [ "ve0/$addr6" ] },
	"lease-database": { "type": "memfile", "persist": false },
	"server-id": { "type": "LLT", "persist": false },
	"loggers": [ { "name": "kea-dhcp6", "severity": "WARN", "output_options": [ { "output": "stderr" } ] } ],
	"subnet6": [ { "subnet": "fd77::/64", "interface": "ve0", "pools": [ { "pool": "fd77::1000 - fd77::2000" } ] } ]
} }
JSON
cat >"$tmp/relay4.py" <<'PYTHON'
import socket, struct, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.77.0.9", 67))
sock.settimeout(3)
offers = set()
for i in range(100):
    mac = bytes([2, 0, 0, 0, 0, i])
    discover = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 1, 1000 + i, 0, 0, b"", b"", b"",
                           socket.inet_aton("10.77.0.9"), mac, b"", b"") + bytes.fromhex("63825363350101ff")
    sock.sendto(discover, ("10.77.0.1", 67))
    data, peer = sock.recvfrom(2000)
    if peer != ("10.77.0.1", 67) or data[0] != 2 or struct.unpack("!I", data[4:8])[0] != 1000 + i:
        sys.exit(f"a wrong answer from {peer}: {data}")
    offers.add(data[16:20])
sys.exit(len(offers) != 100)
PYTHON
cat >"$tmp/relay6.py" <<'PYTHON'
import socket, struct, sys
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind(("fd77::9", 547))
sock.settimeout(3)
link = socket.inet_pton(socket.AF_INET6, "fd77::9")
for i in range(100):
    solicit = struct.pack("!IHHHH", 1 << 24 | i, 1, 10, 3, 1) + bytes([2, 0, 0, 0, 0, i])
    solicit += struct.pack("!HHIII", 3, 12, i, 0, 0)
    sock.sendto(struct.pack("!BB", 12, 0) + link + link + struct.pack("!HH", 9, len(solicit)) + solicit, ("fd77::1", 547))
    data, peer = sock.recvfrom(2000)
    if peer[:2] != ("fd77::1", 547) or data[0] != 13 or struct.pack("!I", 2 << 24 | i) not in data:
        sys.exit(f"a wrong answer from {peer}: {data}")
PYTHON

app_server 67 kea-dhcp4 -c "$tmp/dhcp4.json"
app_wait 67
app_count_start
app_check "DHCPv4" app_client python3 "$tmp/relay4.py"
app_bypassed "DHCPv4" 100
app_alive "kea-dhcp4"
app_stop
app_server 547 kea-dhcp6 -c "$tmp/dhcp6.json"
app_wait 547
app_count_start
app_check "DHCPv6" app_client python3 "$tmp/relay6.py"
app_bypassed "DHCPv6" 100
app_alive "kea-dhcp6"
app_end
