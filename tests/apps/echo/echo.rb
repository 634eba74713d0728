# SPDX-License-Identifier: BSD-3-Clause
# echo.rb KIND ADDRESS PORT [COUNT SIZE]: UDP echo in Ruby. Servers: blocking (recvfrom), select (IO.select and
# recvfrom_nonblock), threads, recvmsg. Client: client.
require 'socket'

kind, address, port, count, size = ARGV
socket = UDPSocket.new(address.include?(':') ? Socket::AF_INET6 : Socket::AF_INET)

def echo(socket)
  data, peer = socket.recvfrom(65535)
  socket.send(data, 0, peer[3], peer[1])
end

def drain(socket)
  loop do
    data, peer = socket.recvfrom_nonblock(65535)
    socket.send(data, 0, peer[3], peer[1])
  end
rescue IO::WaitReadable
  nil
end

def client(socket, count, size)
  count.times do |n|
    data = "#{n}.".ljust(size, 'x')
    socket.send(data, 0)
    abort "no answer to #{n}" unless socket.wait_readable(5)
    abort "datagram #{n} came back changed" unless socket.recv(65535) == data
  end
end

if kind == 'client'
  socket.connect(address, port.to_i)
  client(socket, count.to_i, size.to_i)
  exit
end
socket.bind(address, port.to_i)
case kind
when 'blocking' then loop { echo(socket) }
when 'select' then loop { drain(socket) if IO.select([socket], nil, nil, 5) }
when 'threads' then 3.times.map { Thread.new { loop { echo(socket) } } }.each(&:join)
when 'recvmsg'
  loop do
    data, peer = socket.recvmsg
    socket.sendmsg(data, 0, peer)
  end
end
