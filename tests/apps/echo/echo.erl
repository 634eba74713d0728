%% SPDX-License-Identifier: BSD-3-Clause
%% echo.erl KIND ADDRESS PORT [COUNT SIZE]: UDP echo with gen_udp. Servers: active (messages), once
%% ({active, once}), passive (recv). Client: client (passive, with a timeout). The BEAM waits by epoll.
-module(echo).
-export([main/1]).

main([Kind, Address, Port | Rest]) ->
	{ok, IP} = inet:parse_address(Address),
	Family = case tuple_size(IP) of 4 -> inet; 8 -> inet6 end,
	run(Kind, Family, IP, list_to_integer(Port), [list_to_integer(N) || N <- Rest]).

run("client", Family, IP, Port, [Count, Size]) ->
	{ok, Socket} = gen_udp:open(0, [binary, Family, {active, false}]),
	[exchange(Socket, IP, Port, N, Size) || N <- lists:seq(1, Count)];
run("active", Family, IP, Port, []) ->
	active(open(Family, IP, Port, true), false);
run("once", Family, IP, Port, []) ->
	active(open(Family, IP, Port, once), once);
run("passive", Family, IP, Port, []) ->
	passive(open(Family, IP, Port, false)).

open(Family, IP, Port, Active) ->
	{ok, Socket} = gen_udp:open(Port, [binary, Family, {ip, IP}, {active, Active}]),
	Socket.

active(Socket, Rearm) ->
	receive
		{udp, Socket, IP, Port, Data} ->
			ok = gen_udp:send(Socket, IP, Port, Data),
			Rearm =:= false orelse inet:setopts(Socket, [{active, Rearm}]),
			active(Socket, Rearm)
	end.

passive(Socket) ->
	{ok, {IP, Port, Data}} = gen_udp:recv(Socket, 0),
	ok = gen_udp:send(Socket, IP, Port, Data),
	passive(Socket).

exchange(Socket, IP, Port, N, Size) ->
	Data = binary:copy(<<N>>, Size),
	ok = gen_udp:send(Socket, IP, Port, Data),
	{ok, {IP, Port, Data}} = gen_udp:recv(Socket, 0, 5000).
