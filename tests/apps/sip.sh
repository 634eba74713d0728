#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# sip.sh - Kamailio as a SIP server: forked workers that receive on one inherited socket; SIPp calls, and does under
# the library, too.
# PACKAGES: kamailio sip-tester
. "$(dirname "$0")/lib.sh"
app_need kamailio sipp
app_lab

cat >"$tmp/kamailio.cfg" <<CONF
#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
auto_aliases=no
disable_tcp=yes
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "sl.so"
loadmodule "pv.so"
listen=udp:$addr4:5060
listen=udp:[$addr6]:5060
request_route {
	if (method == "ACK") { exit; }
	sl_send_reply("200", "OK");
}
CONF
# calls ADDRESS RUNNER...: 200 calls of SIPp's own scenario, INVITE, ACK and BYE, all of them answered.
calls()
{
	local address=$1
	shift
	(cd "$tmp" && "$@" sipp -sn uac "$address:5060" -m 200 -r 200 -d 1 -nostdin -trace_stat -stf "$tmp/stat.csv" -timeout 10 \
		-timeout_error >"$tmp/sipp.log" 2>&1) || { tail -30 "$tmp/sipp.log"; return 1; }
}

app_server 5060 kamailio -DD -E -f "$tmp/kamailio.cfg" -Y "$tmp" -P "$tmp/kamailio.pid"
app_wait 5060
app_count_start
app_check "calls" calls $addr4 app_client
app_bypassed "calls" 600
app_count_start
app_check "calls, IPv6" calls "[$addr6]" app_client
app_bypassed "calls, IPv6" 600
app_alive
app_stop
app_server_plain kamailio -DD -E -f "$tmp/kamailio.cfg" -Y "$tmp" -P "$tmp/kamailio.pid"
app_wait 5060
app_count_start
app_check "SIPp" calls $addr4 app_client_fast '*'
app_bypassed_client "SIPp" 400
app_end
