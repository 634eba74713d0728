// SPDX-License-Identifier: BSD-3-Clause
// echo.rs - an echo server and its client with Rust's std::net.
use std::net::UdpSocket;
use std::time::Duration;

fn serve(socket: UdpSocket) -> std::io::Result<()> {
    let mut buffer = [0u8; 65536];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], peer)?;
    }
}

fn ask(socket: UdpSocket, count: usize) -> std::io::Result<()> {
    let mut buffer = [0u8; 65536];
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    for n in 0..count {
        let text = format!("datagram {} {}", n, "x".repeat(n));
        socket.send(text.as_bytes())?;
        let length = socket.recv(&mut buffer)?;
        assert!(&buffer[..length] == text.as_bytes(), "{} came back changed", n);
    }
    println!("{} datagrams", count);
    Ok(())
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let port: u16 = args[3].parse().unwrap();
    if args[1] == "server" {
        return serve(UdpSocket::bind((args[2].as_str(), port))?);
    }
    let any = if args[2].contains(':') { "::" } else { "0.0.0.0" };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((args[2].as_str(), port))?;
    ask(socket, args[4].parse().unwrap())
}
