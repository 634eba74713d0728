// SPDX-License-Identifier: BSD-3-Clause
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.Arrays;

/**
 * Echo KIND ADDRESS PORT [COUNT SIZE]: UDP echo. Servers: nio (DatagramChannel and Selector: epoll), channel (blocking
 * DatagramChannel), socket (DatagramSocket), wildcard (bound to no address, the JVM's usual IPv6 socket). Clients:
 * client (DatagramSocket with a timeout), nioclient (connected DatagramChannel and Selector).
 */
public class Echo {
	static InetSocketAddress address;
	static int count, size;

	public static void main(String[] args) throws Exception {
		address = new InetSocketAddress(InetAddress.getByName(args[1]), Integer.parseInt(args[2]));
		if (args.length > 3) {
			count = Integer.parseInt(args[3]);
			size = Integer.parseInt(args[4]);
		}
		switch (args[0]) {
		case "nio" -> nio();
		case "channel" -> channel();
		case "socket" -> socket(new DatagramSocket(address));
		case "wildcard" -> socket(new DatagramSocket(address.getPort()));
		case "client" -> client();
		case "nioclient" -> nioClient();
		default -> throw new IllegalArgumentException(args[0]);
		}
	}

	static DatagramChannel open() throws IOException {
		boolean v4 = address.getAddress().getAddress().length == 4;
		return DatagramChannel.open(v4 ? StandardProtocolFamily.INET : StandardProtocolFamily.INET6);
	}

	static boolean echo(DatagramChannel channel, ByteBuffer buffer) throws IOException {
		buffer.clear();
		SocketAddress peer = channel.receive(buffer);
		if (peer == null)
			return false;
		buffer.flip();
		channel.send(buffer, peer);
		return true;
	}

	static void nio() throws IOException {
		ByteBuffer buffer = ByteBuffer.allocateDirect(65536);
		Selector selector = Selector.open();
		DatagramChannel channel = open();
		channel.bind(address).configureBlocking(false);
		channel.register(selector, SelectionKey.OP_READ);
		while (true) {
			selector.select();
			selector.selectedKeys().clear();
			while (echo(channel, buffer))
				;
		}
	}

	static void channel() throws IOException {
		ByteBuffer buffer = ByteBuffer.allocate(65536);
		DatagramChannel channel = open().bind(address);
		while (true)
			echo(channel, buffer);
	}

	static void socket(DatagramSocket socket) throws IOException {
		byte[] buffer = new byte[65536];
		while (true) {
			DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
			socket.receive(packet);
			socket.send(packet);
		}
	}

	static byte[] payload(int n) {
		byte[] data = new byte[size];
		Arrays.fill(data, (byte) n);
		return data;
	}

	static void check(int n, byte[] data) {
		if (!Arrays.equals(data, payload(n)))
			throw new IllegalStateException("datagram " + n + " came back changed");
	}

	static void client() throws IOException {
		try (DatagramSocket socket = new DatagramSocket()) {
			socket.setSoTimeout(5000);
			for (int n = 0; n < count; n++) {
				socket.send(new DatagramPacket(payload(n), size, address));
				DatagramPacket answer = new DatagramPacket(new byte[65536], 65536);
				socket.receive(answer);
				check(n, Arrays.copyOf(answer.getData(), answer.getLength()));
			}
		}
	}

	static void nioClient() throws IOException {
		ByteBuffer buffer = ByteBuffer.allocateDirect(65536);
		Selector selector = Selector.open();
		DatagramChannel channel = open().connect(address);
		channel.configureBlocking(false);
		channel.register(selector, SelectionKey.OP_READ);
		for (int n = 0; n < count; n++) {
			channel.write(ByteBuffer.wrap(payload(n)));
			buffer.clear();
			while (channel.read(buffer) == 0) {
				if (selector.select(5000) == 0)
					throw new IOException("no answer to datagram " + n);
				selector.selectedKeys().clear();
			}
			byte[] data = new byte[buffer.flip().remaining()];
			buffer.get(data);
			check(n, data);
		}
	}
}
