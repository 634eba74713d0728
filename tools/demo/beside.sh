# SPDX-License-Identifier: BSD-3-Clause
# beside.sh - what shares the interface with each program of the demo: ping, and a paced TCP stream of about 30 Mbit/s.
#
# Both are the kernel's business from end to end; the table shows that they work, and how well, next to the fast path.
# shellcheck shell=bash disable=SC2034,SC2086,SC2154

BESIDE_PORT=5999
BESIDE_RATE=40 # Mbit/s if sleeping took no longer than asked for
declare -A PINGS_SENT PINGS_BACK TCP_BYTES TCP_NS

# The receiver of the stream: writes down how many bytes each connection brought.
beside_server() {
	mkdir "$LAB_DIR/tcp"
	ip netns exec "$LAB_SERVER_NS" socat -u "TCP4-LISTEN:$BESIDE_PORT,bind=$LAB_SERVER,fork,reuseaddr" \
		SYSTEM:"wc -c >$LAB_DIR/tcp/\$\$" 2>"$LAB_DIR/beside.server" &
	lab_wait_port -t $BESIDE_PORT || lab_die "the TCP server beside the programs did not come up"
}

beside_start() {
	ip netns exec "$LAB_CLIENT_NS" ping -q -i 0.2 -w 20 $LAB_SERVER >"$LAB_DIR/beside.ping" 2>&1 &
	BESIDE_PING=$!
	BESIDE_BEGAN=$(date +%s%N)
	ip netns exec "$LAB_CLIENT_NS" timeout 20 bash -c "
		while head -c $((BESIDE_RATE * 1000000 / 8 / 50)) /dev/zero; do sleep 0.02; done |
		socat -u - TCP4:$LAB_SERVER:$BESIDE_PORT" >"$LAB_DIR/beside.tcp" 2>&1 &
	BESIDE_TCP=$!
}

# Ends both and adds up what they did in this mode.
beside_stop() { # program mode
	local sent back bytes took
	took=$(($(date +%s%N) - BESIDE_BEGAN))
	kill -INT $BESIDE_PING 2>/dev/null
	kill -TERM $BESIDE_TCP 2>/dev/null
	wait $BESIDE_PING $BESIDE_TCP 2>/dev/null
	sleep 0.2
	read -r sent back < <(awk '/packets transmitted/ { print $1, $4 }' "$LAB_DIR/beside.ping")
	bytes=$(cat "$LAB_DIR"/tcp/* 2>/dev/null | awk '{ n += $1 } END { print n + 0 }')
	rm -f "$LAB_DIR"/tcp/*
	PINGS_SENT[$2]=$((${PINGS_SENT[$2]:-0} + ${sent:-0}))
	PINGS_BACK[$2]=$((${PINGS_BACK[$2]:-0} + ${back:-0}))
	TCP_BYTES[$2]=$((${TCP_BYTES[$2]:-0} + bytes))
	TCP_NS[$2]=$((${TCP_NS[$2]:-0} + took))
	beside_check "$1" "$2" "${sent:-0}" "${back:-0}" "$bytes"
}

# Under the flood the veth ring itself overflows, so there some losses are nobody's fault; elsewhere they are.
beside_check() { # program mode sent back bytes
	local least=80
	[ "$1" = sink ] && least=1
	[ "$3" -gt 0 ] && [ $((100 * $4 / $3)) -ge $least ] ||
		BESIDE_WRONG+=("ping beside $1, $2: $4 replies to $3 requests")
	[ "$5" -gt 0 ] || [ "$1" = sink ] || BESIDE_WRONG+=("TCP beside $1, $2: nothing arrived")
}
BESIDE_WRONG=()

beside_judge() {
	local wrong mode
	for mode in kernel kbaccel; do
		VALUE[ping.$mode]=$(awk -v b="${PINGS_BACK[$mode]:-0}" -v s="${PINGS_SENT[$mode]:-0}" \
			'BEGIN { printf "%.1f\n", s ? 100 * b / s : 0 }')
		VALUE[tcp.$mode]=$(awk -v b="${TCP_BYTES[$mode]:-0}" -v ns="${TCP_NS[$mode]:-0}" \
			'BEGIN { printf "%.1f\n", ns ? 8000 * b / ns : 0 }')
	done
	for wrong in "${BESIDE_WRONG[@]}"; do
		FAILED+=("beside kernel+kbaccel $wrong")
	done
}

beside_table() {
	table_line ping "beside the programs, % answered" "${VALUE[ping.kernel]}" "${VALUE[ping.kbaccel]}" \
		"$(lab_ratio "${VALUE[ping.kbaccel]}" "${VALUE[ping.kernel]}")" kernel
	table_line "TCP" "paced stream beside them, Mbit/s" "${VALUE[tcp.kernel]}" "${VALUE[tcp.kbaccel]}" \
		"$(lab_ratio "${VALUE[tcp.kbaccel]}" "${VALUE[tcp.kernel]}")" kernel
}
