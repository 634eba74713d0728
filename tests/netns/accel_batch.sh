#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 150
#
# accel_batch.sh - KBACCEL_TX_BATCH: several answers for one kick of the NIC while more requests wait, and none left behind.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
need python3

# "FRAMES KICKS" of the queue, as they were last published together.
sent_and_kicks() { "$tool" stat "$1" | sed -nE 's/ *sent ([0-9]+) frames.*/\1/p; s/ *kicks ([0-9]+);.*/\1/p' | tr '\n' ' '; }

# burst PORT COUNT: so many requests find the server asleep, who then answers them as fast as it can; what comes back in BACK.
burst()
{
	client -n 3 "$A4" "$1" >/dev/null # the neighbour
	kill -STOP "$SPAWNED"
	client -n "$2" -g 0 -t 3000 "$A4" "$1" >"$KB_TMP/burst" &
	sleep 0.3 # not for so long that its lease ends
	kill -CONT "$SPAWNED"
	wait $!
	BACK=$(sed 's/ from.*//' "$KB_TMP/burst")
}

# few_kicks NAME FRAMES KICKS: a machine that is busy with other things makes the server look slow; one that needs 20 us for each answer does always.
few_kicks()
{
	if [[ $2 -gt 100 && $3 = "$2" ]]; then
		echo "skip $1: no answer came within 20 us of the one before"
	else
		check "$1 ($2 frames, $3 kicks)" test "$2" -gt 100 -a $(($3 * 20)) -lt $(($2 * 19))
	fi
}

for batch in 1 32; do
	export KBACCEL_TX_BATCH=$batch
	start_fast server 5300 -q -r 4000000 5300
	burst 5300 1500
	equal "batch $batch: all answers come" 'sent 1500 back 1500 bad 0' "$BACK"
	sleep 0.5 # and the next call publishes
	client -n 1 "$A4" 5300 >/dev/null
	read -r frames kicks <<<"$(sent_and_kicks "$SPAWNED")"
	note "$frames frames, $kicks kicks"
	if [[ $batch = 1 ]]; then
		check 'batch 1: a kick for each' test "$frames" -gt 200 -a "$kicks" = "$frames"
	else
		few_kicks 'batch 32: fewer kicks' "$frames" "$kicks"
	fi
	answer=$(client -l -n 100 "$A4" 5300)
	check "batch $batch: one at a time, each is answered at once ($answer)" \
		grep -Eq '^sent 100 back 100 bad 0 .*max [0-9]{1,5} us' <<<"$answer"
	stop "$SPAWNED"
done

# One that takes 300 us for each is not trusted with answers in hand.
start_fast slow 5300 -q -r 4000000 -u 300 5300
burst 5300 400
equal 'slow: all answers come' 'sent 400 back 400 bad 0' "$BACK"
sleep 0.5
client -n 1 "$A4" 5300 >/dev/null
read -r frames kicks <<<"$(sent_and_kicks "$SPAWNED")"
check "slow: a kick for each ($frames frames, $kicks kicks)" test "$frames" -gt 200 -a "$kicks" = "$frames"
stop "$SPAWNED"

# Answers of the kernel's do not overtake those that are held: small ones are fast, those that need fragments are not.
start_fast server 5300 -q -r 4000000 5300
cat >"$KB_TMP/mixed.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
s.settimeout(2)
to = (sys.argv[1], 5300)
disorder = count = 0
for round in range(20):
    for i in range(40):
        # Requests of either size come by different ways; only those of one way are sent in one go.
        s.sendto(b'%04d' % i + b'x' * 60, to)
    last = -1
    for i in range(40):
        n = int(s.recv(65536)[:4])
        count += 1
        disorder += n < last
        last = n
print('got', count, 'disorder', disorder)
EOF
equal 'answers are in order' 'got 800 disorder 0' "$(run_in "$NS_B" python3 "$KB_TMP/mixed.py" "$A4")"
stop "$SPAWNED"

# Its own order: a server whose answers are small, but each eighth one, which the kernel cuts.
cat >"$KB_TMP/eighth.py" <<'EOF'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20) # SO_RCVBUFFORCE
s.bind(('', 5302))
print('serving', flush=True)
while True:
    data, peer = s.recvfrom(2048)
    s.sendto(data + b'b' * 4000 if int(data) % 8 == 7 else data, peer)
EOF
cat >"$KB_TMP/ask.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
s.settimeout(2)
for i in range(1000):
    s.sendto(b'%04d' % i, (sys.argv[1], 5302))
got = [int(s.recv(65536)[:4]) for i in range(1000)]
print('in order' if got == list(range(1000)) else got)
EOF
spawn "$NS_A" eighth preload 5302 python3 "$KB_TMP/eighth.py"
wait_until 5 grep -q serving "$KB_TMP/eighth.log"
run_in "$NS_B" python3 "$KB_TMP/ask.py" "$A4" >/dev/null # the neighbour
equal 'the kernel does not overtake what is held' 'in order' "$(run_in "$NS_B" python3 "$KB_TMP/ask.py" "$A4")"
sleep 0.5
run_in "$NS_B" python3 "$KB_TMP/ask.py" "$A4" >/dev/null
read -r frames kicks <<<"$(sent_and_kicks "$SPAWNED")"
note "$frames frames, $kicks kicks"
stop "$SPAWNED"

# 400 requests for a server that is stopped; how many answers?
cat >"$KB_TMP/left.py" <<'EOF'
import os, signal, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
s.settimeout(1)
pid = int(sys.argv[2])
s.sendto(b'neighbour', (sys.argv[1], int(sys.argv[3])))
s.recv(2048)
time.sleep(0.1)
os.kill(pid, signal.SIGSTOP)
for i in range(400):
    s.sendto(b'x', (sys.argv[1], int(sys.argv[3])))
time.sleep(0.1)
os.kill(pid, signal.SIGCONT)
n = 0
try:
    while True:
        s.recv(2048)
        n += 1
except OSError:
    print(n)
EOF

# Who sends of its own accord, with requests that nobody reads, may turn to anything else then: each goes out at once.
cat >"$KB_TMP/unasked.py" <<'EOF'
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 5305))
print('serving', flush=True)
for i in range(30): # one at a time, and more are there
    data, peer = s.recvfrom(2048)
    s.sendto(data, peer)
for i in range(100):
    s.sendto(b'%03d' % i, peer)
time.sleep(3)
EOF
# Who answers, and then waits for something else.
cat >"$KB_TMP/elsewhere.py" <<'EOF'
import os, select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
other = pair[0]
s.bind(('', 5305))
print('serving', flush=True)
for i in range(201):
    data, peer = s.recvfrom(2048)
    s.sendto(data, peer)
waits = {
    'select': lambda: select.select([other], [], []),
    'poll': lambda: (lambda p: (p.register(other), p.poll()))(select.poll()),
    'epoll': lambda: (lambda p: (p.register(other), p.poll()))(select.epoll()),
    'read': lambda: os.read(other.fileno(), 1),
    'readv': lambda: os.readv(other.fileno(), [bytearray(1)]),
    'recv': lambda: other.recv(1),
    'recvfrom': lambda: other.recvfrom(1),
    'recvmsg': lambda: other.recvmsg(1),
}
waits[sys.argv[1]]()
EOF
cat >"$KB_TMP/hear.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for i in range(60):
    s.sendto(b'x', (sys.argv[1], 5305))
n = 0
try:
    while n < 130:
        s.recv(2048)
        n += 1
except OSError:
    pass
print(n)
EOF
spawn "$NS_A" unasked preload 5305 python3 "$KB_TMP/unasked.py"
wait_until 5 grep -q serving "$KB_TMP/unasked.log"
equal 'what is sent of its own accord is not held' 130 "$(run_in "$NS_B" python3 "$KB_TMP/hear.py" "$A4")"
stop "$SPAWNED"
for what in select poll epoll read readv recv recvfrom recvmsg; do
	spawn "$NS_A" elsewhere preload 5305 python3 "$KB_TMP/elsewhere.py" $what
	wait_until 5 grep -q serving "$KB_TMP/elsewhere.log"
	equal "answered, and then in $what() for something else" 200 "$(run_in "$NS_B" python3 "$KB_TMP/left.py" "$A4" "$SPAWNED" 5305)"
	stop "$SPAWNED"
done

# Who leaves in the middle of a burst, past the destructors, leaves no answer behind.
cat >"$KB_TMP/leave.py" <<'EOF'
import ctypes, os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20) # SO_RCVBUFFORCE
s.bind(('', 5304))
libc, args = ctypes.CDLL(None), (b'true', None)
ways = {
    '_exit': lambda: os._exit(0),
    '_Exit': lambda: libc._Exit(0),
    'quick_exit': lambda: libc.quick_exit(0),
    'exit_group': lambda: libc.syscall(ctypes.c_long(231 if os.uname().machine == 'x86_64' else 94), ctypes.c_long(0)),
    'execve': lambda: os.execve('/bin/true', ['true'], {}),
    'execv': lambda: os.execv('/bin/true', ['true']),
    'execvp': lambda: libc.execvp(b'true', (ctypes.c_char_p * 2)(*args)),
    'execvpe': lambda: libc.execvpe(b'true', (ctypes.c_char_p * 2)(*args), (ctypes.c_char_p * 1)(None)),
    'execl': lambda: libc.execl(b'/bin/true', *args),
    'execlp': lambda: libc.execlp(b'true', *args),
    'execle': lambda: libc.execle(b'/bin/true', b'true', None, (ctypes.c_char_p * 1)(None)),
    'fexecve': lambda: os.execve(os.open('/bin/true', os.O_RDONLY), ['true'], {}),
    'execveat': lambda: libc.execveat(-100, b'/bin/true', (ctypes.c_char_p * 2)(*args), (ctypes.c_char_p * 1)(None), 0),
}
leave = ways[sys.argv[1]]
print('serving', flush=True)
for i in range(201):
    data, peer = s.recvfrom(2048)
    s.sendto(data, peer)
leave()
EOF
for way in _exit _Exit quick_exit exit_group execve execv execvp execvpe execl execlp execle fexecve execveat; do
	spawn "$NS_A" leave preload 5304 python3 "$KB_TMP/leave.py" $way
	wait_until 5 grep -q serving "$KB_TMP/leave.log"
	equal "$way: all that was answered arrives" 200 "$(run_in "$NS_B" python3 "$KB_TMP/left.py" "$A4" "$SPAWNED" 5304)"
	wait "$SPAWNED"
	equal "$way: the end it was to have" 0 $?
done

# The end of a process, with requests that wait and answers that are held.
start_fast last 5303 -q -r 4000000 -u 1000 -n 23 5303
client -n 3 "$A4" 5303 >/dev/null
answer=$(client -n 60 -g 0 -t 1500 "$A4" 5303)
equal 'what was answered before the end arrives' 'sent 60 back 20 bad 0' "${answer% from*}"
finish
