#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# tool_stat.sh - `kbaccel stat`: finds a preloaded program, prints its sockets, refuses what is not a page of its own,
# says so when there is nothing or it may not look.
# shellcheck source=tests/lib/netns.sh
. "$(dirname "$0")/../lib/netns.sh"
need_root
need ip socat python3 setpriv
tool=$BUILD/kbaccel
[[ -x $tool ]] || die "no $tool"

# gives NAME STATUS PATTERN COMMAND...: a line of stdout or stderr matches the extended regular expression.
gives()
{
	local name=$1 want=$2 pattern=$3 out status
	shift 3
	out=$("$@" 2>&1)
	status=$?
	if [[ $status = "$want" ]] && grep -qE -- "$pattern" <<<"$out"; then
		ok "$name"
	else
		note "status $status, output:"
		note "${out//$'\n'/$'\n'# }"
		not_ok "$name"
	fi
}

gives 'bad process id' 2 '"12x" is not a process id' "$tool" stat 12x
gives 'bad interval' 2 'not a number of seconds' "$tool" stat -wfoo
gives 'bad count' 2 'not a number of times' "$tool" stat -w -c 0
sleep 60 &
nobody=$!
spawned_pids+=("$nobody")
gives 'a process without the library' 1 "process $nobody: no counters found" "$tool" stat $nobody
gives 'no such process' 1 'no process 4194303' "$tool" stat 4194303

# A file of the right name that is not a page, or of another version: text, short, or with a wrong size in it.
page()
{
	python3 -c '
import os, sys, time
fd = os.memfd_create("kbaccel-stats")
os.write(fd, bytes.fromhex(sys.argv[1]) + bytes(int(sys.argv[2])))
time.sleep(60)' "$@" &
	page_pid=$!
	spawned_pids+=("$page_pid")
	wait_until 5 eval "readlink /proc/$page_pid/fd/* | grep -q memfd:kbaccel-stats"
	sleep 0.1
}
page 00 100
gives 'a short page' 1 'another version of libkbaccel.so' "$tool" stat $page_pid
page 010031636361626bffffffffffffffff 4000000
gives 'a page of another version' 1 'another version of libkbaccel.so' "$tool" stat $page_pid
gives 'without permission' 1 'permission denied for 1 process: run this as root' \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$tool" stat $page_pid

[[ -e $BUILD/libkbaccel.so ]] || skip_all 'no libkbaccel.so'
ns_pair
spawn "$NS_A" server preload 5301 socat -u UDP4-RECV:5301,bind="$A4" STDOUT
server=$SPAWNED
wait_until 5 udp_bound "$NS_A" 5301 || die "the server did not start: $(cat "$KB_TMP/server.log")"
gives 'name and process id' 0 "^socat \(pid $server\)" "$tool" stat "$server"
gives 'among all' 0 "^socat \(pid $server\)" "$tool" stat
gives 'the socket' 0 "^  socket fd [0-9]+ $A4:5301: " "$tool" stat "$server"
gives 'its counter' 0 '^  sockets_chosen +1  sockets bound' "$tool" stat "$server"
gives 'watching, with rates' 0 ' [0-9]+/s  ' "$tool" stat -w0.1 -c 2 "$server"
for _ in 1 2 3; do echo hello | run_in "$NS_B" socat -u STDIN UDP4-SENDTO:"$A4":5301; done
wait_until 3 grep -q hello "$KB_TMP/server.log"
sleep 0.1
gives 'received datagrams' 0 "^    received: fast [0-9]+ datagrams.* kernel [0-9]+ datagrams" "$tool" stat "$server"
equal 'fast and kernel together' 3 "$("$tool" stat "$server" |
	awk '$1 == "received:" && $2 == "fast" { print $3 + $8 }')"
stop "$server"
gives 'gone with its process' 1 "no process $server" "$tool" stat "$server"
finish
