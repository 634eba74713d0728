#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# named.sh - BIND: libuv in several threads, SO_REUSEPORT; it drops its capabilities, and root, before it binds.
# PACKAGES: bind9 bind9-dnsutils dnsperf
. "$(dirname "$0")/lib.sh"
. "$here/lib_dns.sh"
app_need named dig dnsperf
app_lab
dns_zone
cat >"$tmp/named.conf" <<CONF
options {
	directory "$tmp";
	pid-file none;
	session-keyfile none;
	listen-on { $addr4; };
	listen-on-v6 { $addr6; };
	recursion no;
	dnssec-validation no;
};
controls { };
zone "test" { type primary; file "test.zone"; };
CONF
chown nobody "$tmp"
app_server 53 named -g -n 2 -u nobody -c "$tmp/named.conf"
app_wait 53
app_wait_log 'running$'
dns_checks
app_end
