#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_getfd.sh - another process, without the library, takes a server's socket by pidfd_getfd(): nobody tells the server. While that
# one serves it gets what comes, as it may; once it stops, or is gone, the other one does, from the kernel.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need python3
ns_pair

cat >"$KB_TMP/taker.py" <<'EOF'
import ctypes, os, socket, sys
# PID FD: one line for each datagram.
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(438, os.pidfd_open(int(sys.argv[1])), int(sys.argv[2]), 0)
if fd < 0:
    sys.exit('pidfd_getfd: ' + os.strerror(ctypes.get_errno()))
s = socket.socket(fileno=fd)
print('taken', flush=True)
while True:
    data, where = s.recvfrom(2000)
    print('got', int.from_bytes(data[2:6], 'little'), flush=True)
EOF
taken() { awk -v a="$1" -v b="$2" '$1 == "got" && $2 >= a && $2 <= b' "$KB_TMP/taker.log" | sort -u | wc -l; }

start_fast server 5300 -s 5300
server=$SPAWNED
fd=$(sed -n 's/.* fd //p' "$KB_TMP/server.log")
spawn "$NS_A" taker python3 "$KB_TMP/taker.py" "$server" "$fd"
wait_until 5 grep -q '^taken' "$KB_TMP/taker.log" || { cat "$KB_TMP/taker.log"; not_ok 'pidfd_getfd()'; }

client -s -n 100 "$A4" 5300 >/dev/null
wait_until 2 eval '[[ $(($(numbers_in server 0 99) + $(taken 0 99))) = 100 ]]'
equal 'the server serves: each datagram is read once' 100 "$(($(numbers_in server 0 99) + $(taken 0 99)))"

kill -STOP "$server"
sleep 1.3 # the lease
client -s -N 1000 -n 100 "$A4" 5300 >/dev/null
wait_until 2 eval '[[ $(taken 1000 1099) = 100 ]]'
equal 'the server is stopped: the other process gets all' 100 "$(taken 1000 1099)"
kill -CONT "$server"
sleep 0.3
client -s -N 2000 -n 100 "$A4" 5300 >/dev/null
wait_until 2 eval '[[ $(($(numbers_in server 2000 2099) + $(taken 2000 2099))) = 100 ]]'
equal 'it goes on: each datagram is read once' 100 "$(($(numbers_in server 2000 2099) + $(taken 2000 2099)))"

kill -KILL "$server"
wait "$server" 2>/dev/null
client -s -N 3000 -n 100 "$A4" 5300 >/dev/null
wait_until 2 eval '[[ $(taken 3000 3099) = 100 ]]'
equal 'it is gone: the other process gets all, at once' 100 "$(taken 3000 3099)"
check 'nothing stays' wait_until 2 no_xdp "$NS_A" veth0
finish
