// SPDX-License-Identifier: BSD-3-Clause

// echo ADDRESS PORT: UDP echo in Go, whose runtime makes system calls itself.
package main

import (
	"net"
	"os"
)

func main() {
	socket, err := net.ListenPacket("udp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		panic(err)
	}
	data := make([]byte, 65536)
	for {
		size, peer, err := socket.ReadFrom(data)
		if err == nil {
			_, err = socket.WriteTo(data[:size], peer)
		}
		if err != nil {
			panic(err)
		}
	}
}
