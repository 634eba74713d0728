# SPDX-License-Identifier: BSD-3-Clause
# programs.sh - the programs of the demo. For each program P:
#
#   WHAT_P, PORT_P    what is measured ("..., unit"), and the server's UDP port
#   SPINS_P=yes       serve with KBACCEL_SPIN: a round trip is measured
#   server_P          starts the server in the background: lab_server_bg ... "${ENVIRONMENT[@]}" program
#   ready_P           waits for it
#   client_P PID      runs the client, about 3 s; PID is the server's
#   result_P LOG      from LOG.server and LOG.client: RESULT and HANDLED, the datagrams the server was given
# shellcheck shell=bash disable=SC2034,SC2086,SC2154

PROGRAMS="sockperf iperf3 dnsmasq socat sink"

WHAT_sockperf="ping-pong round trip, p50 us" PORT_sockperf=11111 SPINS_sockperf=yes
WHAT_iperf3="-u, 64 byte, datagrams/s" PORT_iperf3=5301
WHAT_dnsmasq="asked by dnsperf, queries/s" PORT_dnsmasq=53
WHAT_socat="echo round trip, p50 us" PORT_socat=7000 SPINS_socat=yes
WHAT_sink="recvmmsg, flooded, datagrams/s" PORT_sink=9000

server_sockperf() {
	lab_server_bg timeout 30 "${ENVIRONMENT[@]}" sockperf server -i $LAB_SERVER -p $PORT_sockperf
}

ready_sockperf() {
	lab_wait_port $PORT_sockperf
}

client_sockperf() {
	lab_client timeout 15 sockperf ping-pong -i $LAB_SERVER -p $PORT_sockperf -t 3 --full-rtt --nonblocked
}

result_sockperf() {
	RESULT=$(awk '/percentile 50.000/ { print $NF }' "$1.client")
	HANDLED=$(sed -n 's/.*\[Total Run\].*ReceivedMessages=\([0-9]*\).*/\1/p' "$1.client")
	HANDLED=${HANDLED:-0}
}

# The control connection is TCP on the same port number; it stays with the kernel.
server_iperf3() {
	lab_server_bg timeout 30 "${ENVIRONMENT[@]}" iperf3 -s -1 -4 -p $PORT_iperf3
}

ready_iperf3() {
	lab_wait_port -t $PORT_iperf3
}

client_iperf3() {
	lab_client timeout 15 iperf3 -c $LAB_SERVER -p $PORT_iperf3 -u -b 0 -l 64 -t 3
}

# The receiver's line ends in "LOST/TOTAL (PERCENT)  receiver".
result_iperf3() {
	read -r RESULT HANDLED < <(awk '$NF == "receiver" && match($0, /[0-9]+\/[0-9]+ \(/) {
		split(substr($0, RSTART, RLENGTH), n, /[\/ ]/)
		got = n[2] - n[1]
		split($3, t, "-")
		printf "%.0f %d\n", got / (t[2] - t[1]), got
	}' "$1.client")
	HANDLED=${HANDLED:-0}
}

server_dnsmasq() {
	lab_server_bg timeout 30 "${ENVIRONMENT[@]}" dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= \
		--user=root --log-facility=- --port=$PORT_dnsmasq --no-resolv --no-hosts --bind-interfaces \
		--listen-address=$LAB_SERVER --address=/#/10.99.0.1
}

ready_dnsmasq() {
	lab_wait_port $PORT_dnsmasq
}

client_dnsmasq() {
	local i
	for i in $(seq 200); do
		echo "host$i.example A"
	done >"$LAB_DIR/queries"
	lab_client timeout 15 dnsperf -s $LAB_SERVER -p $PORT_dnsmasq -d "$LAB_DIR/queries" -l 3 -t 1
}

# Only right answers count: those with NOERROR.
result_dnsmasq() {
	HANDLED=$(awk '/Queries completed:/ { print $3 }' "$1.client")
	HANDLED=${HANDLED:-0}
	RESULT=$(awk '/Queries per second:/ { qps = $4 }
		/Response codes:/ && match($0, /NOERROR [0-9]+ \([0-9.]+%/) {
			split(substr($0, RSTART, RLENGTH), n, /[(%]/)
			good = n[2]
		}
		END { printf "%.0f\n", qps * good / 100 }' "$1.client")
}

# A UDP listener that takes its first client, connects to it and feeds what comes back into a pipe.
server_socat() {
	lab_server_bg timeout 30 "${ENVIRONMENT[@]}" socat UDP4-LISTEN:$PORT_socat,bind=$LAB_SERVER PIPE
}

ready_socat() {
	lab_wait_port $PORT_socat
}

client_socat() {
	lab_client timeout 15 "$LAB_BIN/rtt" --address $LAB_SERVER --port $PORT_socat --seconds 3
}

result_socat() {
	local lost sent
	read -r RESULT _ _ _ _ lost sent _ <"$1.client"
	HANDLED=$((${sent:-0} - ${lost:-0}))
}

server_sink() {
	lab_server_bg timeout 30 "${ENVIRONMENT[@]}" "$LAB_BIN/sink" --address $LAB_SERVER --port $PORT_sink \
		--mode recvmmsg --warmup 0.3 --seconds 3
}

ready_sink() {
	lab_wait_port $PORT_sink
}

# The sink ends by itself, a little before the flood does.
client_sink() {
	lab_flood $PORT_sink 4 && wait "$1"
}

result_sink() {
	read -r _ _ RESULT _ HANDLED < <(grep -E '^[0-9]+ [0-9.]+ [0-9]+ [0-9]+ [0-9]+$' "$1.server")
	HANDLED=${HANDLED:-0}
}
