# SPDX-License-Identifier: BSD-3-Clause
"""echo_server.py KIND ADDRESS PORT: a UDP echo server, in one of the ways in which Python programs are written."""
import asyncio
import select
import selectors
import socket
import sys
import threading
import time

kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET


def bound():
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


def echo(sock):
    data, peer = sock.recvfrom(65535)
    sock.sendto(data, peer)


def drain(sock):
    while True:
        try:
            echo(sock)
        except BlockingIOError:
            return


def blocking():
    sock = bound()
    while True:
        echo(sock)


def distant():
    # A client on the same host would find the answer there before it waits for it the first time, and so would not be steered to.
    sock = bound()
    while True:
        data, peer = sock.recvfrom(65535)
        time.sleep(0.0005)
        sock.sendto(data, peer)


def recvmsg():
    sock = bound()
    while True:
        data, _, _, peer = sock.recvmsg(65535, 256)
        sock.sendmsg([data[:4], data[4:]], [], 0, peer)


def epoll():
    sock = bound()
    sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        while True:
            for _ in selector.select(5):
                drain(sock)


def poll():
    sock = bound()
    sock.setblocking(False)
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    while True:
        if poller.poll(5000):
            drain(sock)


def select_():
    sock = bound()
    while True:
        ready, _, _ = select.select([sock], [], [], 5)
        if ready:
            echo(sock)


def threads():
    sock = bound()

    def loop():
        while True:
            echo(sock)

    for _ in range(3):
        threading.Thread(target=loop, daemon=True).start()
    loop()


class Protocol(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def asyncio_main():
    await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=(address, port))
    await asyncio.sleep(3600)


if kind == "asyncio":
    asyncio.run(asyncio_main())
else:
    {"blocking": blocking, "distant": distant, "recvmsg": recvmsg, "epoll": epoll, "poll": poll, "select": select_,
     "threads": threads}[kind]()
