<?php
// SPDX-License-Identifier: BSD-3-Clause
// echo.php KIND ADDRESS PORT [COUNT SIZE]: UDP echo in PHP. Servers: sockets (ext/sockets: socket_recvfrom), select
// (socket_select), stream (stream_socket_server). Client: client (stream_socket_client and stream_select).
[, $kind, $address, $port] = $argv;
$url = 'udp://' . (str_contains($address, ':') ? "[$address]" : $address) . ":$port";

function sockets(string $address, int $port, bool $select): void
{
	$socket = socket_create(str_contains($address, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, SOL_UDP);
	socket_bind($socket, $address, $port) || exit(1);
	while (true) {
		$read = [$socket];
		$write = $except = null;
		if ($select && !socket_select($read, $write, $except, 5))
			continue;
		if (socket_recvfrom($socket, $data, 65535, 0, $peer, $peer_port) !== false)
			socket_sendto($socket, $data, strlen($data), 0, $peer, $peer_port);
	}
}

function stream(string $url): void
{
	$socket = stream_socket_server($url, $code, $text, STREAM_SERVER_BIND) or exit($text);
	while (true) {
		$data = stream_socket_recvfrom($socket, 65535, 0, $peer);
		if ($peer)
			stream_socket_sendto($socket, $data, 0, $peer);
	}
}

function client(string $url, int $count, int $size): int
{
	$socket = stream_socket_client($url);
	for ($n = 0; $n < $count; $n++) {
		$data = substr("$n." . str_repeat('x', $size), 0, $size);
		fwrite($socket, $data);
		$read = [$socket];
		$write = $except = null;
		if (!stream_select($read, $write, $except, 5) || fread($socket, 65535) !== $data) {
			echo "no answer to $n, or not as it went\n";
			return 1;
		}
	}
	return 0;
}

switch ($kind) {
case 'client':
	exit(client($url, (int)$argv[4], (int)$argv[5]));
case 'stream':
	stream($url);
default:
	sockets($address, (int)$port, $kind === 'select');
}
