#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 300
#
# accel_queue_nics.sh - KBACCEL_QUEUES on NICs of other characters (fake_nic.c): what each refuses, and what becomes of it. A NIC that
# can not do it is left as it was found, and software steers; the reason is said once.

# shellcheck source=tests/netns/lib_nic.sh
. "$(dirname "$0")/lib_nic.sh"
ANY='udp4 any port 5300 queue 3, udp6 any port 5300 queue 3'

# One that was made for the case; the other way round: nic_is QUEUES NAME=NUMBER...
case_begin()
{
	nic_begin "$@"
	was=$(nic_show)
}

case_end() # NAME
{
	nic_clean >/dev/null
	equal "$1: the NIC is as it was" "$was" "$(nic_show)"
	nic_end
}

# refused NAME REASON QUEUES NAME=NUMBER...
refused()
{
	local name=$1 reason=$2
	shift 2
	case_begin "$@"
	own_fast server 1 5300
	check "$name: why" grep -q "no RX queue of its own.*$reason" "$KB_TMP/server.log"
	equal "$name: software steers" 'AF_XDP copy, native' "$(mode_of "$SPAWNED")"
	exchange "$name" fast 50 -P 64 "$A4" 5300
	equal "$name: the NIC is not changed" "$was" "$(nic_show)"
	run_in "$NS_A" "${NIC[@]}" env KBACCEL_QUEUES=1 "$tool" check veth0 >"$KB_TMP/check" 2>&1
	stop "$SPAWNED"
	case_end "$name"
}
checks() { check "kbaccel check: $1" grep -q "$1" "$KB_TMP/check"; }

refused 'one queue' 'has one RX queue' 1
checks 'has one RX queue'
refused 'no rules' 'has no steering rules' 4 rules=0
checks 'software steers on all queues.*has no steering rules'
refused 'no RSS table' 'has no RSS table' 4 rss=0
checks 'has no RSS table'
refused 'nothing of either' 'has no steering rules' 4 rss=0 rules=0
refused 'no rules for UDP' 'takes no steering rule for a UDP port' 4 udp=0
checks 'the NIC can steer' # only trying tells
refused 'no rules for UDP, ENOTSUPP' 'takes no steering rule.*Operation not supported' 4 udp=0 notsupp=1
refused 'neither with nor without an address' 'takes no steering rule' 4 any=0 address=0
refused 'a table that can not be written' 'does not take another RSS table' 4 rss_fixed=1
refused 'rules switched off for good' 'takes no steering rule' 4 ntuple=0 fixed=1
refused 'in a reset' 'takes no steering rule.*busy' 4 busy=1000
refused 'a full table' 'takes no steering rule.*No space' 4 limit=0
refused 'no locations' 'takes no steering rule' 4 room=0

# accepted NAME RULES QUEUES NAME=NUMBER...: a dual-stack server on port 5300.
accepted()
{
	local name=$1 rules=$2
	shift 2
	case_begin "$@"
	own_fast server 1 5300
	equal "$name: rules" "$rules" "$(nic_rules)"
	exchange "$name, IPv4" fast 50 -P 64 "$A4" 5300
}
accepted_end() # NAME
{
	stop "$SPAWNED"
	case_end "$1"
}
fast6() { exchange "$1, IPv6" fast 50 -P 64 "$A6" 5300; }

accepted 'the driver picks the location' "$ANY" 4 picks=1
fast6 'the driver picks the location'
check 'the driver picks the location: from its own' grep -q 'location 7$' <(nic_show)
kill -9 "$SPAWNED"
wait_until 3 eval "! kill -0 $SPAWNED"
accepted_end 'the driver picks the location'

accepted 'rules are switched off' "$ANY" 4 ntuple=0
fast6 'rules are switched off'
check 'rules are switched off: on now' grep -q '^ntuple 1' <(nic_show)
accepted_end 'rules are switched off'
accepted 'rules are switched off, and an operator uses them then' "$ANY" 4 ntuple=0
nic_ethtool -N veth0 flow-type udp4 dst-port 7 action 0 loc 5 >/dev/null
stop "$SPAWNED"
equal 'rules are switched off, and an operator uses them then: they stay' 'udp4 any port 7 queue 0' "$(nic_rules)"
nic_end
accepted 'no switch, and rules all the same' "$ANY" 4 ntuple=0 fixed=1 need=0
accepted_end 'no switch, and rules all the same'
accepted 'busy for a moment' "$ANY" 4 busy=2
accepted_end 'busy for a moment'

case_begin 4 any=0
own_fast server 1 5300
equal 'an address has to be given: rules' "udp4 $A4 port 5300 queue 3, udp6 $A6 port 5300 queue 3" \
	"$(nic_rules | sed 's/, udp6 fe80[^,]*//')"
exchange 'an address has to be given, IPv4' fast 50 -P 64 "$A4" 5300
fast6 'an address has to be given'
accepted_end 'an address has to be given'

case_begin 4 address=0
own_fast server 1 -b "::ffff:$A4" 5300
equal 'no address can be given: rules' 'udp4 any port 5300 queue 3' "$(nic_rules)"
exchange 'no address can be given' fast 50 -P 64 "$A4" 5300
accepted_end 'no address can be given'

for one_mask in 1 2; do
	name="one mask for all rules$([[ $one_mask = 2 ]] || echo ' of a type')"
	accepted "$name" "$ANY" 4 one_mask=$one_mask
	own_fast second 1 -b "::ffff:$A4" 5301
	equal "$name: a bound socket beside it" "udp4 any port 5300 queue 3, udp4 any port 5301 queue 2, udp6 any port 5300 queue 3" \
		"$(nic_rules)"
	exchange "$name: a bound socket beside it" fast 50 -P 64 "$A4" 5301
	stop "$SPAWNED"
	nic_clean >/dev/null
	# shellcheck disable=SC2046
	stop $(ip netns pids "$NS_A")
	case_end "$name"
done

case_begin 4 one_mask=2
nic_ethtool -N veth0 flow-type udp4 dst-ip 10.9.9.9 dst-port 9999 action 0 loc 1 >/dev/null
was=$(nic_show)
own_fast server 1 5300
check "another mask than an operator's: with addresses" grep -q "udp4 $A4 port 5300 queue 3" <(nic_show)
exchange "another mask than an operator's" fast 50 -P 64 "$A4" 5300
accepted_end "another mask than an operator's"

accepted 'no rules for IPv6' 'udp4 any port 5300 queue 3' 4 v6=0
check 'no rules for IPv6: it is said' grep -q 'no steering rule for IPv6 datagrams to UDP port 5300' "$KB_TMP/server.log"
before=$(kernel_udp "$NS_A" InDatagrams)
client -n 50 -P 64 -g 200 "$A6" 5300 >"$KB_TMP/out"
check 'no rules for IPv6: all answered' grep -q '^sent 50 back 50 bad 0' "$KB_TMP/out"
check 'no rules for IPv6: received by the kernel, but for the last queue' \
	test $(($(kernel_udp "$NS_A" InDatagrams) - before)) = 50
accepted_end 'no rules for IPv6'

accepted 'room for one server' "$ANY" 4 limit=2
own second 1 5301
refusal='stays on the kernel path.*table is full'
check 'room for one server: the second takes none' grep -q 'no RX queue of its own.*takes no steering rule' "$KB_TMP/second.log"
exchange 'room for one server: the second' fast 50 -P 64 "$A4" 5301
stop "$SPAWNED"
# shellcheck disable=SC2046
stop $(ip netns pids "$NS_A")
case_end 'room for one server'
case_begin 4 limit=1
own server 1 5300
check 'no room for IPv6: it is said' grep -q 'no steering rule for IPv6 datagrams.*No space' "$KB_TMP/server.log"
own_fast third 0 -6 5302
exchange 'no room for IPv6: others' fast 50 -P 64 "$A6" 5302
# shellcheck disable=SC2046
stop $(ip netns pids "$NS_A")
case_end 'no room for IPv6'
case_begin 4 limit=1
own server 1 -x 5301 -b "::ffff:$A4" 5300
check 'no room for a second socket: it stays on the kernel path' wait_until 3 grep -q "5301 $refusal" "$KB_TMP/server.log"
exchange 'no room for a second socket: the first' fast 50 -P 64 "$A4" 5300
accepted_end 'no room for a second socket'

case_begin 4 context=1
own_fast server 1 5300
equal "another RSS context's queue is not taken" 'AF_XDP copy, native, own queue 2' "$(mode_of "$SPAWNED")"
exchange "another RSS context's queue is not taken" fast 50 -P 64 "$A4" 5300
accepted_end "another RSS context's queue is not taken"

# Whoever may not write the record changes nothing.
case_begin 4
caps=+net_admin,+net_raw,+bpf,+perfmon,+sys_admin,+ipc_lock
preload_env "$PORTS"
spawn "$NS_A" user "${NIC[@]}" setpriv --reuid 65534 --clear-groups --inh-caps=-all,$caps --ambient-caps=-all,$caps env \
	"${PRELOAD_ENV[@]}" KBACCEL_QUEUES=1 "$bin/accel_server" -d 5300
check 'another user: accelerated' wait_until 5 accelerated "$SPAWNED" || sed 's/^/# /' "$KB_TMP/user.log"
check 'another user: why no queue' grep -q 'no right to keep a record' "$KB_TMP/user.log"
exchange 'another user' fast 50 -P 64 "$A4" 5300
stop "$SPAWNED"
case_end 'another user'
finish
