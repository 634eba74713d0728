#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_mtu.sh - jumbo frames: whatever the MTU lets through arrives whole, past the kernel where the queue can give it; and the same
# for what has to be cut into fragments, by the kernel.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"

sizes_of()
{
	case $1 in
	1500) echo 1 2 18 1400 1471 1472 1473 ;;
	3000) echo 1 1472 1473 1900 2000 2900 2971 2972 2973 ;;
	9000) echo 1 1472 3000 3400 3500 3600 3800 4000 4100 6000 8000 8971 8972 8973 20000 ;;
	esac
}

# received PORT fast|slow SIZE: the answers, of that size, may be sent by whom they like.
received()
{
	local in answer
	client -n 3 -t 500 -z "$3" "$A4" "$1" >/dev/null # the neighbour
	in=$(kernel_udp "$NS_A" InDatagrams)
	answer=$(client -n 50 -z "$3" "$A4" "$1")
	in=$(($(kernel_udp "$NS_A" InDatagrams) - in))
	equal "MTU $mtu: $3 bytes to $1 are received on the $2 path" "sent 50 back 50 bad 0, $([[ $2 = fast ]] && echo 0 || echo 50) by the kernel" \
		"${answer% from*}, $in by the kernel"
}

# In a stream of all sizes none overtakes another, as they would if some took another way.
cat >"$KB_TMP/sizes.py" <<'EOF'
import socket, struct, sys, time
sizes = (64, 8000, 1472, 3000, 5000, 18, 8972)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == 'send':
    for i in range(1400):
        s.sendto(struct.pack('!I', i).ljust(sizes[i % len(sizes)], b'%c' % (i % 251)), (sys.argv[2], 5301))
        if i % 10 == 9:
            time.sleep(0.001)
else:
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20) # SO_RCVBUFFORCE
    s.bind(('', 5301))
    s.settimeout(3)
    print('serving', flush=True)
    count = bad = disorder = 0
    last = -1
    try:
        while last < 1399:
            data = s.recv(65536)
            i, = struct.unpack_from('!I', data)
            count += 1
            bad += data != struct.pack('!I', i).ljust(sizes[i % len(sizes)], b'%c' % (i % 251))
            disorder += i < last
            last = max(i, last)
    except TimeoutError:
        pass
    print('got', count, 'bad', bad, 'disorder', disorder, flush=True)
EOF

# $SPAWNED is the server on 5300, and nobody's afterwards.
jumbo_cases()
{
	local way=fast first=$SPAWNED
	if ! "$tool" stat "$first" | grep -q 'queue veth0/0 (.*, jumbo)'; then
		note "this kernel ($(uname -r)) gives no frames in several buffers"
		way=slow
	fi
	received 5300 $way 8000
	received 5300 $way 3823
	# A second process has a ring, whose records are as long as a chunk.
	start_fast second 5302 5302
	received 5302 fast 3000
	received 5302 slow 8000
	received 5300 $way 8000
	stop "$SPAWNED"
	stop "$first"
	spawn "$NS_A" sizes preload 5301 python3 "$KB_TMP/sizes.py" receive
	wait_until 5 grep -q serving "$KB_TMP/sizes.log"
	run_in "$NS_B" python3 "$KB_TMP/sizes.py" send "$A4"
	wait_until 5 grep -q got "$KB_TMP/sizes.log"
	if [[ $way = fast ]]; then
		equal "MTU $mtu: all sizes in order" 'got 1400 bad 0 disorder 0' "$(grep got "$KB_TMP/sizes.log")"
	else
		check "MTU $mtu: all sizes arrive" grep -q 'got 1400 bad 0' "$KB_TMP/sizes.log"
	fi
}

for mtu in 1500 3000 9000; do
	ns_pair -m $mtu
	start_fast server 5300 -d 5300 || { not_ok "MTU $mtu: starts"; continue; }
	for size in $(sizes_of $mtu); do
		for address in "$A4" "$A6"; do
			answer=$(client -z "$size" -n 20 -t 1500 "$address" 5300)
			check "MTU $mtu: $size bytes to $address: $answer" \
				test "${answer% from*}" = 'sent 20 back 20 bad 0'
		done
	done
	equal "MTU $mtu: nothing broken" 0 "$(bad_lines server)"
	exchange "MTU $mtu: 1400 bytes are fast" fast 50 -z 1400 "$A4" 5300
	[[ $mtu != 3000 ]] || exchange "MTU $mtu: 2900 bytes are fast" fast 50 -z 2900 "$A4" 5300
	[[ $mtu != 9000 ]] || exchange "MTU $mtu: 3000 bytes are fast" fast 50 -z 3000 "$A4" 5300
	if [[ $mtu = 9000 ]]; then jumbo_cases; else stop "$SPAWNED"; fi
	ns_del_all
	ns_list=()
done

# The MTU grows and shrinks under a running server.
ns_pair
start_fast server 5300 5300
ip -n "$NS_A" link set veth0 mtu 1300 && ip -n "$NS_B" link set veth0 mtu 1300
sleep 0.3
for size in 64 1200 1272 1273 1400 3000; do
	answer=$(client -z $size -n 10 -t 1500 "$A4" 5300)
	check "MTU shrinks to 1300: $size bytes: $answer" test "${answer% from*}" = 'sent 10 back 10 bad 0'
done
finish
