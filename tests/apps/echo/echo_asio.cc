// SPDX-License-Identifier: BSD-3-Clause
// echo_asio.cc: `echo_asio ADDRESS PORT`, UDP echo with Boost.Asio, two threads in one io_context.
#include <array>
#include <boost/asio.hpp>
#include <thread>

using boost::asio::ip::udp;

struct Server {
	udp::socket socket;
	udp::endpoint peer;
	std::array<char, 65536> data;

	void receive()
	{
		socket.async_receive_from(boost::asio::buffer(data), peer, [this](auto error, std::size_t size) {
			if (error)
				return receive();
			socket.async_send_to(boost::asio::buffer(data, size), peer,
				[this](auto, std::size_t) { receive(); });
		});
	}
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	boost::asio::io_context context;
	udp::endpoint address(boost::asio::ip::make_address(argv[1]), std::stoi(argv[2]));
	Server server{ udp::socket(context, address), {}, {} };
	server.receive();
	std::thread other([&] { context.run(); });
	context.run();
	other.join();
}
