#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# knot.sh - Knot DNS: threads that wait in poll() or epoll and use recvmmsg with IP_PKTINFO.
# PACKAGES: knot bind9-dnsutils dnsperf
. "$(dirname "$0")/lib.sh"
. "$here/lib_dns.sh"
app_need knotd dig dnsperf
app_lab
dns_zone
cat >"$tmp/knot.conf" <<CONF
server:
    rundir: "$tmp"
    listen: [ $addr4@53, $addr6@53 ]
    udp-workers: ${KB_KNOT_WORKERS:-1}
    tcp-workers: 1
    background-workers: 1
database:
    storage: "$tmp"
log:
  - target: stderr
    any: warning
zone:
  - domain: test
    storage: "$tmp"
    file: test.zone
CONF
app_server 53 knotd -c "$tmp/knot.conf"
app_wait 53
sleep 0.5
dns_checks
app_end
