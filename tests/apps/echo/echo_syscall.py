# SPDX-License-Identifier: BSD-3-Clause
"""echo_syscall.py global|libc ADDRESS PORT: IPv4 UDP echo by syscall(), found as a preloaded library may have it, or in libc itself."""
import ctypes
import platform
import socket
import struct
import sys

SENDTO, RECVFROM, SOCKET, BIND = {"x86_64": (44, 45, 41, 49), "aarch64": (206, 207, 198, 200)}[
    platform.machine()
]
library = ctypes.CDLL("libc.so.6" if sys.argv[1] == "libc" else None, use_errno=True)


def call(number, *arguments):
    result = library.syscall(
        ctypes.c_long(number), *(a if isinstance(a, ctypes.Array) else ctypes.c_long(a) for a in arguments)
    )
    if result < 0:
        sys.exit(f"system call {number}: errno {ctypes.get_errno()}")
    return result


fd = call(SOCKET, socket.AF_INET, socket.SOCK_DGRAM, 0)
address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", int(sys.argv[3])) + socket.inet_aton(sys.argv[2])
call(BIND, fd, ctypes.create_string_buffer(address, 16), 16)
data = ctypes.create_string_buffer(65536)
peer = ctypes.create_string_buffer(28)
length = (ctypes.c_uint32 * 1)()
while True:
    length[0] = 28
    size = call(RECVFROM, fd, data, 65536, 0, peer, length)
    call(SENDTO, fd, data, size, 0, peer, length[0])
