#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# glib.sh - a program with GLib: GSocket, its main loop waits with ppoll().
# PACKAGES: gcc libc6-dev libglib2.0-dev pkg-config python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need gcc pkg-config python3
app_lab

flags=$(pkg-config --cflags --libs gio-2.0 2>/dev/null) || app_skip "libglib2.0-dev is not installed (see tests/apps/packages.txt)"
# shellcheck disable=SC2086 # the flags are words
gcc -O1 -o "$tmp/echo_glib" "$echo/echo_glib.c" $flags || app_fail "gcc" "echo_glib.c does not build"
echo_servers "GSocket" "$tmp/echo_glib" server
echo_clients "GSocket client" "$tmp/echo_glib" client
app_end
