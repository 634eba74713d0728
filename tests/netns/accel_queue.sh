#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 240
#
# accel_queue.sh - RX queues of one's own (KBACCEL_QUEUES) on a NIC that steers: taken, used, shared out among processes, given
# back, also by others after kill -9, and never more undone than was done.

# shellcheck source=tests/netns/lib_nic.sh
. "$(dirname "$0")/lib_nic.sh"

EVEN='0 1 2 3 0 1 2 3 0 1 2 3 0 1 2 3'
EVEN_WITHOUT_3='0 1 2 0 0 1 2 1 0 1 2 2 0 1 2 0'
both() # NAME PORT
{
	exchange "$1, IPv4" fast 100 "$A4" "$2"
	exchange "$1, IPv6" fast 100 "$A6" "$2"
}
untouched() # NAME
{
	equal "$1: the RSS table is as it was" "$EVEN" "$(nic_rss)"
	equal "$1: no rule is left" '' "$(nic_rules)"
}

nic_begin 4

# Not asked for: nothing on the NIC is changed.
own_fast none 0 5300
equal 'not asked for' 'AF_XDP copy, native' "$(mode_of "$SPAWNED")"
untouched 'not asked for'
stop "$SPAWNED"

# One server.
own_fast one 1 5300
one=$SPAWNED
equal 'it has a queue' 'AF_XDP copy, native, own queue 3' "$(mode_of "$one")"
equal 'the queue is out of the RSS table' "$EVEN_WITHOUT_3" "$(nic_rss)"
equal 'rules lead to it' 'udp4 any port 5300 queue 3, udp6 any port 5300 queue 3' "$(nic_rules)"
both 'one server' 5300
exchange 'many flows' fast 200 -P 64 "$A4" 5300
exchange 'a connected client' fast 100 -c "$A4" 5300
spawn "$NS_A" plain "$bin/accel_server" -d 5400
wait_until 5 udp_bound "$NS_A" 5400
exchange 'a server of somebody else' slow 100 -P 64 "$A4" 5400
stop "$SPAWNED"
check 'ethtool shows them' grep -q 'Direct to queue 3' <(nic_ethtool -n veth0)

# An operator takes the rules away, and the frames come by other queues: the kernel has them.
for i in 63 62; do nic_ethtool -N veth0 delete $i >/dev/null 2>&1; done
before=$(kernel_udp "$NS_A" InDatagrams)
client -n 100 -P 64 -g 200 "$A4" 5300 >"$KB_TMP/out"
check 'without its rules: all answered' grep -q '^sent 100 back 100 bad 0' "$KB_TMP/out"
equal 'without its rules: received by the kernel' 100 $(($(kernel_udp "$NS_A" InDatagrams) - before))
stop "$one"
untouched 'it has ended in order'

# kill -9, and who comes next.
own_fast one 1 5300
kill -9 "$SPAWNED"
wait_until 3 eval "! kill -0 $SPAWNED"
equal 'killed: the rules are still there' 'udp4 any port 5300 queue 3, udp6 any port 5300 queue 3' "$(nic_rules)"
spawn "$NS_A" plain "$bin/accel_server" -d 5300
wait_until 5 udp_bound "$NS_A" 5300
exchange 'killed: a server without us on its port' slow 50 "$A4" 5300
stop "$SPAWNED"
own_fast one 1 5301
equal 'killed: the next one has the queue' 'AF_XDP copy, native, own queue 3' "$(mode_of "$SPAWNED")"
equal 'killed: the next one has undone it' 'udp4 any port 5301 queue 3, udp6 any port 5301 queue 3' "$(nic_rules)"
both 'killed: the next one' 5301
kill -9 "$SPAWNED"
wait_until 3 eval "! kill -0 $SPAWNED"
own_fast one 0 5300
untouched 'killed: one that does not ask for queues undoes it, too'
stop "$SPAWNED"
own_fast one 1 5300
kill -9 "$SPAWNED"
wait_until 3 eval "! kill -0 $SPAWNED"
check 'kbaccel clean' grep -q '^cleaned up after 1 process' <(nic_clean)
untouched 'kbaccel clean'
check 'kbaccel clean, again' grep -q '^nothing to clean' <(nic_clean)

# What somebody else has changed since is his.
own_fast one 1 5300
nic_ethtool -N veth0 flow-type udp4 dst-port 5300 action 1 loc 63 >/dev/null
nic_ethtool -N veth0 flow-type udp4 dst-port 7 action 3 loc 5 >/dev/null
nic_ethtool -X veth0 weight 2 1 1 0 >/dev/null
operator=$(nic_rss)
stop "$SPAWNED"
equal "an operator's rules stay" 'udp4 any port 5300 queue 1, udp4 any port 7 queue 3' "$(nic_rules)"
equal "an operator's table stays" "$operator" "$(nic_rss)"
own_fast one 1 5301
equal 'a queue that a rule leads to is not taken' 'AF_XDP copy, native, own queue 2' "$(mode_of "$SPAWNED")"
exchange 'beside an operator' fast 100 "$A4" 5301
stop "$SPAWNED"
equal "an operator's table is back" "$operator" "$(nic_rss)"
nic_ethtool -X veth0 default >/dev/null
for i in 5 63; do nic_ethtool -N veth0 delete $i >/dev/null; done
untouched 'the operator has cleaned up'

# Several servers, each with a queue, and one without.
own_fast one 1 5300
one=$SPAWNED
own_fast two 1 5301
two=$SPAWNED
own_fast three 0 5302
three=$SPAWNED
equal 'several: who has what' \
	'AF_XDP copy, native, own queue 3 AF_XDP copy, native, own queue 2 XDP ring, native' \
	"$(mode_of "$one") $(mode_of "$two") $(mode_of "$three")"
equal 'several: the RSS table' '0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1' "$(nic_rss)"
for i in 0 1 2; do both "several, number $i" 530$i; done
own_fast three_more 3 5305 # two are left, one of which all others need
four=$SPAWNED
equal 'several: as many as there are' 'AF_XDP copy, native, own queue 1' "$(mode_of "$four")"
own_fast four 1 5303
equal 'several: no queue is free, the next one has a ring' 'XDP ring, native' "$(mode_of "$SPAWNED")"
check 'several: and says so' grep -q 'no RX queue of its own.*no RX queue of veth0 is free' "$KB_TMP/four.log"
both 'several, number 3, by a ring' 5303
stop "$SPAWNED" "$four"
stop "$one"
equal 'several: the first has ended, the RSS table' '0 1 0 3 0 1 1 3 0 1 3 3 0 1 0 3' "$(nic_rss)"
both 'several: the first has ended, the second' 5301
both 'several: the first has ended, the one without' 5302
own_fast one 1 5304
equal 'several: its queue is free again' 'AF_XDP copy, native, own queue 3' "$(mode_of "$SPAWNED")"
both 'several: a new first one' 5304
kill -9 "$two"
stop "$SPAWNED" "$three"
nic_clean >/dev/null
untouched 'several: all have ended'

# Of one port, in a reuseport group: the rule can lead to one only, and what is another's comes to it by the kernel.
own_fast one 1 -S 5310
one=$SPAWNED
own_fast two 0 -S 5310
client -n 200 -g 200 -P 64 "$A4" 5310 >"$KB_TMP/out"
check 'a reuseport group: all answered' grep -q '^sent 200 back 200 bad 0' "$KB_TMP/out"
stop "$one" "$SPAWNED"

# One that has all queues was there first.
own_fast first 0 5300
first=$SPAWNED
own_fast two 1 5301
equal 'all queues are taken: a ring' 'XDP ring, native' "$(mode_of "$SPAWNED")"
untouched 'all queues are taken'
both 'all queues are taken' 5301
stop "$first" "$SPAWNED"

# Two queues: a port's datagrams all come by one of them.
own_fast two 2 5300
equal 'two queues' 'AF_XDP copy, native, 2 own queues' "$(mode_of "$SPAWNED")"
equal 'two queues: the RSS table' '0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1' "$(nic_rss)"
both 'two queues' 5300
stop "$SPAWNED"
own_fast all 64 5300
equal 'more than there are: one is left' 'AF_XDP copy, native, 3 own queues' "$(mode_of "$SPAWNED")"
equal 'more than there are: the RSS table' '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0' "$(nic_rss)"
both 'more than there are' 5300
stop "$SPAWNED"
untouched 'two queues'

# Bound to an address.
own_fast bound 1 -b "::ffff:$A4" 5300
equal 'bound to an address' "udp4 $A4 port 5300 queue 3" "$(nic_rules)"
exchange 'bound to an address' fast 100 "$A4" 5300
stop "$SPAWNED"

# The life of servers: R7.
own daemon 1 5300 daemon
wait_until 3 eval "! kill -0 $SPAWNED"
pid=$(ip netns pids "$NS_A" | tail -n 1)
check 'a daemon: accelerated' wait_until 3 accelerated "$pid"
equal 'a daemon: its parent has taken nothing away' 'udp4 any port 5300 queue 3, udp6 any port 5300 queue 3' "$(nic_rules)"
both 'a daemon' 5300
stop "$pid"
wait_until 3 eval "! kill -0 $pid"
untouched 'a daemon'
own_fast nobody 1 5300 nobody
both 'drops root' 5300
stop "$SPAWNED"
equal 'drops root: it can not undo it' 'udp4 any port 5300 queue 3, udp6 any port 5300 queue 3' "$(nic_rules)"
check 'drops root: kbaccel clean does' grep -q '^cleaned up' <(nic_clean)
untouched 'drops root'
mkdir "$KB_TMP/empty"
for steps in "chroot=$KB_TMP/empty nobody" 'nobody strict' 'seccomp'; do
	# shellcheck disable=SC2086
	own_fast steps 1 5300 $steps
	both "${steps%%=*}" 5300
	kill -9 "$SPAWNED"
	wait_until 3 eval "! kill -0 $SPAWNED"
done
own_fast filter 1 5300 seccomp
both 'a seccomp filter' 5300
stop "$SPAWNED"
check 'a seccomp filter: it ends in order' grep -q '^total' "$KB_TMP/filter.log"
nic_clean >/dev/null
untouched 'all of them'

nic_end
finish
