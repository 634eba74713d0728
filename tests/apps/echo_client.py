# SPDX-License-Identifier: BSD-3-Clause
"""echo_client.py ADDRESS PORT COUNT SIZE [WINDOW]: sends datagrams to an echo server and checks that each comes back unharmed."""
import socket
import sys

address, port, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
window = int(sys.argv[5]) if len(sys.argv) > 5 else 1
family = socket.AF_INET6 if ":" in address else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
sock.connect((address, port))
sock.settimeout(2)


def payload(n):
    head = b"%08d." % n
    return (head + bytes((n + i) & 0xFF for i in range(size)))[: max(size, len(head))]


sent = received = 0
waiting = {}
while received < count:
    while sent < count and len(waiting) < window:
        waiting[sent] = payload(sent)
        sock.send(waiting[sent])
        sent += 1
    try:
        data = sock.recv(65535)
    except socket.timeout:
        sys.exit(f"no answer: {received} of {sent} came back")
    n = int(data[:8])
    if waiting.pop(n, None) != data:
        sys.exit(f"datagram {n} came back changed, or twice")
    received += 1
print(f"{received} datagrams")
