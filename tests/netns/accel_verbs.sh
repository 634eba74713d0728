#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 170
#
# accel_verbs.sh - whole programs over the verbs backend, with a fake device in the place of the NIC (tests/lib/verbs.sh).

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
# shellcheck source=tests/lib/verbs.sh
. "$(dirname "$0")/../lib/verbs.sh"
need python3
verbs_pair
export KBACCEL_NIC=verbs

# case NAME ADDRESS [server option...] PORT [step...]
serve_case()
{
	local name=$1 address=$2 server
	shift 2
	start_fast server 5300 "$@" || { not_ok "$name: starts"; stop "$SPAWNED"; return; }
	server=$SPAWNED
	exchange "$name" fast 100 "$address" 5300
	stop "$server"
}

serve_case 'IPv4 wildcard' "$A4" 5300
serve_case 'IPv4 specific address' "$A4" -b "$A4" 5300
serve_case 'IPv6 wildcard' "$A6" -6 5300
serve_case 'IPv6 specific address' "$A6" -6 -b "$A6" 5300
serve_case 'dual stack, IPv6 client' "$A6" -d 5300
serve_case 'dual stack, IPv4 client' "$A4" -d 5300
for how in poll epoll; do
	serve_case "waits with $how" "$A4" -w $how 5300
done

start_peer
for mode in '' '-c' '-P 8' '-c -P 8'; do
	in=$(kernel_udp "$NS_A" InDatagrams) out=$(kernel_udp "$NS_A" OutDatagrams)
	# shellcheck disable=SC2086
	answer=$(run_in "$NS_A" preload '*' "$bin/accel_client" -n 100 $mode "$B4" $PEER_PORT 2>&1)
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in)) out=$(($(kernel_udp "$NS_A" OutDatagrams) - out))
	check "client${mode:+ $mode}: all answers" test "${answer% from*}" = 'sent 100 back 100 bad 0'
	check "client${mode:+ $mode}: past the kernel ($in received and $out sent through it)" test "$in" -le 16 -a "$out" -le 16
done

# What the operator is told beforehand.
check_case() # NAME STATUS PATTERN COMMAND...
{
	local name=$1 want=$2 pattern=$3 status
	shift 3
	run_in "$NS_A" "$@" >"$KB_TMP/check" 2>&1
	status=$?
	sed 's/^/# /' "$KB_TMP/check"
	check "check: $name" eval '[[ $status = "$want" ]] && grep -qE "$pattern" "$KB_TMP/check"'
}
check_case 'the device is taken' 0 '^pass  veth0: verbs fake_0 port 1: the NIC steers' "$tool" check veth0
check_case 'how many' 0 '^1 interface can be accelerated' "$tool" check
check_case 'without CAP_NET_RAW' 1 '^fail  veth0 .*missing CAP_NET_RAW' setpriv --bounding-set -net_raw --inh-caps -net_raw "$tool" check veth0
check_case 'AF_XDP is not looked at' 1 '^fail  .*RDMA' env FAKE_VERBS="$KB_TMP/nowhere" "$tool" check veth0

# Addresses come and go: the rules follow.
start_fast server 5300 -d 5300
server=$SPAWNED
check_case 'beside a process that has it' 0 '^pass  veth0: verbs' "$tool" check veth0
exchange 'after that the process still has it' fast 50 "$A4" 5300
ip -n "$NS_A" addr add 10.77.1.7/24 dev veth0
sleep 0.5
exchange 'an address that was added' fast 50 10.77.1.7 5300
ip -n "$NS_A" addr del 10.77.1.7/24 dev veth0
# The rest of the traffic, and what the tool says.
check 'IPv4 ping' eval "run_in $NS_B ping -q -c 3 -i 0.05 -W 1 $A4 >/dev/null"
check 'IPv6 ping' eval "run_in $NS_B ping -q -c 3 -i 0.05 -W 1 $A6 >/dev/null"
answer=$(client -n 5 -z 3000 "$A4" 5300)
equal 'fragments come through the kernel' 'sent 5 back 5 bad 0' "${answer% from*}"
start other 5399 5398 && plain=$SPAWNED
exchange 'another port is the kernel' slow 20 "$A4" 5398
stop "$plain"
sleep 0.6
"$tool" stat "$server" >"$KB_TMP/stat"
check 'stat: the queue' grep -qE '^  queue veth0/0 \(verbs fake_0 port 1\)' "$KB_TMP/stat"

# The MAC changes.
ip -n "$NS_A" link set veth0 address 02:00:00:00:77:01
sleep 0.5
run_in "$NS_B" ip neigh flush dev veth0
exchange 'another MAC address' fast 50 "$A4" 5300

# Stopped: there is no lease in hardware. What the ring holds is there afterwards, and nothing is left out of order.
stop "$server"
start_fast server 5300 -s 5300
server=$SPAWNED
kill -STOP "$server"
sleep 1.2
client -s -N 1000 -n 200 "$A4" 5300 >/dev/null
kill -CONT "$server"
wait_until 2 eval '[[ $(numbers_in server 1000 1199) = 200 ]]'
equal 'stopped: its rules hold, the ring has it' '200 200' "$(numbers_in server 1000 1199) $(lines_in server 1000 1199)"
kill -KILL "$server"
wait "$server" 2>/dev/null
spawn "$NS_A" next "$bin/accel_server" 5300
wait_until 2 udp_bound "$NS_A" 5300
exchange 'killed: the kernel has the port' slow 50 "$A4" 5300
stop "$SPAWNED"

# Shared ports are not for hardware.
for option in -S -R; do
	start server 5300 $option 5300
	wait_until 2 grep -q 'SO_REUSEPORT' "$KB_TMP/server.log"
	exchange "$option: the kernel serves" slow 20 "$A4" 5300
	check "$option: says why" grep -q 'stays on the kernel path.*SO_REUSEPORT' "$KB_TMP/server.log"
	stop "$SPAWNED"
done

# From bind() to serving.
serving_pid()
{
	local pid
	for pid in $(ip netns pids "$NS_A"); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != accel_server ]] || echo "$pid"
	done | tail -n 1
}
serves_fast()
{
	pid=$(serving_pid)
	[[ -n $pid ]] && accelerated "$pid"
}
kill_all()
{
	# shellcheck disable=SC2046
	kill -KILL $(ip netns pids "$NS_A") 2>/dev/null
	wait "$SPAWNED" 2>/dev/null
	wait_until 2 eval '[[ -z $(ip netns pids "$NS_A") ]]'
}
prepare_case()
{
	local name=$1
	shift
	start server 5300 "$@" || not_ok "$name: starts"
	if ! wait_until 3 serves_fast; then
		note "$(tail -n 3 "$KB_TMP/server.log")"
		not_ok "$name: accelerated"
	else
		exchange "$name" fast 50 "$A4" 5300
		if [[ $name = *,* ]]; then
			sleep 1.1
			exchange "$name, a second later" fast 50 "$A4" 5300
		fi
		check "$name: still runs" test -n "$(serving_pid)"
	fi
	kill_all
}
mkdir "$KB_TMP/empty"
prepare_case 'one fork' 5300 fork
prepare_case 'daemon()' 5300 daemon
prepare_case 'drops root' 5300 nobody
prepare_case 'seccomp' 5300 seccomp
prepare_case 'chroot, root dropped, seccomp' 5300 "chroot=$KB_TMP/empty" nobody seccomp

# A daemon that drops root: a child may not steer for its parent, so rules wait for the first receive, which may not add any.
start server 5300 5300 daemon nobody
wait_until 2 eval 'grep -q "CAP_NET_RAW" "$KB_TMP/server.log" || serves_fast'
answer=$(client -n 50 "$A4" 5300)
equal 'a daemon that drops root serves' 'sent 50 back 50 bad 0' "${answer% from*}"
kill_all

# Workers on one socket: the kernel shares it out.
start server 5300 5300 workers=2
answer=$(client -n 100 -P 4 "$A4" 5300)
equal 'forked workers: all answers' 'sent 100 back 100 bad 0' "${answer% from*}"
exchange 'forked workers: the kernel serves' slow 50 "$A4" 5300
kill_all

# A child that runs another program changes nothing, and keeps no rule in force when the server is killed. One that does not, and
# so may receive: the kernel has the socket while it lives.
forking_server() # WHAT THE CHILD DOES
{
	spawn "$NS_A" server preload 5300 python3 -c '
import os, socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5300))
if os.fork() == 0:
    '"$1"'
print("serving", flush=True)
while True:
    data, peer = s.recvfrom(2048)
    s.sendto(data, peer)'
	server=$SPAWNED
	wait_until 5 grep -q serving "$KB_TMP/server.log"
}
forking_server 'os.execvp("sleep", ["sleep", "60"])'
wait_until 3 accelerated "$server"
exchange 'its child runs another program' fast 50 "$A4" 5300
kill -KILL "$server"
wait "$server" 2>/dev/null
spawn "$NS_A" next "$bin/accel_server" 5300
wait_until 2 udp_bound "$NS_A" 5300
exchange 'killed, its child lives on: the kernel has the port' slow 50 "$A4" 5300
kill_all
forking_server 'time.sleep(1.5); os._exit(0)'
exchange 'a child that may receive: the kernel has the socket' slow 50 "$A4" 5300
check 'a child that may receive: stat says why' eval '"$tool" stat "$server" | grep -q "why: .*were forked"'
wait_until 4 accelerated "$server"
exchange 'the child has ended' fast 50 "$A4" 5300
kill_all

# Where KBACCEL_NIC=auto looks for an RDMA device at all: on a host that has the kernel's directory of them.
cat >"$KB_TMP/with_rdma" <<-'END'
	#!/bin/sh
	mkdir -p "$KB_TMP/class" && mount --rbind /sys/class "$KB_TMP/class" && mount -t tmpfs none /sys/class &&
		mkdir /sys/class/net /sys/class/infiniband_verbs && mount --bind "$KB_TMP/class/net" /sys/class/net && exec "$@"
END
chmod 755 "$KB_TMP/with_rdma"
start_auto()
{
	preload_env 5300
	spawn "$NS_A" server "$KB_TMP/with_rdma" env "${PRELOAD_ENV[@]}" KBACCEL_NIC=auto KBACCEL_LOG=info "$bin/accel_server" 5300
	wait_until 5 grep -q '^serving' "$KB_TMP/server.log"
	wait_until 3 accelerated "$SPAWNED" || note "$(cat "$KB_TMP/server.log")"
}

# The device goes, and the interface stays.
start_fast server 5300 5300 && server=$SPAWNED
hca_toggle device 'device removed'
wait_until 3 grep -q 'veth0 is gone' "$KB_TMP/server.log"
exchange 'device removed: the kernel serves' slow 50 "$A4" 5300
check 'device removed: says so' grep -q 'is there again, but its traffic stays on the kernel path.*RDMA' "$KB_TMP/server.log"
stop "$server"
hca_toggle device 'device is back'
check_case 'auto: the device comes first' 0 '^pass  veth0: verbs' "$KB_TMP/with_rdma" env KBACCEL_NIC=auto "$tool" check veth0
start_auto
server=$SPAWNED
"$tool" stat "$server" >"$KB_TMP/stat"
check 'auto takes the RDMA device' grep -q '(verbs fake_0' "$KB_TMP/stat"
hca_toggle device 'device removed'
wait_until 3 grep -q 'is there again, and accelerated' "$KB_TMP/server.log"
sleep 0.3
exchange 'device removed, auto: AF_XDP serves' fast 50 "$A4" 5300
stop "$server"
hca_toggle device 'device is back'

# Not every device will do; without one, auto means AF_XDP.
fallback_case() # NAME TEXT
{
	KBACCEL_NIC=verbs start server 5300 5300
	exchange "$1, verbs: the kernel serves" slow 20 "$A4" 5300
	check "$1, verbs: says why" grep -q "stays on the kernel path: .*$2" "$KB_TMP/server.log"
	stop "$SPAWNED"
	start_auto
	exchange "$1, auto: AF_XDP serves" fast 20 "$A4" 5300
	check_case "auto, $1" 0 "^warn  .*$2.* - AF_XDP is used" "$KB_TMP/with_rdma" env KBACCEL_NIC=auto "$tool" check veth0
	equal "$1, auto: one line of information" 1 "$(grep -c "info: .*$2" "$KB_TMP/server.log")"
	stop "$SPAWNED"
}
stop "$HCA"
hca_start -o no-raw
fallback_case 'no raw packet queues' 'no raw packet queues'
stop "$HCA"
hca_start -o mlx4
export KBACCEL_NIC=verbs
start_fast server 5300 -d 5300
exchange 'mlx4: IPv4 is fast' fast 50 "$A4" 5300
in=$(kernel_udp "$NS_A" InDatagrams)
answer=$(client -n 50 "$A6" 5300)
equal 'mlx4: IPv6 comes through the kernel' 'sent 50 back 50 bad 0 / 50' "${answer% from*} / $(($(kernel_udp "$NS_A" InDatagrams) - in))"
stop "$SPAWNED"
unset FAKE_VERBS
fallback_case 'no RDMA device' 'no RDMA device'
KBACCEL_NIC=auto KBACCEL_LOG=info start_fast server 5300 5300
check 'no RDMA at all: a line of information, and nothing is loaded' eval 'grep -q "info: no /sys/class/infiniband_verbs" "$KB_TMP/server.log" &&
	! grep -q libibverbs "/proc/$SPAWNED/maps"'
stop "$SPAWNED"
finish
