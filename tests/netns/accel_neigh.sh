#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_neigh.sh - rule R11: the host's neighbours, routes and addresses are followed while a server runs; what is unresolved or
# odd goes out through the kernel, and nothing is lost.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
ns_add c
NS_C=$NS
ip link add veth9 netns "$NS_B" type veth peer name veth0 netns "$NS_C"
ns_address "$NS_B" veth9 10.79.1.1 fd79:1::1
ns_address "$NS_C" veth0 10.79.1.2 fd79:1::2
run_in "$NS_B" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$NS_C" route add default via 10.79.1.1
ip -n "$NS_C" -6 route add default via fd79:1::1

all_back() # NAME COUNT [client option...] ADDRESS PORT
{
	local name=$1 count=$2 answer
	shift 2
	answer=$(client -n "$count" "$@" 2>&1)
	check "$name: $answer" test "${answer%% from*}" = "sent $count back $count bad 0"
}
sent_by_kernel() { kernel_udp "$NS_A" OutDatagrams; }

for ns in "$NS_A" "$NS_B"; do ip -n "$ns" neigh flush all; done
start_fast server 5300 -b "$A4" 5300
server=$SPAWNED
ip -n "$NS_A" neigh flush all
out=$(sent_by_kernel)
all_back 'no neighbour yet' 50 -g 5000 "$A4" 5300
out=$(($(sent_by_kernel) - out))
check "no neighbour yet: few through the kernel ($out of 50)" test "$out" -le 10
exchange 'neighbour resolved' fast 50 "$A4" 5300
ip -n "$NS_A" neigh flush all
all_back 'neighbours flushed while it runs' 50 -g 5000 "$A4" 5300
exchange 'resolved again' fast 50 "$A4" 5300

# The neighbour gets another MAC address. Its own announcement, or the first datagrams, tell our kernel.
ip -n "$NS_B" link set veth0 address 02:00:00:00:77:02
ip -n "$NS_B" addr show dev veth0 | grep -q "$B6" || ip -n "$NS_B" addr add "$B6/64" dev veth0 nodad
run_in "$NS_B" ping -q -c 1 -W 1 "$A4" >/dev/null
wait_until 2 eval "ip -n $NS_A neigh show $B4 | grep -q 02:00:00:00:77:02"
exchange 'the neighbour has a new MAC address' fast 50 "$A4" 5300
# Our own changes.
ip -n "$NS_A" link set veth0 address 02:00:00:00:77:01
ip -n "$NS_B" neigh flush all
sleep 0.3
all_back 'we have a new MAC address' 50 "$A4" 5300
mac_seen=$(run_in "$NS_B" timeout 3 tcpdump -nn -e -c 1 -i veth0 "udp and src port 5300" 2>/dev/null & sleep 0.5
	client -n 20 "$A4" 5300 >/dev/null; wait)
check "frames carry the new MAC address (${mac_seen:0:60})" grep -q '02:00:00:00:77:01 > 02:00:00:00:77:02' <<<"$mac_seen"
stop "$server"

# By way of a gateway.
ip -n "$NS_A" route add default via "$B4"
ip -n "$NS_A" -6 route add default via "$B6"
wait_until 3 run_in "$NS_C" ping -q -c 1 -W 1 "$A6"
start_fast server 5300 -b "$A4" 5300
server=$SPAWNED
CLIENT_NS=$NS_C
exchange 'a client behind a gateway' fast 50 "$A4" 5300
all_back 'behind a gateway, 1400 bytes' 20 -z 1400 "$A4" 5300
all_back 'behind a gateway, fragments' 20 -z 4000 -g 3000 "$A4" 5300
# A route of its own, then withdrawn, while the server runs.
ip -n "$NS_A" route add 10.79.1.0/24 via "$B4"
exchange 'a more specific route' fast 50 "$A4" 5300
ip -n "$NS_A" route del default
exchange 'the default route is gone, the specific one is not' fast 50 "$A4" 5300
ip -n "$NS_A" route del 10.79.1.0/24
sleep 0.1
answer=$(client -n 5 -t 300 "$A4" 5300)
equal 'no route any more: no answer' 'sent 5 back 0 bad 0' "${answer% from*}"
ip -n "$NS_A" route add default via "$B4"
exchange 'the route is back' fast 50 "$A4" 5300
unset CLIENT_NS
exchange 'neighbours on the link' fast 50 "$A4" 5300
stop "$server"
start_fast server 5300 -6 -b "$A6" 5300
CLIENT_NS=$NS_C exchange 'an IPv6 client behind a gateway' fast 50 "$A6" 5300
stop "$SPAWNED"

# Several addresses: a wildcard socket answers from the one that the kernel would choose.
ip -n "$NS_A" addr add 10.77.1.101/24 dev veth0
ip -n "$NS_A" addr add 10.99.1.1/24 dev veth0
ip -n "$NS_B" addr add 10.99.1.2/24 dev veth0
ip -n "$NS_A" addr add fd77:1::101/64 dev veth0 nodad
source_of() { client -n 20 "$@" | sed 's/ max.*//'; }
cases=("10.77.1.101" "10.99.1.1" "-b 10.99.1.2 10.77.1.1" "-b 10.99.1.2 10.99.1.1" "-b $B4 10.99.1.1" "fd77:1::101" "$A6")
spawn "$NS_A" server "$bin/accel_server" -q -d 5300
wait_until 2 udp_bound "$NS_A" 5300
want=()
# shellcheck disable=SC2086
for c in "${cases[@]}"; do want+=("$(source_of $c 5300)"); done
stop "$SPAWNED"
start_fast server 5300 -q -d 5300
server=$SPAWNED
for i in "${!cases[@]}"; do
	# shellcheck disable=SC2086
	equal "source of replies, client ${cases[i]}" "${want[i]}" "$(source_of ${cases[i]} 5300)"
done
exchange 'several addresses: IPv4 is fast' fast 50 10.99.1.1 5300
exchange 'several addresses: a secondary one is fast' fast 50 10.77.1.101 5300

# Addresses come and go.
ip -n "$NS_A" addr add 10.77.1.50/24 dev veth0
sleep 0.4
exchange 'an address added while it runs' fast 50 10.77.1.50 5300
ip -n "$NS_B" neigh replace 10.77.1.50 lladdr 02:00:00:00:77:01 dev veth0
ip -n "$NS_A" addr del 10.77.1.50/24 dev veth0
sleep 0.4
answer=$(client -n 5 -t 300 10.77.1.50 5300)
equal 'an address that was taken away is not ours any more' 'sent 5 back 0 bad 0' "${answer% from*}"
exchange 'the others are' fast 50 "$A4" 5300

# Down and up again: at the latest then on the kernel path, but served.
ip -n "$NS_A" link set veth0 down
sleep 0.4
ip -n "$NS_A" link set veth0 up
sleep 0.4
wait_until 3 run_in "$NS_B" ping -q -c 1 -W 1 "$A4"
all_back 'the interface was down' 50 "$A4" 5300
cpu() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }
before=$(cpu)
sleep 1
check "and it does not spin then ($(($(cpu) - before)) ticks of CPU in a second)" test $(($(cpu) - before)) -lt 20
exchange 'and still fast' fast 50 "$A4" 5300
# The interface disappears altogether.
ip -n "$NS_B" link del veth0
sleep 0.5
before=$(cpu)
CLIENT_NS=$NS_A all_back 'the interface is gone: loopback serves' 50 127.0.0.1 5300
sleep 1
check "the interface is gone: it does not spin ($(($(cpu) - before)) ticks)" test $(($(cpu) - before)) -lt 30
stop "$server"
finish
