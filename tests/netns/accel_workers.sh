#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 90
#
# accel_workers.sh - forked workers that share one socket: all of them serve, past the kernel, each datagram is served once, and
# none waits for a worker that is busy.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need python3
ns_pair

cat >"$KB_TMP/workers.py" <<'EOF'
import os, select, socket, sys, time
# COUNT HOW [nobody]: each prints a line for each datagram; "busy" keeps one at work for two seconds.
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 5300))
pids = []
for i in range(int(sys.argv[1])):
    pid = os.fork()
    if pid:
        pids.append(pid)
        continue
    if 'nobody' in sys.argv:
        os.setgid(65534)
        os.setuid(65534)
    p = select.poll()
    p.register(s, select.POLLIN)
    while True:
        if sys.argv[2] == 'poll':
            p.poll()
            try:
                data, where = s.recvfrom(2000, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
        else:
            data, where = s.recvfrom(2000)
        os.write(1, b'worker %d\n' % os.getpid())
        if data[:4] == b'busy':
            time.sleep(2)
        s.sendto(data, where)
print('serving', *pids, flush=True)
os.wait()
EOF

# Each opens its queues.
all_accelerated()
{
	local pid
	for pid in $(sed -n 's/^serving//p' "$KB_TMP/workers.log"); do accelerated "$pid" || return 1; done
}

workers_case() # NAME COUNT HOW [nobody]
{
	local name=$1 count=$2 in answer fewest
	shift
	spawn "$NS_A" workers preload 5300 python3 "$KB_TMP/workers.py" "$@"
	wait_until 5 grep -q '^serving' "$KB_TMP/workers.log"
	wait_until 10 all_accelerated || not_ok "$name: each has its queues"
	client -n 10 -t 500 "$A4" 5300 >/dev/null
	in=$(kernel_udp "$NS_A" InDatagrams)
	# So many flows that each worker is the first choice for some.
	answer=$(client -n 1500 -g 200 -P 250 "$A4" 5300)
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in))
	equal "$name: all are answered, none twice" 'sent 1500 back 1500 bad 0' "${answer% from*}"
	fewest=$(grep '^worker' "$KB_TMP/workers.log" | sort | uniq -c | awk 'NR == 1 || $1 < n { n = $1 } END { print n + 0 }')
	equal "$name: every worker serves" "$count" "$(grep '^worker' "$KB_TMP/workers.log" | sort -u | wc -l)"
	check "$name: a fair share for each (at least $fewest of 1500)" test "$fewest" -ge $((1500 / count / 10))
	check "$name: past the kernel ($in of 1500 through it)" test "$in" -le 150
	# shellcheck disable=SC2046
	kill -9 $(ip netns pids "$NS_A") 2>/dev/null
	wait_until 2 no_xdp "$NS_A" veth0 || not_ok "$name: the program stays"
}
workers_case 'three workers' 3 block
workers_case 'three workers with poll()' 3 poll
workers_case 'three workers that drop root' 3 block nobody
workers_case 'twelve workers' 12 block

# One is busy: the others get what comes meanwhile, of its own peers, too.
spawn "$NS_A" workers preload 5300 python3 "$KB_TMP/workers.py" 2 block
wait_until 5 grep -q '^serving' "$KB_TMP/workers.log"
wait_until 10 all_accelerated || not_ok 'two workers: each has its queues'
client -n 20 "$A4" 5300 >/dev/null
run_in "$NS_B" python3 - "$A4" >"$KB_TMP/out" <<'EOF'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 5300))
s.settimeout(1)
s.send(b'busy')
time.sleep(0.1)
slowest = 0
for i in range(50):
    t = time.time()
    s.send(b'%d' % i)
    if s.recv(100) != b'%d' % i:
        print('wrong answer')
    slowest = max(slowest, time.time() - t)
print('slowest', int(slowest * 1000))
EOF
check "one is busy, the other serves its peers ($(cat "$KB_TMP/out") ms)" grep -qE '^slowest [0-9]{1,3}$' "$KB_TMP/out"
finish
