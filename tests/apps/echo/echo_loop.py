# SPDX-License-Identifier: BSD-3-Clause
"""echo_loop.py LOOP ROLE ADDRESS PORT [COUNT]: an echo server, or a client of one, on an event loop that Python does not bring."""
import asyncio
import sys

loop, role, address, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
count = int(sys.argv[5]) if role == "client" else 0


def text(n):
    return b"datagram %d " % n + b"x" * n


def check(n, data):
    if data != text(n):
        sys.exit(f"{n} came back changed")


class Server(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(data, peer)


class Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.n = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.sendto(text(0))

    def datagram_received(self, data, peer):
        check(self.n, data)
        self.n += 1
        if self.n < count:
            self.transport.sendto(text(self.n))
        else:
            self.done.set_result(True)


async def asyncio_server():
    await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=(address, port))
    await asyncio.sleep(3600)


async def asyncio_client():
    _, client = await asyncio.get_running_loop().create_datagram_endpoint(Client, remote_addr=(address, port))
    await asyncio.wait_for(client.done, 10)


def uvloop_main():
    import uvloop
    uvloop.install()
    asyncio.run(asyncio_server() if role == "server" else asyncio_client())


def twisted_main():
    from twisted.internet import protocol, reactor

    class Echo(protocol.DatagramProtocol):
        n = 0

        def startProtocol(self):
            if role == "client":
                self.transport.connect(address, port)
                self.transport.write(text(0))

        def datagramReceived(self, data, peer):
            if role == "server":
                self.transport.write(data, peer)
                return
            check(self.n, data)
            self.n += 1
            if self.n < count:
                self.transport.write(text(self.n))
            else:
                reactor.stop()

    any_address = "::" if ":" in address else ""
    echo = Echo()
    reactor.listenUDP(port if role == "server" else 0, echo, address if role == "server" else any_address)
    if role == "client":
        reactor.callLater(10, reactor.stop)
    reactor.run()
    if echo.n != count:
        sys.exit(f"no answer after {echo.n}")


def gevent_main():
    import gevent
    from gevent import socket
    from gevent.server import DatagramServer

    if role == "server":
        class Echo(DatagramServer):
            def handle(self, data, peer):
                self.socket.sendto(data, peer)
        Echo((address, port)).serve_forever()
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    with gevent.Timeout(10):
        for n in range(count):
            sock.send(text(n))
            check(n, sock.recv(65536))


async def trio_run():
    import trio
    family = trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET
    sock = trio.socket.socket(family, trio.socket.SOCK_DGRAM)
    if role == "server":
        await sock.bind((address, port))
        while True:
            data, peer = await sock.recvfrom(65536)
            await sock.sendto(data, peer)
    await sock.connect((address, port))
    with trio.fail_after(10):
        for n in range(count):
            await sock.send(text(n))
            check(n, await sock.recv(65536))


def trio_main():
    import trio
    trio.run(trio_run)


{"uvloop": uvloop_main, "twisted": twisted_main, "gevent": gevent_main, "trio": trio_main}[loop]()
if role == "client":
    print(f"{count} datagrams")
