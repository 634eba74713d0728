#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# accel_passthru.sh - rule R12: what is not chosen behaves as without the library and makes the same system calls; with
# KBACCEL_PORTS unset the library is inert; shells and static programs that inherit LD_PRELOAD do not notice.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
need strace socat
ns_pair
start_peer
preload_value "$BUILD/libkbaccel.so"
lib=$PRELOAD

# The calls a command makes after its start-up, counted by name; loading the library itself is not what is compared.
calls() # FILE COMMAND...
{
	local file=$1
	shift
	run_in "$NS_A" strace -f -qq -o "$file.raw" "$@" >"$file.out" 2>&1 </dev/null
	awk '/"BEGIN/ { on = 1; next } /"END/ { on = 0 } on && match($0, /[a-z_0-9]+\(/) {
		n[substr($0, RSTART, RLENGTH - 1)]++ } END { for (c in n) print c, n[c] }' "$file.raw" | sort >"$file"
	rm -f "$file.raw"
}

# What the first epoll set or UDP socket of a process costs once is allowed; what is paid for each call would be 20 or more (each is made 20 times).
slightly_more()
{
	awk 'NR == FNR { want[$1] = $2; next } { got[$1] = $2 } END {
		for (c in got) { d = got[c] - want[c]; if (d < 0 || d > 10) bad = 1 }
		for (c in want) if (!(c in got)) bad = 1
		exit bad }' "$@"
}

# same NAME ENVIRONMENT COMMAND...
same()
{
	local name=$1 setting=$2
	shift 2
	calls "$KB_TMP/without" env "LD_PRELOAD=${KB_SAN_LIB:-}" "$@"
	calls "$KB_TMP/with" env "LD_PRELOAD=$lib" "$setting" "$@"
	if ! cmp -s "$KB_TMP/without" "$KB_TMP/with" && {
		[[ $setting != KBACCEL_PORTS=* ]] || ! slightly_more "$KB_TMP/without" "$KB_TMP/with"; }; then
		diff "$KB_TMP/without" "$KB_TMP/with" | sed 's/^/# /'
		not_ok "$name: same system calls"
	elif [[ ! -s $KB_TMP/without ]]; then
		note "$(head -n 5 "$KB_TMP/without.out")"
		not_ok "$name: makes any calls"
	else
		ok "$name: same system calls ($(awk '{ s += $2 } END { print s }' "$KB_TMP/without"))"
	fi
	check "$name: same output" cmp "$KB_TMP/without.out" "$KB_TMP/with.out"
}
for kind in tcp unix pipe udp dup file; do
	same "$kind, another port chosen" KBACCEL_PORTS=5300 "$bin/accel_passthru" $kind
	same "$kind, no port chosen" KBACCEL_LOG=debug "$bin/accel_passthru" $kind
done

# fds_of PID: its descriptors.
# shellcheck disable=SC2012
fds_of() { ls "/proc/$1/fd" | sort -n | tr '\n' ' '; }
spawn "$NS_A" plain "$bin/accel_server" 5301
wait_until 3 grep -q '^serving' "$KB_TMP/plain.log"
plain_fds=$(fds_of "$SPAWNED")
stop "$SPAWNED"

# Inert: no thread, no descriptor, no memory file.
spawn "$NS_A" inert env "LD_PRELOAD=$lib" "$bin/accel_server" 5300
inert=$SPAWNED
wait_until 3 grep -q '^serving' "$KB_TMP/inert.log"
exchange 'KBACCEL_PORTS unset: the kernel serves' slow 20 "$A4" 5300
equal 'KBACCEL_PORTS unset: descriptors' "$plain_fds" "$(fds_of "$inert")"
equal 'KBACCEL_PORTS unset: threads' 1 "$(ls "/proc/$inert/task" | wc -l)"
check 'KBACCEL_PORTS unset: no program on the interface' no_xdp "$NS_A" veth0
check 'KBACCEL_PORTS unset: not even a plugin' eval "! grep -q kbaccel-xdp /proc/$inert/maps"
equal 'KBACCEL_PORTS unset: no message' 0 "$(grep -c kbaccel "$KB_TMP/inert.log")"
stop "$inert"

# Chosen ports, none of them bound: nothing is opened.
spawn "$NS_A" other preload 5399 "$bin/accel_server" 5300
other=$SPAWNED
wait_until 3 grep -q '^serving' "$KB_TMP/other.log"
exchange 'another port chosen: the kernel serves' slow 20 "$A4" 5300
equal 'another port chosen: descriptors' "$plain_fds" "$(fds_of "$other")"
check 'another port chosen: no plugin' eval "! grep -q kbaccel-xdp /proc/$other/maps"
stop "$other"
# shellcheck disable=SC2046
sanitized 'the library needs libc only' 'it needs the runtime' ||
	equal 'the library needs libc only' 'libc.so.6' "$(echo $(readelf -d "$lib" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v ld-linux))"

# TCP and Unix sockets of programs while a port of the same process is accelerated would be accel_events' matter; here whole
# programs with the preload move data.
head -c 2000000 /dev/urandom >"$KB_TMP/in"
transfer() # NAME LISTEN-ADDRESS CONNECT-ADDRESS
{
	rm -f "$KB_TMP/out"
	spawn "$NS_A" listener preload '*' timeout 10 socat -u "$2" OPEN:"$KB_TMP/out",creat
	sleep 0.3
	run_in "$NS_A" preload '*' timeout 10 socat -u OPEN:"$KB_TMP/in" "$3" 2>"$KB_TMP/socat.err"
	wait_until 3 cmp "$KB_TMP/in" "$KB_TMP/out"
	check "$1: a file arrives" cmp "$KB_TMP/in" "$KB_TMP/out"
	stop "$SPAWNED"
}
transfer 'TCP' TCP4-LISTEN:5990,reuseaddr TCP4:127.0.0.1:5990
transfer 'TCP over IPv6' TCP6-LISTEN:5991,reuseaddr 'TCP6:[::1]:5991'
transfer 'Unix stream' UNIX-LISTEN:"$KB_TMP/sock" UNIX-CONNECT:"$KB_TMP/sock"

# What inherits LD_PRELOAD.
export_all=("LD_PRELOAD=$lib" 'KBACCEL_PORTS=*')
for shell in bash dash sh; do
	command -v $shell >/dev/null || continue
	out=$(run_in "$NS_A" env "${export_all[@]}" $shell -c 'echo a | cat; (echo b); x=$(echo c); echo $x; exec 5</dev/null; read y <&5; echo $?; true && exit 7' 2>&1)
	equal "$shell" "7 a b c 1" "$? $(echo $out)"
done
printf '#include <unistd.h>\nint main(void) { return write(1, "static\\n", 7) != 7; }\n' >"$KB_TMP/s.c"
if gcc -static -o "$KB_TMP/s" "$KB_TMP/s.c" 2>/dev/null; then
	equal 'a static program' static "$(run_in "$NS_A" env "${export_all[@]}" "$KB_TMP/s" 2>&1)"
else
	skip 'a static program' 'no static libc'
fi
for command in 'ls /' 'awk BEGIN{print(1+1)}' 'python3 -c print(1+1)' 'perl -e print(1+1)' 'ip -br link show lo' 'ss -uan'; do
	command -v "${command%% *}" >/dev/null || continue
	# shellcheck disable=SC2086
	want=$(run_in "$NS_A" $command 2>&1) got=$(run_in "$NS_A" env "${export_all[@]}" $command 2>&1)
	equal "${command%% *} with the library" "$want" "$got"
done
# A program that drops to another user by its mode takes no settings from whoever starts it.
if [[ -u $(command -v su) ]]; then
	cp "$bin/accel_server" "$KB_TMP/suid" && chmod 4755 "$KB_TMP/suid" && chmod 755 "$KB_TMP"
	out=$(run_in "$NS_A" setpriv --reuid 65534 --regid 65534 --clear-groups env "${export_all[@]}" timeout 1 "$KB_TMP/suid" 5300 2>&1)
	check 'a set-user-ID program is left alone' eval '! grep -q kbaccel <<<"$out"'
fi

# Start-up: a hundred shells with the library take hardly longer than without.
time_of() { local a=${EPOCHREALTIME/./}; run_in "$NS_A" "$@" >/dev/null 2>&1; echo $((${EPOCHREALTIME/./} - a)); }
loop='i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done'
plain=$(time_of dash -c "$loop") loaded=$(time_of env "${export_all[@]}" dash -c "$loop")
sanitized '200 processes' 'starting takes its time' || check "200 processes: $plain us without, $loaded us with the library" test $((loaded)) -lt $((plain * 2 + 100000))
finish
