#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# raw.sh - programs whose system calls no preloaded library can see: Go, a static binary, io_uring, set-user-ID and file
# capabilities (there the loader ignores LD_PRELOAD), libc's own syscall(). They work, by the kernel, as if nothing were preloaded.
# PACKAGES: gcc libc6-dev golang-go liburing-dev libcap2-bin util-linux python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need gcc python3
app_lab

skipped()
{
	echo "skip $app $*"
}

if gcc -O1 -static -o "$tmp/echo_static" "$echo/echo_plain.c"; then
	echo_by_kernel "static binary" $addr4 "$tmp/echo_static"
	echo_by_kernel "static binary" $addr6 "$tmp/echo_static"
else
	skipped "static binary: gcc -static does not work"
fi

if ! gcc -O1 -o "$tmp/echo_uring" "$echo/echo_uring.c" -luring 2>"$tmp/gcc.log"; then
	skipped "io_uring: liburing-dev is not installed"
elif ! "$tmp/echo_uring"; then
	skipped "io_uring: the kernel refuses io_uring_setup"
else
	echo_by_kernel "io_uring" $addr4 "$tmp/echo_uring"
	echo_by_kernel "io_uring" $addr6 "$tmp/echo_uring"
fi

# The same program is accelerated as long as it has no privileges of its own.
gcc -O1 -o "$tmp/echo_plain" "$echo/echo_plain.c" || app_fail "gcc" "echo_plain.c does not build"
echo_server "plain binary" $addr4 "$tmp/echo_plain"
cp "$tmp/echo_plain" "$tmp/echo_setuid"
chown nobody "$tmp/echo_setuid" && chmod u+s "$tmp/echo_setuid"
echo_by_kernel "set-user-ID" $addr4 "$tmp/echo_setuid"
cp "$tmp/echo_plain" "$tmp/echo_caps"
if setcap cap_net_bind_service+ep "$tmp/echo_caps" 2>"$tmp/setcap.log"; then
	echo_by_kernel "file capabilities" $addr4 setpriv --reuid nobody --regid nogroup --clear-groups "$tmp/echo_caps"
else
	skipped "file capabilities: $(head -1 "$tmp/setcap.log")"
fi

echo_server "syscall() as preloaded" $addr4 python3 "$echo/echo_syscall.py" global
echo_by_kernel "libc's own syscall()" $addr4 python3 "$echo/echo_syscall.py" libc

if ! command -v go >/dev/null; then
	skipped "Go: golang-go is not installed"
elif ! GO111MODULE=off GOCACHE=$tmp/go go build -o "$tmp/echo_go" "$echo/echo.go" 2>"$tmp/go.log"; then
	app_fail "Go" "$(tail -1 "$tmp/go.log")"
else
	echo_by_kernel "Go" $addr4 "$tmp/echo_go"
	echo_by_kernel "Go" $addr6 "$tmp/echo_go"
fi
app_end
