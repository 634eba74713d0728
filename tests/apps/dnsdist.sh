#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# dnsdist.sh - dnsdist answering by itself: threads with blocking recvmsg and IP_PKTINFO, and with recvmmsg. It exports functions with
# names of libbpf.
# PACKAGES: dnsdist bind9-dnsutils dnsperf
. "$(dirname "$0")/lib.sh"
. "$here/lib_dns.sh"
app_need dnsdist dig dnsperf
app_lab
nm -D "$(command -v dnsdist)" 2>/dev/null | grep -q ' T bpf_prog_load' || echo "# this dnsdist exports no bpf_prog_load"

config()
{
	cat <<-CONF
	setSecurityPollSuffix("")
	setLocal("$addr4:53")
	addLocal("[$addr6]:53")
	setACL({"0.0.0.0/0", "::/0"})
	setUDPMultipleMessagesVectorSize($1)
	addAction(AndRule({QNameRule("a.test."), QTypeRule(DNSQType.A)}), SpoofAction("192.0.2.1"))
	addAction(AndRule({QNameRule("b.test."), QTypeRule(DNSQType.AAAA)}), SpoofAction("2001:db8::2"))
	addAction(AndRule({QNameRule("big.test."), QTypeRule(DNSQType.TXT)}), SpoofRawAction(
		"\\200$(head -c 200 /dev/zero | tr '\0' x)\\200$(head -c 200 /dev/zero | tr '\0' y)"))
	addAction(AllRule(), RCodeAction(DNSRCode.NXDOMAIN))
	CONF
}

for messages in 1 16; do
	config $messages >"$tmp/dnsdist.conf"
	app_server 53 dnsdist --supervised --disable-syslog -C "$tmp/dnsdist.conf"
	app_wait 53
	echo "# $messages message(s) in a call"
	dns_checks
	app_stop
done
app_end
