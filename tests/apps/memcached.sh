#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# memcached.sh - memcached -U: libevent, one UDP socket shared by worker threads through dup(), answers of several datagrams.
# PACKAGES: memcached python3
. "$(dirname "$0")/lib.sh"
app_need memcached python3
app_lab

cat >"$tmp/client.py" <<'PYTHON'
import socket, struct, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], 11211))
sock.settimeout(2)

def ask(number, text):
    sock.send(struct.pack("!HHHH", number, 0, 1, 0) + text)
    parts, total = {}, 1
    while len(parts) < total:
        data = sock.recv(65535)
        ident, seq, total, _ = struct.unpack("!HHHH", data[:8])
        if ident == number:
            parts[seq] = data[8:]
    return b"".join(parts[i] for i in range(total))

def expect(have, want):
    if have != want:
        sys.exit(f"{have[:60]!r} where {want[:60]!r} was expected")

for i in range(300):
    value = b"v%d" % i * (i % 20 + 1)
    expect(ask(2 * i, b"set k%d 0 0 %d\r\n%s\r\n" % (i, len(value), value)), b"STORED\r\n")
    expect(ask(2 * i + 1, b"get k%d\r\n" % i), b"VALUE k%d 0 %d\r\n%s\r\nEND\r\n" % (i, len(value), value))
big = b"0123456789" * 2000
tcp = socket.create_connection((sys.argv[1], 11211), 2)
tcp.sendall(b"set big 0 0 %d\r\n%s\r\n" % (len(big), big))
expect(tcp.recv(100), b"STORED\r\n")
for i in range(5):
    expect(ask(1000 + i, b"get big\r\n"), b"VALUE big 0 %d\r\n%s\r\nEND\r\n" % (len(big), big))
PYTHON
for threads in 1 4; do
	app_server 11211 memcached -u root -l $addr4 -U 11211 -t $threads
	app_wait 11211
	app_count_start
	app_check "$threads threads" app_client python3 "$tmp/client.py" $addr4
	app_bypassed "$threads threads" 600
	app_alive
	kill "$server_pid"
	wait "$server_pid" 2>/dev/null
done
app_end
