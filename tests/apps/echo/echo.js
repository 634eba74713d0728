// SPDX-License-Identifier: BSD-3-Clause
// echo.js KIND ADDRESS PORT [COUNT SIZE]: UDP echo with Node's dgram. Servers: dgram, worker (in a thread of its own).
// Clients: client, connected.
'use strict';
const dgram = require('dgram');
const { Worker, isMainThread } = require('worker_threads');
const [kind, address, port, count, size] = process.argv.slice(2);
const type = address.includes(':') ? 'udp6' : 'udp4';

function server() {
	const socket = dgram.createSocket(type);
	socket.on('message', (data, peer) => socket.send(data, peer.port, peer.address));
	socket.bind(Number(port), address);
}

function client(connected) {
	const socket = dgram.createSocket(type);
	let n = 0;
	const payload = () => Buffer.alloc(Number(size), `${n}.`);
	const next = () => connected ? socket.send(payload()) : socket.send(payload(), Number(port), address);
	const timer = setTimeout(() => { throw new Error(`${n} of ${count} came back`); }, 12000);
	socket.on('message', (data) => {
		if (!data.equals(payload()))
			throw new Error(`datagram ${n} came back changed`);
		if (++n < Number(count))
			return next();
		clearTimeout(timer);
		socket.close();
	});
	connected ? socket.connect(Number(port), address, next) : next();
}

if (kind === 'dgram' || !isMainThread)
	server();
else if (kind === 'worker')
	new Worker(__filename, { argv: process.argv.slice(2) });
else
	client(kind === 'connected');
