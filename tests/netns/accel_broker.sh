#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 240
#
# accel_broker.sh - kbacceld (daemon/): servers without any privilege are accelerated as far as its policy goes, and get nothing
# that is not theirs.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
daemon=$BUILD/kbacceld sock=$KB_TMP/broker.sock conf=$KB_TMP/kbacceld.conf
# Whom nothing else is run as: one may send past the kernel, the second only receive, the third nothing.
RAW=65531 PLAIN=65532 NOBODY=65533 GROUP=65500
cat >"$conf" <<END
# who may have what, for this test
allow user=$RAW ports=5300-5399 interface=veth0 transmit=raw
allow user=$PLAIN ports=5300-5309,5330 interface=*
allow group=$GROUP interface=veth0 ports=5350 transmit=raw
END
chmod 755 "$KB_TMP" "$(dirname "$KB_TMP")"
declare -A PID

broker() # [option...]
{
	spawn "$NS_A" broker "$daemon" -s "$sock" -c "$conf" "$@"
	BROKER=$SPAWNED
	wait_until 5 grep -q 'listening on' "$KB_TMP/broker.log" || die 'kbacceld does not start'
}
guest() # NAME UID option...: a server in PID[NAME]
{
	local name=$1 uid=$2
	shift 2
	spawn "$NS_A" "$name" setpriv --reuid "$uid" --regid "$uid" "${groups[@]}" --bounding-set=-all --inh-caps=-all env \
		"LD_PRELOAD=$PRELOAD" "KBACCEL_PORTS=$PORTS" KBACCEL_LOG=info "KBACCEL_BROKER=${broker_path:-$sock}" \
		"$bin/accel_server" "$@"
	PID[$name]=$SPAWNED
	wait_until 5 grep -q '^serving' "$KB_TMP/$name.log" || die "$name: $(cat "$KB_TMP/$name.log")"
}
groups=(--clear-groups)
fast_guest() { guest "$@" && wait_until 3 accelerated "${PID[$1]}"; }
end()
{
	stop "${PID[$1]}"
	unset "PID[$1]"
}
both() # NAME PORT
{
	exchange "$1, IPv4" fast 100 "$A4" "$2"
	exchange "$1, IPv6" fast 100 "$A6" "$2"
}
says() { grep -q -- "$2" "$KB_TMP/$1.log"; }
session_pid() { sed -nE "s/^kbaccel\[([0-9]+)\]: info: granted: process $1 .*: seat.*/\1/p" "$KB_TMP/broker.log" | tail -n 1; }

# Nobody listens: the kernel path, and what to do.
guest alone "$RAW" -d 5301
exchange 'without a broker' slow 20 "$A4" 5301
check 'which is said, with a remedy' says alone 'missing CAP_NET_ADMIN.*CAP_PERFMON.*kbacceld'
end alone

# --- what the policy allows

broker
fast_guest one "$RAW" -d 5301
both 'a server without privileges' 5301
exchange 'large ones' fast 50 -z 1472 "$A4" 5301
exchange 'segments' fast 100 -B 10 "$A4" 5301
check 'it has the queues' grep -q 'AF_XDP' <("$tool" stat "${PID[one]}")
fast_guest two "$RAW" -d -w epoll 5302
both 'a second one, by a ring' 5302
both 'the first one beside it' 5301
start_fast root "$PORTS" -d 5303
both 'one with privileges beside them' 5303
stop "$SPAWNED"

fast_guest plain "$PLAIN" -d 5304
before=$(kernel_udp "$NS_A" InDatagrams) sent=$(kernel_udp "$NS_A" OutDatagrams)
equal 'who may not send past the kernel: all are answered' 'sent 100 back 100 bad 0' "$(client -n 100 "$A4" 5304 | cut -d' ' -f1-6)"
equal 'it receives past the kernel, and sends through it' '0 100' \
	"$(($(kernel_udp "$NS_A" InDatagrams) - before)) $(($(kernel_udp "$NS_A" OutDatagrams) - sent))"
packet_socket() { run_in "$NS_A" ss -0ap | grep -q "pid=${PID[$1]},"; }
check 'it has nothing to send raw frames with' eval '! packet_socket plain'
check 'which the other one has' packet_socket two
end plain

guest other "$PLAIN" -d 5311
exchange 'a port that is not allowed' slow 20 "$A4" 5311
check 'which is said' says other 'policy of kbacceld does not give this user the port'
end other
guest nobody "$NOBODY" -d 5312
exchange 'a user who is not allowed anything' slow 20 "$A4" 5312
check 'which is said' says nobody 'kbacceld: the policy has no line'
check 'and logged' says broker "refused: process ${PID[nobody]} .*($NOBODY)"
end nobody
groups=(--groups "$GROUP")
fast_guest group "$NOBODY" -d 5350
both 'by its group' 5350
end group
groups=(--clear-groups)
check 'each grant is logged' says broker "granted: process ${PID[one]} .*($RAW): 5301/udp on veth0"

as() # UID COMMAND...: with no privilege
{
	local uid=$1
	shift
	run_in "$NS_A" setpriv --reuid "$uid" --regid "$uid" --clear-groups --bounding-set=-all --inh-caps=-all \
		env "KBACCEL_BROKER=$sock" "$@"
}
check '`kbaccel check` of such a user' as "$RAW" "$tool" check veth0 >"$KB_TMP/check"
check 'it says by whom' grep -q 'by way of kbacceld' "$KB_TMP/check"
check 'of one who may only receive' grep -q 'opens queues for this user (.*sending through the kernel)' <(as "$PLAIN" "$tool" check veth0)
check 'of one who may nothing' grep -q 'fail .*the policy has no line' <(as "$NOBODY" "$tool" check veth0)

# --- what comes and goes

ip -n "$NS_A" address add 10.77.1.201/24 dev veth0
sleep 0.3
exchange 'a new address' fast 50 10.77.1.201 5301
ip -n "$NS_A" link set veth0 address 02:00:00:00:88:01
ip -n "$NS_B" neigh flush all
sleep 0.3
both 'another Ethernet address, by the queues' 5301
both 'another Ethernet address, by a ring' 5302

kill "$BROKER"
wait_until 5 says broker 'ended; the seats'
both 'the broker has ended' 5301
broker
fast_guest three "$RAW" -d 5305
both 'it is back, for a new one' 5305
both 'beside an old one' 5302
kill -9 "$(session_pid "${PID[three]}")"
check 'the process that kept a seat was killed: the server says so' wait_until 5 says three 'until its queues have been opened again'
check 'and gets another seat' wait_until 5 says three 'is there again, and accelerated'
check 'there' wait_until 5 accelerated "${PID[three]}"
both 'there' 5305
kill -9 "${PID[three]}"
spawn "$NS_A" kernel "$bin/accel_server" -d 5305
wait_until 5 udp_bound "$NS_A" 5305
exchange 'a server was killed, and one without the library has its port' slow 50 "$A4" 5305
stop "$SPAWNED"

guest forked "$RAW" -d 5306 workers=3
client -n 300 -P 64 "$A4" 5306 >/dev/null
before=$(kernel_udp "$NS_A" InDatagrams)
equal 'forked workers: all are answered' 'sent 600 back 600 bad 0' "$(client -n 600 -P 64 "$A4" 5306 | cut -d' ' -f1-6)"
check 'most of them past the kernel' test $(($(kernel_udp "$NS_A" InDatagrams) - before)) -lt 100
mapfile -t workers < <(pgrep -P "${PID[forked]}")
kill "${workers[@]}"
end forked
guest daemon "$RAW" -d 5307 daemon seccomp
check 'a daemon with seccomp' wait_until 3 grep -q '^serving' "$KB_TMP/daemon.log"
both 'a daemon with seccomp' 5307

# --- who wants more

hostile() { run_in "$NS_A" setpriv --reuid "$RAW" --regid "$RAW" --clear-groups "$bin/broker_hostile" "$sock" veth0 "$@"; }
coproc THIEF { hostile steal 5320; }
ask_thief()
{
	echo "$1" >&"${THIEF[1]}"
	read -r -t 10 -u "${THIEF[0]}" reply
	echo "$reply"
}
read -r -t 10 -u "${THIEF[0]}" reply
equal 'a client that asks for everything' ready "$reply"
client -n 3 -t 100 "$A4" 5320 >/dev/null
equal 'gets what is for its own socket' 'frames 1' "$(ask_thief count)"
both 'and nothing of another guest' 5302
start_fast root "$PORTS" -d 5321
both 'nor of one with privileges' 5321
stop "$SPAWNED"
spawn "$NS_A" kernel "$bin/accel_server" -d 6000
wait_until 5 udp_bound "$NS_A" 6000
exchange 'nor of a server without the library' slow 50 "$A4" 6000
ip -n "$NS_B" route add 10.99.0.0/16 via "$A4"
client -n 20 -t 20 10.99.1.1 5320 >/dev/null
client -n 20 -t 20 239.7.7.7 5320 >/dev/null 2>&1
equal 'nor what is for other hosts or groups' 'frames 0' "$(ask_thief count)"
ask_thief close >/dev/null
spawn "$NS_A" heir "$bin/accel_server" -d 5320
wait_until 5 udp_bound "$NS_A" 5320
exchange 'it has closed its socket, whose port is another one'"'"'s now' slow 50 "$A4" 5320
equal 'who gets all' 'frames 0' "$(ask_thief count)"
stop "$SPAWNED"
echo end >&"${THIEF[1]}"
wait "$THIEF_PID" 2>/dev/null

for kind in tcp unbound cookie port; do
	port=$([[ $kind = port ]] && echo 5400 || echo 5322)
	coproc THIEF { hostile show "$port" "$kind"; }
	read -r -t 10 -u "${THIEF[0]}" reply
	client -n 10 -t 20 "$A4" "$port" >/dev/null
	echo >&"${THIEF[1]}"
	read -r -t 10 -u "${THIEF[0]}" reply
	equal "a client that shows what gives it no right ($kind) gets nothing" 'frames 0' "$reply"
	wait "$THIEF_PID" 2>/dev/null
done
check 'which is logged' says broker 'refused: .*5400/udp on veth0: the policy does not allow it'
check 'and the other' says broker 'is not that bound UDP socket'
coproc THIEF { hostile sniff; }
read -r -t 10 -u "${THIEF[0]}" reply
exchange 'one that listens by what it sends by' fast 50 "$A4" 5302
client -n 20 -t 20 "$A4" 6001 >/dev/null # nobody is there: answers by ICMP
read -r -t 10 -u "${THIEF[0]}" reply2
equal 'hears nothing' 'ready frames 0' "$reply $reply2"
wait "$THIEF_PID" 2>/dev/null

check 'too much memory is refused' grep -q -- '-22 .*lower KBACCEL_FRAMES' <(hostile ask 0x40000000)
check 'and no memory' grep -q -- '-22 .*frames' <(hostile ask 0)
check 'nonsense of all kinds: the broker goes on' hostile nonsense
both 'and so do its clients' 5302
seats() { run_in "$NS_A" ss -xaH | grep -c '@kbaccel-.*-seat'; }
no_more_seats() { (($(seats) == $1)); }
check 'none of all these has kept a seat' wait_until 5 no_more_seats 3

# --- limits and other places

kill "$BROKER"
wait_until 5 says broker 'ended; the seats'
broker -n 1
fast_guest four "$RAW" -d 5315
guest five "$RAW" -d 5316
exchange 'more seats than one user may have' slow 20 "$A4" 5316
check 'which is logged' says broker 'as many seats as there may be'
kill "$BROKER"
wait_until 5 says broker 'ended; the seats'

# A broker in another network namespace than its clients: only if the policy says so.
spawn "$NS_B" elsewhere "$daemon" -s "$KB_TMP/else.sock" -c "$conf"
wait_until 5 test -S "$KB_TMP/else.sock"
ELSEWHERE=$SPAWNED
broker_path=$KB_TMP/else.sock
guest six "$RAW" -d 5317
exchange 'of another network namespace' slow 20 "$A4" 5317
end six
sed -i "s/user=$RAW/& netns=any/" "$conf"
kill -HUP "$ELSEWHERE"
wait_until 5 says elsewhere 'policy read again'
fast_guest six "$RAW" -d 5317
both 'of another network namespace, with netns=any' 5317
unset broker_path

check 'a policy that is wrong: the line is named' grep -q 'line 2: "prots" is not known' \
	<(printf 'allow user=0 ports=1 interface=*\nallow user=0 prots=1 interface=*\n' >"$KB_TMP/bad"; "$daemon" -t -c "$KB_TMP/bad" 2>&1)
chmod 666 "$KB_TMP/bad"
check 'one that others can write' grep -q 'others than root can write it' <("$daemon" -t -c "$KB_TMP/bad" 2>&1)
check 'one that is good' "$daemon" -t -c "$conf"

PID[daemon]=$(run_in "$NS_A" ss -Huanp 'sport = :5307' | sed -nE 's/.*pid=([0-9]+).*/\1/p')
for name in "${!PID[@]}"; do end "$name"; done
check 'nothing stays' wait_until 3 no_xdp "$NS_A" veth0
finish
