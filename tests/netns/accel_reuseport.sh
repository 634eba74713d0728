#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 120
#
# accel_reuseport.sh - sockets of one port in several processes, accelerated ones and others: each gets what the kernel would
# give it. The kernel's choice is seen first, with all of them on kernel sockets.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
declare -A PID

begin() # NAME fast|plain [option...]
{
	local name=$1 how=$2
	shift 2
	if [[ $how = fast ]]; then
		start_fast "$name" "$PORTS" "$@"
	else
		spawn "$NS_A" "$name" "$bin/accel_server" "$@"
		wait_until 5 grep -q '^serving' "$KB_TMP/$name.log"
	fi
	PID[$name]=$SPAWNED
}
end()
{
	stop "${PID[$1]}"
	unset "PID[$1]"
}

# ask FIRST ADDRESS PORT: one datagram from each of 64 ports, always the same ones.
ask() { client -n 64 -P 64 -p 20000 -N "$1" -g 200 "$2" "$3"; }

# What a server has got of those, as a list.
share() { awk '$1 == "got" && $4 == "ok" && $2 < 200 { print $2 }' "$KB_TMP/$1.log" | sort -n | paste -sd' '; }

# divide OPTION KIND...: as many servers as kinds (fast, plain), started in that order; SHARE[i] is what each got of 64 flows of
# each family, KERNEL how many of all the kernel received. False: something was not answered.
divide()
{
	local option=$1 i=0 status=0 kernel
	shift
	local kinds=("$@")
	for i in "${!kinds[@]}"; do begin "m$i" "${kinds[i]}" -d "$option" 5320 || status=1; done
	client -n 3 -N 1000 "$A4" 5320 >/dev/null # the neighbour
	client -n 3 -N 1000 "$A6" 5320 >/dev/null
	kernel=$(kernel_udp "$NS_A" InDatagrams)
	ask 0 "$A4" 5320 >"$KB_TMP/out4"
	ask 100 "$A6" 5320 >"$KB_TMP/out6"
	KERNEL=$(($(kernel_udp "$NS_A" InDatagrams) - kernel))
	SHARE=()
	for i in "${!kinds[@]}"; do
		end "m$i"
		SHARE[i]=$(share "m$i")
	done
	grep -q '^sent 64 back 64 bad 0' "$KB_TMP/out4" && grep -q '^sent 64 back 64 bad 0' "$KB_TMP/out6" && return "$status"
	note "$(cat "$KB_TMP"/out[46])"
	return 1
}

# compare NAME OPTION KIND...: with these, as with plain ones only.
compare()
{
	local name=$1 option=$2 i plain=0 want
	shift 2
	local kinds=("$@")
	divide "$option" "${kinds[@]/*/plain}" || not_ok "$name: on kernel sockets"
	want=("${SHARE[@]}")
	check "$name: all answered" divide "$option" "${kinds[@]}"
	for i in "${!kinds[@]}"; do
		equal "$name: number $((i + 1)) gets what the kernel would give it" "${want[i]}" "${SHARE[i]}"
		[[ ${kinds[i]} = fast ]] || plain=$((plain + $(wc -w <<<"${want[i]}")))
	done
	equal "$name: the kernel received what the plain ones got" "$plain" "$KERNEL"
}

compare 'a group: fast and plain' -S fast plain
check 'it has a share for both' test "$(wc -w <<<"${SHARE[0]}")" -gt 30 -a "$(wc -w <<<"${SHARE[1]}")" -gt 30
compare 'a group: plain and fast' -S plain fast
compare 'a group: both fast' -S fast fast
compare 'a group: fast, plain, fast' -S fast plain fast
compare 'SO_REUSEADDR: fast, then plain' -R fast plain
equal 'the last one had all' '0 128' "$(wc -w <<<"${SHARE[0]}") $(wc -w <<<"${SHARE[1]}")"
compare 'SO_REUSEADDR: plain, then fast' -R plain fast
compare 'SO_REUSEADDR: both fast' -R fast fast

# Forked workers, each with a socket of its own and all the others open: what a worker does not receive on is not steered to it.
prefork() # fast|plain
{
	begin workers "$1" -d -S -W 3 5323 && sleep 0.5
	client -n 3 -N 1000 "$A4" 5323 >/dev/null
	ask 0 "$A4" 5323 >"$KB_TMP/out4"
	ask 100 "$A6" 5323 >"$KB_TMP/out6"
	end workers
	WORKERS=$(awk '$1 == "got" && $4 == "ok" && $2 < 200 { print $2, $6 }' "$KB_TMP/workers.log" | sort -n | paste -sd,)
	grep -q '^sent 64 back 64 bad 0' "$KB_TMP/out4" && grep -q '^sent 64 back 64 bad 0' "$KB_TMP/out6"
}
prefork plain || not_ok 'forked workers: on kernel sockets'
want=$WORKERS
check 'forked workers: all answered' prefork fast
equal 'forked workers: each gets what the kernel would give it' "$want" "$WORKERS"

# Who is left gets what the others had.
begin one fast -S -d 5321
begin two plain -S -d 5321
begin three fast -R -d 5322
begin four plain -R -d 5322
end two
exchange 'the plain member has ended' fast 64 -P 64 "$A4" 5321
begin two plain -S -d 5321
kill -9 "${PID[one]}"
exchange 'the fast member was killed' slow 64 -P 64 "$A4" 5321
exchange 'the last one bound, a plain one' slow 20 "$A6" 5322
end four
exchange 'it has ended' fast 20 "$A6" 5322
end two
end three
check 'nothing stays' wait_until 2 no_xdp "$NS_A" veth0
finish
