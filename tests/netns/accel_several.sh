#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 120
#
# accel_several.sh - several accelerated processes on one interface: each has a seat of its own (nic/xdp/xdp_hub.h), whoever
# started first, whatever becomes of the others, whoever they run as.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair

begin() # NAME [option...] PORT: the process is in PID[NAME]
{
	local name=$1
	shift
	start_fast "$name" "$PORTS" -d "$@" && PID[$name]=$SPAWNED
}
declare -A PID
mode() { "$tool" stat "${PID[$1]}" | grep -o 'AF_XDP [a-z-]*\|XDP ring' | head -n 1; }
end()
{
	stop "${PID[$1]}"
	unset "PID[$1]"
}
both() # NAME PORT
{
	exchange "$1, IPv4" fast 100 "$A4" "$2"
	exchange "$1, IPv6" fast 100 "$A6" "$2"
}

begin one 5301
run_in "$NS_A" "$tool" check veth0 >"$KB_TMP/check" 2>&1
check 'kbaccel check says that it can be shared' grep -q 'others may share it' "$KB_TMP/check"
begin two 5302
begin three -w epoll 5303
equal 'the first has the queues, the others rings' 'AF_XDP copy XDP ring XDP ring' "$(mode one) $(mode two) $(mode three)"
for i in 1 2 3; do both "three processes, number $i" 530$i; done
exchange 'segments' fast 100 -B 10 "$A4" 5302
exchange 'large ones' fast 50 -z 1472 "$A4" 5303
check 'nobody saw what was another one'"'"'s' test "$(cat "$KB_TMP"/{one,two,three}.log | grep -c BAD)" = 0

ip -n "$NS_A" link set veth0 address 02:00:00:00:77:01
ip -n "$NS_B" neigh flush all
sleep 0.4
for i in 1 2 3; do exchange "the interface has another address, number $i" fast 100 "$A4" 530$i; done

end one
both 'the first has ended, the second' 5302
both 'the first has ended, the third' 5303
begin four 5304
equal 'a new one gets the free queues' 'AF_XDP copy' "$(mode four)"
both 'a new one' 5304
both 'beside it, the second' 5302
kill -9 "${PID[two]}"
both 'one was killed, the third' 5303
both 'one was killed, the fourth' 5304
begin two 5302
both 'the one that was killed, again' 5302
kill -9 "${PID[four]}"
begin four 5304
both 'the one with the queues was killed, and is back' 5304
kill -9 "${PID[four]}" "${PID[three]}"
# Nobody is on the port, so its datagrams are the kernel's, which has a socket there now.
sleep 1.2
spawn "$NS_A" plain "$bin/accel_server" -d 5304
wait_until 5 udp_bound "$NS_A" 5304
exchange 'a server without us on the port of one that was killed' slow 20 "$A4" 5304
both 'beside it, the second' 5302
stop "$SPAWNED"
end two
check 'the last one takes the program with it' wait_until 2 no_xdp "$NS_A" veth0

# Sockets of one port in several processes.
begin one -S 5310
begin two -S 5310
client -n 400 -g 200 -P 64 "$A4" 5310 >"$KB_TMP/out"
check 'a reuseport group of two processes: all answered' grep -q '^sent 400 back 400 bad 0' "$KB_TMP/out"
n1=$(grep -c '^got' "$KB_TMP/one.log") n2=$(grep -c '^got' "$KB_TMP/two.log")
check "a reuseport group of two processes shares ($n1, $n2)" test "$n1" -gt 60 -a "$n2" -gt 60
both 'a reuseport group of two processes' 5310
end one
both 'one of them has ended' 5310
end two

# An address each, of one port.
begin one -b "::ffff:$A4" 5311
begin two -6 -b "$A6" 5311
both 'an address each' 5311
end one
end two

# Other users, with the capabilities only.
caps=+net_admin,+net_raw,+bpf,+perfmon,+sys_admin
begin one 5301
spawn "$NS_A" two setpriv --reuid 65534 --clear-groups --inh-caps=-all,$caps --ambient-caps=-all,$caps env \
	"LD_PRELOAD=$PRELOAD" "KBACCEL_PORTS=$PORTS" "$bin/accel_server" -d 5302
PID[two]=$SPAWNED
check 'another user: accelerated' wait_until 5 accelerated "${PID[two]}"
both 'another user' 5302
end one
end two
check 'nothing stays' wait_until 2 no_xdp "$NS_A" veth0
finish
