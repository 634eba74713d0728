#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 120
#
# accel_seccomp.sh - rules R4 and R7: filters that kill for every call which the program does not make by itself. With the calls of R7
# it stays accelerated whatever happens to the network, without them it lives on, on the kernel path.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair

end()
{
	# shellcheck disable=SC2046
	kill -KILL $(ip netns pids "$NS_A") 2>/dev/null
	wait_until 2 no_xdp "$NS_A" veth0 || not_ok "$1: the XDP program stays"
}

# Whatever the library hears of by netlink: addresses, neighbours, routes, links.
change_network()
{
	local i
	{
		for i in {1..20}; do
			echo "addr add 10.9.9.$i/32 dev veth0"
			echo "neigh replace 10.77.1.$((i + 100)) lladdr 02:00:00:00:00:$((i + 10)) dev veth0"
			echo "route add 10.88.$i.0/24 via $B4"
		done
		echo 'link add other0 type veth peer name other1'
		for i in {1..20}; do
			echo "addr del 10.9.9.$i/32 dev veth0"
			echo "route del 10.88.$i.0/24 via $B4"
		done
		echo 'link set other0 up'
		echo 'link del other0'
		echo 'neigh flush dev veth0'
	} | ip -n "$NS_A" -batch - >/dev/null || not_ok 'the network changes'
	run_in "$NS_A" ping -q -c 1 "$B4" >/dev/null
}

strict_case() # NAME [option...] 5300 STEP...
{
	local name=$1
	shift
	if start_fast server 5300 "$@"; then
		exchange "$name" fast 50 "$A4" 5300
		sleep 1.1
		exchange "$name, beyond the first lease" fast 50 "$A4" 5300
		change_network
		sleep 0.4
		exchange "$name, after changes of the network" fast 50 "$A4" 5300
		kill -TERM "$SPAWNED"
		sleep 0.05
		client -s -n 1 "$A4" 5300 >/dev/null
		check "$name: ends at SIGTERM" wait_until 2 grep -q '^total' "$KB_TMP/server.log"
	fi
	end "$name"
}
strict_case 'blocks' 5300 strict
for how in poll select epoll; do strict_case "waits with $how" -w $how 5300 strict; done
strict_case 'signals that interrupt' 5300 alarm strict
strict_case 'signals that do not' 5300 alarm-restart strict
strict_case 'signals, epoll' -w epoll 5300 alarm strict
strict_case 'root dropped before' 5300 nobody strict

KBACCEL_SPIN=50 strict_case 'spins' 5300 alarm strict
KBACCEL_LOG=debug strict_case 'all messages' 5300 strict
strict_case 'a probe first' 5300 probe strict

# Workers that share the socket, each with queues of its own.
workers_case()
{
	local name=$1 in answer
	shift
	start server 5300 "$@"
	sleep 0.7
	client -n 10 -t 500 "$A4" 5300 >/dev/null
	for when in '' ', after changes of the network'; do
		in=$(kernel_udp "$NS_A" InDatagrams)
		answer=$(client -n 500 -g 300 -P 32 "$A4" 5300)
		in=$(($(kernel_udp "$NS_A" InDatagrams) - in))
		equal "$name$when: all are answered" 'sent 500 back 500 bad 0' "${answer% from*}"
		check "$name$when: past the kernel ($in through it)" test "$in" -le 150
		equal "$name$when: all of them live" 3 "$(ip netns pids "$NS_A" | wc -l)"
		change_network
		sleep 0.4
	done
	end "$name"
}
workers_case 'three workers' 5300 workers=2 strict
workers_case 'three workers, poll' -w poll 5300 workers=2 strict
workers_case 'three workers, epoll' -w epoll 5300 workers=2 strict
workers_case 'three workers, signals' 5300 workers=2 alarm strict

# Without the calls that the data path needs.
start server 5300 5300 narrow
exchange 'without ppoll(): lives and serves' slow 50 "$A4" 5300
check 'without ppoll(): says so' grep -q 'does not let the library call ppoll()' "$KB_TMP/server.log"
check 'without ppoll(): kbaccel stat says so' eval '"$tool" stat "$SPAWNED" | grep -q "seccomp filter"'
end 'without ppoll()'

# What the kernel refuses leaves all as it was: acceleration, and messages.
if start_fast server 5300 5300 probe; then exchange 'filters that the kernel refuses' fast 50 "$A4" 5300; fi
end 'refused filters'
start server 5300 5300 probe transparent
check 'filters that the kernel refuses: messages are written' grep -q 'kernel path: IP_TRANSPARENT' "$KB_TMP/server.log"
end 'refused filters, messages'
finish
