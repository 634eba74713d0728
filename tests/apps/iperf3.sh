#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# iperf3.sh - iperf3 -u: select(), connect() to the client after its first datagram, a new socket for each test, TCP beside it.
# PACKAGES: iperf3 python3
. "$(dirname "$0")/lib.sh"
app_need iperf3 python3
app_lab

# iperf_run ADDRESS OPTION...: less than one in a hundred lost, at least 500 sent.
iperf_run()
{
	local address=$1
	shift
	app_client iperf3 -c "$address" -u -J -t 2 -b 6M -l 1000 "$@" >"$tmp/iperf.json" || {
		cat "$tmp/iperf.json"
		return 1
	}
	python3 - "$tmp/iperf.json" <<-PYTHON
	import json, sys
	end = json.load(open(sys.argv[1]))["end"]["sum"]
	print(end)
	sys.exit(not (end["packets"] > 500 and end["lost_packets"] * 100 <= end["packets"]))
	PYTHON
}

app_server 5201 iperf3 -s -p 5201
sleep 0.7
app_count_start
app_check "to the server, IPv4" iperf_run $addr4
app_bypassed "to the server, IPv4" 500 rx
app_count_start
app_check "to the server, IPv6" iperf_run $addr6
app_bypassed "to the server, IPv6" 500 rx
app_check "from the server" iperf_run $addr4 -R
app_check "two streams" iperf_run $addr4 -P 2
app_check "fragments" iperf_run $addr4 -l 4000 -b 30M
app_alive
app_end
