#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_multicast.sh - multicast groups, whole processes: received past the kernel while all who hear a group are
# accelerated; as soon as somebody else joins, or the host routes multicast, the kernel delivers to all.

# shellcheck source=tests/lib/netns.sh
. "$(dirname "$0")/../lib/netns.sh"
need python3
[[ -e $BUILD/libkbaccel.so ]] || skip_all 'no libkbaccel.so'
ns_pair
group=239.7.7.7 port=5310

# Prints each datagram; says on stderr when it is there.
cat >"$KB_TMP/hear.py" <<'END'
import select, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[2])))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             struct.pack("4s4si", socket.inet_aton(sys.argv[1]), b"\0\0\0\0", socket.if_nametoindex("veth0")))
p = select.poll()
p.register(s, select.POLLIN)
print("ready", flush=True)
while True:
    if p.poll(20):
        print(s.recv(2048).decode(), flush=True)
END
cat >"$KB_TMP/say.py" <<'END'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
for i in range(int(sys.argv[5])):
    s.sendto((sys.argv[4] + str(i)).encode(), (sys.argv[2], int(sys.argv[3])))
    time.sleep(0.002)
END
cat >"$KB_TMP/route.py" <<'END'
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
s.setsockopt(socket.IPPROTO_IP, 200, 1)                       # MRT_INIT
s.setsockopt(socket.IPPROTO_IP, 202, struct.pack("HBBI4s4s",  # MRT_ADD_VIF
             0, 8, 1, 0, struct.pack("i", socket.if_nametoindex("veth0")), b"\0\0\0\0"))
print("ready", flush=True)
time.sleep(60)
END

# hear NAME [preload PORTS]: a receiver in the background; HEARER is its process id.
hear()
{
	local name=$1
	shift
	spawn "$NS_A" "$name" "$@" python3 "$KB_TMP/hear.py" $group $port
	HEARER=$SPAWNED
	wait_until 10 grep -q ready "$KB_TMP/$name.log" || die "$name: $(cat "$KB_TMP/$name.log")"
	sleep 0.3
}

say() { run_in "$NS_B" python3 "$KB_TMP/say.py" "$B4" $group $port "$1" "$2"; sleep 0.2; }
heard() { grep -c "^$2[0-9]" "$KB_TMP/$1.log"; }

hear fast preload $port
fast=$HEARER
before=$(udp_counter "$NS_A" InDatagrams)
say a 50
equal 'an accelerated member hears all' 50 "$(heard fast a)"
check 'past the kernel' test $(($(udp_counter "$NS_A" InDatagrams) - before)) -lt 5

hear slow
slow=$HEARER
say b 50
equal 'with another program, too: the accelerated one' 50 "$(heard fast b)"
equal 'and the other one' 50 "$(heard slow b)"
check 'it is counted' eval '"$BUILD/kbaccel" stat "$fast" | grep -q groups_left'

stop "$slow"
sleep 0.3
before=$(udp_counter "$NS_A" InDatagrams)
say c 50
equal 'alone again: all' 50 "$(heard fast c)"
check 'past the kernel again' test $(($(udp_counter "$NS_A" InDatagrams) - before)) -lt 5

spawn "$NS_A" router python3 "$KB_TMP/route.py"
router=$SPAWNED
if wait_until 5 grep -q ready "$KB_TMP/router.log" &&
	[[ $(run_in "$NS_A" cat /proc/sys/net/ipv4/conf/veth0/mc_forwarding) = 1 ]]; then
	sleep 0.3
	before=$(udp_counter "$NS_A" InDatagrams)
	say d 30
	equal 'the host routes multicast: all' 30 "$(heard fast d)"
	check 'by the kernel' test $(($(udp_counter "$NS_A" InDatagrams) - before)) -ge 30
else
	skip 'the host routes multicast' 'this kernel has no multicast routing'
fi
stop "$router"

kill -KILL "$fast"
hear again
say e 20
equal 'after kill -9: the next one, on the kernel, hears all' 20 "$(heard again e)"
finish
