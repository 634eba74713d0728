#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_filter.sh - packet filter rules, which accelerated datagrams do not pass: the program's operator is told, once and with the
# names of what is hooked in; ports that are not chosen, and hosts without rules, hear nothing.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need nft
ns_pair

told() { grep -c 'packet filter' "$KB_TMP/server.log"; }
serve() # PORTS
{
	start server "$1" 5300 && exchange "$2" "$3" 20 "$A4" 5300
	stop "$SPAWNED"
}

serve 5300 'no rules' fast
equal 'no rules: nothing is said' 0 "$(told)"
if ! run_in "$NS_A" nft 'add table inet shop; add chain inet shop leaving { type filter hook output priority 0; }
	add chain inet shop helper; add rule inet shop leaving udp sport 5300 counter'; then
	skip 'rules of nf_tables' 'this kernel has none'
	finish
fi
serve 5300 'a rule for output' fast
equal 'a rule for output: said once' 1 "$(told)"
check 'the chain is named, the one that is not hooked in is not' \
	grep -q 'packet filter here (inet shop leaving):' "$KB_TMP/server.log"
serve 5301 'port not chosen' slow
equal 'port not chosen: nothing is said' 0 "$(told)"
run_in "$NS_A" nft flush ruleset

if run_in "$NS_A" iptables -A OUTPUT -p udp --sport 5300 -j ACCEPT 2>/dev/null; then
	serve 5300 'a rule of iptables' fast
	equal 'a rule of iptables: said once' 1 "$(told)"
else
	skip 'a rule of iptables' 'iptables does not work here'
fi

if command -v iptables-legacy >/dev/null && run_in "$NS_B" iptables-legacy -L -n >/dev/null 2>&1; then
	run_in "$NS_A" iptables -F
	run_in "$NS_A" nft flush ruleset
	run_in "$NS_A" iptables-legacy -A OUTPUT -p udp --sport 5300 -j ACCEPT
	serve 5300 'a rule of the older iptables' fast
	check 'and its table is named' grep -q 'packet filter here (.*iptables filter' "$KB_TMP/server.log"
else
	skip 'a rule of the older iptables' 'iptables-legacy does not work here'
fi
finish
