#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# rust.sh - Rust's std::net: blocking sockets, a time limit for receiving.
# PACKAGES: rustc gcc python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need rustc gcc python3
app_lab

rustc -o "$tmp/echo_rust" "$echo/echo.rs" 2>"$tmp/rustc.log" || app_skip "rustc: $(head -1 "$tmp/rustc.log")"
echo_servers "std::net" "$tmp/echo_rust" server
echo_clients "std::net client" "$tmp/echo_rust" client
app_end
