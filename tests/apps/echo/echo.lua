-- SPDX-License-Identifier: BSD-3-Clause
-- echo.lua KIND ADDRESS PORT [COUNT SIZE]: UDP echo with LuaSocket. Servers: blocking (receivefrom), select
-- (socket.select). Client: client (receive with a timeout).
local socket = require 'socket'
local kind, address, port, count, size = table.unpack(arg)
local udp = address:find(':') and socket.udp6() or socket.udp4()

local function client()
	assert(udp:setpeername(address, port))
	udp:settimeout(5)
	for n = 1, count do
		local data = (n .. '.' .. ('x'):rep(size)):sub(1, size)
		assert(udp:send(data))
		assert(assert(udp:receive()) == data, 'came back changed')
	end
end

local function server()
	assert(udp:setsockname(address, port))
	if kind == 'select' then udp:settimeout(0) end
	while true do
		if kind == 'select' then socket.select({ udp }, nil, 5) end
		local data, peer, peer_port = udp:receivefrom()
		if data then udp:sendto(data, peer, peer_port) end
	end
end

if kind == 'client' then client() else server() end
