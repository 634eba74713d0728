#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 90
#
# accel_adopt.sh - sockets that the program did not make: inetd's descriptor 0, socket activation, a program that executes
# itself again. Accelerated from the first call that waits for them.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need python3
ns_pair

cat >"$KB_TMP/server.py" <<'EOF'
import os, select, socket, sys
# A server on an inherited socket: HOW [FD]
how, fd = sys.argv[1], int(sys.argv[2])
s = socket.socket(fileno=fd)
print('serving', flush=True)
p = select.poll()
e = select.epoll()
if how == 'epoll':
    e.register(s, select.EPOLLIN)
while True:
    if how == 'poll':
        p.register(s, select.POLLIN)
        p.poll()
    elif how == 'select':
        select.select([s], [], [])
    elif how == 'epoll':
        e.poll()
    data, where = s.recvfrom(2000)
    s.sendto(data, where)
EOF
cat >"$KB_TMP/launch.py" <<'EOF'
import os, socket, sys
# Binds and hands over: FD PORT HOW; what it executes has the library, itself it has not.
fd, port, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(('::', port))
server = [sys.executable, os.path.dirname(sys.argv[0]) + '/server.py', how, str(fd)]
env = dict(os.environ, LD_PRELOAD=os.environ['PRELOAD'], LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
top = os.dup2(s.fileno(), 100)
s.close()
os.dup2(top, fd)
os.close(top)
os.execvpe(server[0], server, env)
EOF

for how in block poll select epoll; do
	for fd in 0 3; do
		spawn "$NS_A" server env PRELOAD="$PRELOAD" KBACCEL_PORTS=5300 python3 "$KB_TMP/launch.py" $fd 5300 $how
		server=$SPAWNED
		wait_until 5 grep -q '^serving' "$KB_TMP/server.log"
		client -n 3 -t 500 "$A4" 5300 >/dev/null
		exchange "$how on descriptor $fd, IPv4" fast 50 "$A4" 5300
		exchange "$how on descriptor $fd, IPv6" fast 50 "$A6" 5300
		# shellcheck disable=SC2046
		kill $(ip netns pids "$NS_A") 2>/dev/null
		stop "$server"
	done
done

# A program that never touches what it has inherited opens nothing.
run_in "$NS_A" python3 - "$PRELOAD" >"$KB_TMP/out" <<'EOF'
import os, socket, subprocess, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 5300))
os.set_inheritable(s.fileno(), True)
env = dict(os.environ, LD_PRELOAD=sys.argv[1], KBACCEL_PORTS='*', KBACCEL_LOG='info')
print(subprocess.run(['sh', '-c', 'cat /proc/net/dev >/dev/null; sleep 0.1; ip link show veth0'], env=env, close_fds=False,
                     capture_output=True, text=True))
EOF
check 'one that is not touched costs nothing' eval "grep -q returncode=0 '$KB_TMP/out' && ! grep -qE 'xdp|kbaccel\[' '$KB_TMP/out'"
finish
