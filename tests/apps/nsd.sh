#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# nsd.sh - NSD: binds, forks its servers, drops privileges; recvmmsg and sendmmsg, SO_REUSEPORT.
# PACKAGES: nsd bind9-dnsutils dnsperf
. "$(dirname "$0")/lib.sh"
. "$here/lib_dns.sh"
app_need nsd dig dnsperf
app_lab
dns_zone
cat >"$tmp/nsd.conf" <<CONF
server:
	rrl-ratelimit: 0
	server-count: ${KB_NSD_SERVERS:-1}
	ip-address: $addr4
	ip-address: $addr6
	username: ""
	zonesdir: "$tmp"
	pidfile: "$tmp/nsd.pid"
	xfrdfile: "$tmp/xfrd.state"
	zonelistfile: "$tmp/zone.list"
	xfrdir: "$tmp"
	database: ""
	logfile: "$tmp/nsd.log"
remote-control:
	control-enable: no
zone:
	name: test
	zonefile: test.zone
CONF
app_server 53 nsd -d -c "$tmp/nsd.conf"
app_wait 53
dns_checks
app_end
