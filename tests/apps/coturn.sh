#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# coturn.sh - the TURN server: threads, libevent, many sockets, relay ports, TTL and TOS of each datagram looked at.
# PACKAGES: coturn
. "$(dirname "$0")/lib.sh"
app_need turnserver turnutils_uclient turnutils_stunclient
app_lab

app_server '3478,49152-50000' turnserver -c /dev/null -n --no-cli --no-tls --no-dtls -L $addr4 -E $addr4 \
	-p 3478 --min-port 49152 --max-port 50000 --lt-cred-mech -u kb:secret -r test --allow-loopback-peers \
	--log-file stdout --pidfile "$tmp/turn.pid" --db "$tmp/turndb" --no-stdout-log --relay-threads 2
app_wait 3478
app_check "STUN binding" app_client turnutils_stunclient $addr4
app_client turnutils_peer -L 10.77.0.9 -p 3480 >/dev/null 2>&1 &
sleep 0.2
# turn_peer: all messages come back through the relay.
turn_peer()
{
	app_client turnutils_uclient -e 10.77.0.9 -r 3480 -n 50 -m 2 -l 170 -u kb -w secret $addr4 \
		>"$tmp/turn.log" 2>&1
	tail -12 "$tmp/turn.log"
	awk '/Total lost packets/ { seen = 1; lost = $4 } END { exit !(seen && lost + 0 == 0) }' "$tmp/turn.log"
}
app_count_start
app_check "relayed" turn_peer
app_bypassed "relayed" 150
app_alive
app_end
