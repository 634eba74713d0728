#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# sockperf.sh - sockperf's server with each of its ways to wait, in ping-pong and under load.
# PACKAGES: sockperf
. "$(dirname "$0")/lib.sh"
app_need sockperf
app_lab

# sockperf_run MODE OPTION...: nothing dropped, duplicated or out of order.
sockperf_run()
{
	app_client sockperf "$@" >"$tmp/sockperf.log" 2>&1
	cat "$tmp/sockperf.log"
	grep -q 'dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0' "$tmp/sockperf.log"
}

# sockperf_case NAME PORT SERVER-OPTION...
sockperf_case()
{
	local name=$1 port=$2
	shift 2
	app_server "$port" sockperf sr "$@"
	app_wait "$port"
	app_count_start
	app_check "$name, ping-pong" sockperf_run pp -i $addr4 -p "$port" -t 1 -m 64 --full-rtt
	app_bypassed "$name" 500
	kill "$server_pid" 2>/dev/null
	wait "$server_pid" 2>/dev/null
}

sockperf_case recvfrom 11111 -i $addr4 -p 11111
sockperf_case "recvfrom, non-blocking" 11112 -i $addr4 -p 11112 --nonblocked
for way in p e; do
	printf 'U:%s:%d\nU:%s:%d\n' $addr4 11120 $addr4 11121 >"$tmp/feed"
	sockperf_case "multiplexer $way" 11120 -f "$tmp/feed" -F $way
done
app_server 11130 sockperf sr -i $addr4 -p 11130
app_wait 11130
app_count_start
app_check "under load" sockperf_run ul -i $addr4 -p 11130 -t 1 --mps 5000 -m 200 --reply-every 1
app_bypassed "under load" 2500
app_end
