#!/usr/bin/env escript
%% SPDX-License-Identifier: BSD-3-Clause
%% echo_socket.erl - an echo server and its client with the newer socket module: the VM calls recvmsg and sendmsg itself.
main([Role, Address, Port | Rest]) ->
    {ok, Ip} = inet:parse_address(Address),
    Family = case tuple_size(Ip) of 4 -> inet; 8 -> inet6 end,
    {ok, Socket} = socket:open(Family, dgram, udp),
    Peer = #{family => Family, addr => Ip, port => list_to_integer(Port)},
    run(Role, Socket, Peer, Rest).

run("server", Socket, Peer, _) ->
    ok = socket:bind(Socket, Peer),
    serve(Socket);
run("client", Socket, Peer, [Count | _]) ->
    ask(Socket, Peer, 0, list_to_integer(Count)).

serve(Socket) ->
    {ok, {Peer, Data}} = socket:recvfrom(Socket),
    ok = socket:sendto(Socket, Data, Peer),
    serve(Socket).

ask(_, _, Count, Count) ->
    io:format("~b datagrams~n", [Count]);
ask(Socket, Peer, N, Count) ->
    Text = iolist_to_binary(io_lib:format("datagram ~b ~s", [N, lists:duplicate(N, $x)])),
    ok = socket:sendto(Socket, Text, Peer),
    {ok, {_, Text}} = socket:recvfrom(Socket, 0, 3000),
    ask(Socket, Peer, N + 1, Count).
