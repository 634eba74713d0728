/* SPDX-License-Identifier: BSD-3-Clause */
/* connect.c - connect() on UDP: names, filtering of other peers, changing one's mind, dissolving, refusals. */
/* expect: fast 4 */
#include "lib.h"

static char buf[2048];

static void names(const char *what, int fd)
{
	addr_t a;
	socklen_t len = sizeof(a);

	getsockname(fd, &a.sa, &len);
	say("%s: local %s, ", what, addr_name(&a, len));
	len = sizeof(a);
	res("peer", getpeername(fd, &a.sa, &len) < 0 ? -1 : 0);
	if (len && len < sizeof(a))
		say("  %s\n", addr_name(&a, len));
}

static int unspec(int fd)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };

	return connect(fd, (struct sockaddr *)&ss, sizeof(ss));
}

static void peers_send(int port)
{
	peer("send 0 L1 %d 20 1 1", port);
	peer("send 1 L1 %d 20 2 1", port);
	peer("send 2 L1 %d 20 3 1", port);
	arrive();
}

static void filter(const char *local)
{
	int fd = bound(local, PORT);

	say("-- filtering, bound to %s\n", local);
	names("bound", fd);
	peers_send(PORT);
	take("unconnected", fd);
	res("connect P1", connect_to(fd, "P1", PPORT));
	names("connected", fd);
	peers_send(PORT);
	take("connected to P1", fd);
	res("connect P2", connect_to(fd, "P2", PPORT));
	peers_send(PORT);
	take("connected to P2", fd);
	res("connect P1, other port", connect_to(fd, "P1", PPORT + 1));
	peers_send(PORT);
	take("connected to P1:7001", fd);
	res("dissolve", unspec(fd));
	names("dissolved", fd);
	/* Not from P2: an IPv6 socket of Linux 6.18 goes on refusing other addresses than that of its last peer. */
	peer("send 0 L1 %d 20 1 1", PORT);
	peer("send 1 L1 %d 20 2 1", PORT);
	arrive();
	take("dissolved", fd);
	res("dissolve again", unspec(fd));
	close(fd);
}

/* Datagrams queued before connect() stay, whoever sent them. */
static void queued_before(void)
{
	int fd = bound("L1", PORT);

	say("-- queued before connect\n");
	peers_send(PORT);
	poll1("queued", fd, POLLIN, 0);
	res("connect P1", connect_to(fd, "P1", PPORT));
	take("still there", fd);
	peers_send(PORT);
	res("dissolve", unspec(fd));
	take("dissolved", fd);
	close(fd);
}

static void implicit(void)
{
	int fd = udp(0);
	addr_t a;
	socklen_t len = sizeof(a);

	say("-- connect without bind\n");
	names("fresh", fd);
	res("connect", connect_to(fd, "P1", PPORT));
	names("connected", fd);
	fill(buf, 64, 4);
	res("send", send(fd, buf, 64, 0));
	say("peer: %s\n", peer("echo 0 1 500"));
	got("answer", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	must("getsockname", getsockname(fd, &a.sa, &len));
	peer("send 1 L1 %d 20 9 1", ntohs(a.in.sin_port));
	arrive();
	res("from another peer", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("dissolve", unspec(fd));
	names("dissolved", fd);
	res("sendto", send_to(fd, buf, 64, 0, "P1", PPORT));
	say("peer: %s\n", peer("echo 0 1 500"));
	got("answer", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	names("after a send", fd);
	close(fd);
}

static void refusals(void)
{
	int fd = bound("L1", PORT);
	addr_t a;
	socklen_t len = addr_of(&a, "P1", PPORT), elen = sizeof(int);
	int err = 0;

	say("-- refusals\n");
	res("short", connect(fd, &a.sa, 4));
	res("shorter", connect(fd, &a.sa, 1));
	a.sa.sa_family = AF_UNIX;
	res("AF_UNIX", connect(fd, &a.sa, len));
	res("port 0", connect_to(fd, "P1", 0));
	names("port 0", fd);
	res("send to port 0", send(fd, buf, 5, 0));
	arrive();
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &elen);
	say("SO_ERROR %s\n", strerrorname_np(err));
	res("any address", connect_to(fd, "any", PPORT));
	names("any address", fd);
	if (!is_lo()) {
		res("no route", connect_to(fd, "N1", PPORT));
		names("after no route", fd);
	}
	res("itself", connect_to(fd, "L1", PORT));
	fill(buf, 10, 1);
	res("send to itself", send(fd, buf, 10, 0));
	poll1("from itself", fd, POLLIN, 500);
	got("recv from itself", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	close(fd);
}

int main(void)
{
	cf_start();
	peer("open 1 P1 %d", PPORT + 1);
	peer("open 2 P2 %d", PPORT);
	filter("L1");
	filter("any");
	queued_before();
	implicit();
	refusals();
	return 0;
}
