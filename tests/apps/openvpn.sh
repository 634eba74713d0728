#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# openvpn.sh - OpenVPN with a static key, both ends under the library: a connected socket, a tun device in the same epoll set.
# PACKAGES: openvpn iputils-ping
. "$(dirname "$0")/lib.sh"
app_need openvpn ping
[ -c /dev/net/tun ] || app_skip "there is no /dev/net/tun"
app_lab
openvpn --genkey secret "$tmp/key"
end="openvpn --dev tun --secret $tmp/key --cipher AES-256-CBC --port 1194 --verb 1"

tunnel()
{
	app_client ping -q -c 200 -i 0.002 -s 1200 -W 2 10.78.0.1 | grep -F ' 0% packet loss'
}

# vpn NAME PROTOCOL ADDRESS PEER
vpn()
{
	local name=$1 proto=$2 address=$3 peer=$4 first
	app_server 1194 $end --proto "$proto" --local "$address" --remote "$peer" --ifconfig 10.78.0.1 10.78.0.2
	first=$server_pid
	app_peer 1194 $end --proto "$proto" --local "$peer" --remote "$address" --ifconfig 10.78.0.2 10.78.0.1
	app_wait_log 'Initialization Sequence Completed'
	app_check "$name, first" app_client ping -q -c 1 -W 5 10.78.0.1
	app_count_start
	app_check "$name" tunnel
	app_bypassed_pair "$name" 200
	app_alive "$name"
	app_stop
	server_pid=$first
	app_alive "$name"
	app_stop
	: >"$tmp/server.log"
}

vpn "IPv4" udp4 $addr4 10.77.0.9
vpn "IPv6" udp6 $addr6 fd77::9
app_end
