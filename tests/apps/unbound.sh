#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# unbound.sh - Unbound with local data: libevent or its own loop, recvmsg, several addresses, TCP beside UDP.
# PACKAGES: unbound bind9-dnsutils dnsperf
. "$(dirname "$0")/lib.sh"
. "$here/lib_dns.sh"
app_need unbound dig dnsperf
app_lab
cat >"$tmp/unbound.conf" <<CONF
server:
	interface: $addr4
	interface: $addr6
	access-control: 0.0.0.0/0 allow
	access-control: ::/0 allow
	username: ""
	chroot: ""
	directory: "$tmp"
	pidfile: "$tmp/unbound.pid"
	use-syslog: no
	logfile: ""
	do-daemonize: no
	num-threads: 1
	module-config: "iterator"
	local-zone: "test." static
	local-data: "a.test. A 192.0.2.1"
	local-data: "b.test. AAAA 2001:db8::2"
	local-data: 'big.test. TXT "$(head -c 200 /dev/zero | tr '\0' x)" "$(head -c 200 /dev/zero | tr '\0' y)"'
remote-control:
	control-enable: no
CONF
app_server 53 unbound -d -c "$tmp/unbound.conf"
app_wait 53
dns_checks
app_end
