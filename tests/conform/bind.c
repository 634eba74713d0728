/* SPDX-License-Identifier: BSD-3-Clause */
/* bind.c - bind() and names: errors, port 0, precedence of specific and wildcard sockets, closing and binding again. */
/* expect: fast 6 */
#include "lib.h"

static char buf[2048];

static void name(const char *what, int fd)
{
	addr_t a;
	socklen_t len = sizeof(a);

	res(what, getsockname(fd, &a.sa, &len));
	say("  %s\n", addr_name(&a, len));
	len = sizeof(a);
	res("  peer", getpeername(fd, &a.sa, &len));
}

static void errors(void)
{
	int a = udp(0), b = udp(0);
	addr_t addr;
	socklen_t len = addr_of(&addr, "L1", PORT);

	say("-- errors\n");
	name("fresh", a);
	res("short", bind(a, &addr.sa, 4));
	res("length 128", bind(a, &addr.sa, 128));
	res("twice", bind_to(a, "L1", PORT + 1));
	name("bound", a);
	res("in use", bind_to(b, "L1", PORT));
	res("in use, wildcard", bind_to(b, "any", PORT));
	if (!is_lo())
		res("not ours", bind_to(b, "P1", PORT));
	res("nobody's", bind_to(b, "N1", PORT));
	addr.sa.sa_family = 99;
	res("family", bind(b, &addr.sa, len));
	res("other address", bind_to(b, "L2", PORT));
	name("other address", b);
	close(a);
	close(b);
	a = udp(0);
	res("again", bind_to(a, "L1", PORT));
	close(a);
	res("closed", bind_to(a, "L1", PORT));
}

static void port_zero(void)
{
	int fd = udp(0);
	addr_t a;
	socklen_t len = sizeof(a);

	say("-- port 0\n");
	res("bind", bind_to(fd, "L1", 0));
	name("bound", fd);
	getsockname(fd, &a.sa, &len);
	peer("send 0 L1 %d 33 1 1", ntohs(a.in.sin_port));
	got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	len = 4;
	memset(&a, 0, sizeof(a));
	res("getsockname short", getsockname(fd, &a.sa, &len));
	say("  length %u\n", len);
	close(fd);
}

static void precedence(void)
{
	int wild = udp(0), one = udp(0), two = udp(0);

	say("-- a wildcard and specific sockets on one port\n");
	set_int(wild, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(one, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(two, SOL_SOCKET, SO_REUSEADDR, 1);
	res("wildcard", bind_to(wild, "any", PORT));
	take("wildcard", wild);
	peer("send 0 L1 %d 20 1 1", PORT);
	peer("send 0 L2 %d 20 2 1", PORT);
	arrive();
	take("wildcard", wild);
	res("L1", bind_to(one, "L1", PORT));
	take("L1", one);
	peer("send 0 L1 %d 20 3 1", PORT);
	peer("send 0 L2 %d 20 4 1", PORT);
	arrive();
	take("wildcard", wild);
	take("L1", one);
	res("L2", bind_to(two, "L2", PORT));
	peer("send 0 L1 %d 20 5 1", PORT);
	peer("send 0 L2 %d 20 6 1", PORT);
	arrive();
	take("wildcard", wild);
	take("L1", one);
	take("L2", two);
	close(one);
	peer("send 0 L1 %d 20 7 1", PORT);
	peer("send 0 L2 %d 20 8 1", PORT);
	arrive();
	take("wildcard", wild);
	take("L2", two);
	close(wild);
	peer("send 0 L1 %d 20 9 1", PORT);
	peer("send 0 L2 %d 20 10 1", PORT);
	arrive();
	take("L2", two);
	close(two);
}

static void again_and_again(void)
{
	say("-- closing and binding again\n");
	for (int i = 0; i < 5; i++) {
		int fd = udp(0);

		res("bind", bind_to(fd, i % 2 ? "any" : "L1", PORT));
		peer("send 0 L1 %d 20 %d 1", PORT, i);
		got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
		close(fd);
		peer("send 0 L1 %d 20 99 1", PORT); /* to nobody */
	}
}

static void many(void)
{
	int fds[20];

	say("-- many sockets\n");
	for (int i = 0; i < 20; i++)
		fds[i] = bound(i % 3 ? "L1" : "any", PORT + 10 + i);
	for (int i = 19; i >= 0; i--)
		peer("send 0 L1 %d 20 %d 1", PORT + 10 + i, i);
	arrive();
	for (int i = 0; i < 20; i++) {
		got("recv", recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
		close(fds[i]);
	}
}

static void v6only(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);

	say("-- both families on one port\n");
	set_int(a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	res("IPv6 only", bind(a, (struct sockaddr *)&sin6, sizeof(sin6)));
	res("IPv4", bind(b, (struct sockaddr *)&sin, sizeof(sin)));
	take("IPv6", a);
	take("IPv4", b);
	peer("send 0 L1 %d 20 1 1", PORT);
	arrive();
	take("IPv6", a);
	take("IPv4", b);
	close(a);
	a = socket(AF_INET6, SOCK_DGRAM, 0);
	set_int(a, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	res("dual, in use", bind(a, (struct sockaddr *)&sin6, sizeof(sin6)));
	close(b);
	res("dual", bind(a, (struct sockaddr *)&sin6, sizeof(sin6)));
	take("dual", a);
	peer("send 0 L1 %d 20 2 1", PORT);
	arrive();
	take("dual", a);
	close(a);
}

int main(void)
{
	cf_start();
	errors();
	port_zero();
	precedence();
	again_and_again();
	many();
	v6only();
	return 0;
}
