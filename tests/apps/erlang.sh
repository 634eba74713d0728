#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# erlang.sh - Erlang's gen_udp: active (messages), {active, once}, passive, and a client.
# PACKAGES: erlang-base python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need erl erlc python3
app_lab

export HOME=$tmp # for erl's cookie
erlc -o "$tmp" "$echo/echo.erl" || app_skip "erlc does not compile echo.erl"
main='try echo:main(init:get_plain_arguments()), halt(0) catch _:E -> io:format("~p~n", [E]), halt(1) end.'
erl=(erl +S 2:2 -noinput -boot no_dot_erlang -pa "$tmp" -eval "$main" -extra)
echo_server "active" $addr4 "${erl[@]}" active
echo_server "active once" $addr6 "${erl[@]}" once
echo_server "passive" $addr4 "${erl[@]}" passive
echo_client "client" $addr6 "${erl[@]}" client
app_end
