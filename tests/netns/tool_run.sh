#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# tool_run.sh - `kbaccel run`: what it refuses before anything is started, what it hands to the program, and its exit
# status. Programs are started in a network namespace without interfaces.
# shellcheck source=tests/lib/test.sh
. "$(dirname "$0")/../lib/test.sh"
# shellcheck source=tests/lib/san.sh
. "$(dirname "$0")/../lib/san.sh"
ASAN_OPTIONS+=:verify_asan_link_order=0 # the tool preloads the library alone
tool=$BUILD/kbaccel
[[ -x $tool ]] || die "no $tool"

# refused NAME STATUS TEXT ARGUMENT...: exit status and a message that has TEXT, and the program is not started.
refused()
{
	local name=$1 want=$2 text=$3 out status
	shift 3
	out=$("$tool" run "$@" 2>&1)
	status=$?
	if [[ $status = "$want" && $out = *"$text"* && $out != *STARTED* ]]; then
		ok "$name"
	else
		note "status $status, output: $out"
		not_ok "$name"
	fi
}

refused 'no ports' 2 'no ports are chosen' -- echo STARTED
refused 'bad port' 2 'element 2, "70000": a port is at most 65535' -p 53,70000 echo STARTED
refused 'empty ports' 2 'KBACCEL_PORTS: the value is empty' -p '' echo STARTED
refused 'bad spin' 2 'KBACCEL_SPIN=1x: not a whole number' -p 53 --spin 1x echo STARTED
refused 'bad log level' 2 'allowed: error|warn|info|debug' -p 53 --log loud echo STARTED
refused 'bad backend' 2 'allowed: auto|xdp|verbs' -p 53 --nic dpdk echo STARTED
refused 'bad interface' 2 'longer than 15 characters' -p 53 -i sixteen_chars_xx echo STARTED
refused 'bad profile' 2 'allowed: default, latency, throughput' -p 53 --profile fast echo STARTED
refused 'unknown option' 2 "unrecognized option '--port5'" --port5 53 echo STARTED
refused 'missing argument' 2 'requires an argument' -p
refused 'no command' 2 'no command is given' -p 53 --
KBACCEL_RX_RING=100 refused 'bad value in the environment' 2 'KBACCEL_RX_RING=100: not a power of two' -p 53 echo STARTED
refused 'no such program' 127 'No such file' -p 53 -- /nonexistent/program
refused 'not executable' 126 'Permission denied' -p 53 -- /etc/passwd
check 'help' grep -q 'Usage: kbaccel run' <("$tool" run --help)

if [[ $(id -u) != 0 ]] || ! unshare -n true 2>/dev/null; then
	skip 'started programs' 'needs root and network namespaces'
	finish
fi

started() { timeout 20 unshare -n "$tool" run "$@"; }

# env_of ARGUMENT...: what the program gets, one sorted line.
env_of() { started "$@" -- env 2>/dev/null | grep ^KBACCEL_ | sort | tr '\n' ' '; }

equal 'ports and interface' 'KBACCEL_INTERFACE=v0 KBACCEL_PORTS=53,[::1]:5 ' "$(env_of -p '53,[::1]:5' -i v0)"
equal 'all options' \
	'KBACCEL_LOG=error KBACCEL_NIC=xdp KBACCEL_PORTS=53 KBACCEL_SPIN=7 KBACCEL_STRICT=1 ' \
	"$(env_of -p 53 --spin=7 --strict --log error --nic xdp)"
equal 'profile latency' 'KBACCEL_PORTS=53 KBACCEL_SPIN=50000 ' "$(env_of -p 53 --profile latency)"
equal 'option goes before profile' 'KBACCEL_PORTS=53 KBACCEL_SPIN=9 ' "$(env_of --spin 9 -p 53 --profile latency)"
equal 'profile throughput' \
	'KBACCEL_FRAMES=32768 KBACCEL_PORTS=53 KBACCEL_RX_RING=8192 KBACCEL_TX_BATCH=64 KBACCEL_TX_RING=4096 ' \
	"$(env_of -p 53 --profile throughput)"
equal 'profile default' 'KBACCEL_PORTS=53 ' "$(env_of -p 53 --profile default)"
equal 'environment applies' 'KBACCEL_PORTS=54 KBACCEL_SPIN=3 ' "$(KBACCEL_PORTS=54 KBACCEL_SPIN=3 env_of)"
equal 'option goes before environment' 'KBACCEL_PORTS=53 ' "$(KBACCEL_PORTS=54 env_of -p 53)"

library=$(realpath "$BUILD/libkbaccel.so")
# shellcheck disable=SC2016
{
	show='printf %s "$LD_PRELOAD"'
	equal 'preload' "$library" "$(started -p 53 sh -c "$show")"
	equal 'goes before other preloads' "$library:/usr/lib/other.so" \
		"$(LD_PRELOAD=/usr/lib/other.so started -p 53 sh -c "$show" 2>/dev/null)"
	equal 'is not doubled' "$library" \
		"$(started -p 53 "$tool" run -p 54 sh -c "$show")"
}
equal 'options of the program are its own' '-p 5 --help' "$(started -p 53 echo -p 5 --help)"
started -p 53 -- sh -c 'exit 42'
equal 'exit status' 42 $?

mkdir "$KB_TMP/with blank"
cp "$tool" "$library" "$KB_TMP/with blank/"
out=$("$KB_TMP/with blank/kbaccel" run -p 53 echo STARTED 2>&1)
equal 'library in a path with a blank' "125 yes" "$? $([[ $out = *'blank or a colon'* ]] && echo yes)"

if echo 'int main(void) { return 0; }' | gcc -static -x c -o "$KB_TMP/static" - 2>/dev/null; then
	check 'warns of a static program' grep -q 'statically linked' <(started -p 53 "$KB_TMP/static" 2>&1)
else
	skip 'warns of a static program' 'needs gcc and libc.a'
fi
finish
