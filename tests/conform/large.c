/* SPDX-License-Identifier: BSD-3-Clause */
/* large.c - datagrams larger than the MTU, in fragments, both ways, among small ones; and a full receive buffer. */
/* expect: fast 4 */
#include "lib.h"

static char buf[70000];
static const int sizes[] = { 1472, 1473, 1500, 2000, 4096, 8972, 9000, 20000, 65000, 65507 };

static void receive(int fd)
{
	addr_t from;
	socklen_t len;

	say("-- received\n");
	for (size_t i = 0; i < NLEN(sizes); i++) {
		len = sizeof(from);
		peer("send 0 L1 %d %d %zu 1", PORT, sizes[i], i);
		got("recvfrom", recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &len), buf, sizeof(buf));
		say("  from %s\n", addr_name(&from, len));
	}
	peer("send 0 L1 %d 30000 77 1", PORT);
	got("in part", recv(fd, buf, 1000, MSG_TRUNC), buf, 1000);
}

/* Large ones reach us through the kernel, small ones past it: both are one socket. */
static void both(int fd)
{
	int large = 0, small = 0;

	say("-- large and small\n");
	for (int i = 0; i < 10; i++)
		peer("send 0 L1 %d %d %d 1", PORT, i % 2 ? 50 : 5000, i);
	arrive();
	for (int i = 0; i < 10; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, 1000) != 1)
			break;
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0 && !intact(buf, (size_t)n, *(unsigned char *)buf))
			say("CORRUPT\n");
		large += n == 5000;
		small += n == 50;
	}
	say("%d large, %d small\n", large, small);
	poll1("then", fd, POLLIN, 30);
}

static void sends(int fd)
{
	say("-- sent\n");
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 400000);
	for (size_t i = 0; i < NLEN(sizes); i++) {
		fill(buf, sizeof(buf), (int)i);
		res("sendto", send_to(fd, buf, (size_t)sizes[i], 0, "P1", PPORT));
		say("  peer: %s\n", peer("recvx 0 500"));
	}
	fill(buf, sizeof(buf), 3);
	for (int i = 0; i < 10; i++)
		send_to(fd, buf, i % 2 ? 50 : 5000, 0, "P1", PPORT);
	say("peer: %s\n", peer("drain 0 100"));
}

/* More than the buffer holds: some are lost, those that come are whole, and later ones come again. */
static void overflow(int fd)
{
	int n = 0, bad = 0;
	ssize_t r;

	say("-- a full receive buffer\n");
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 8192);
	peer("send 0 L1 %d 1000 1 200", PORT);
	arrive();
	poll1("full", fd, POLLIN, 100);
	while ((r = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		n++;
		bad += r != 1000 || !intact(buf, 1000, *(unsigned char *)buf);
	}
	say("%s, %d bad\n",
	    n >= 4 && n < 200 ? "some were kept"
	    : n == 200	      ? "all were kept"
			      : "TOO FEW",
	    bad);
	peer("send 0 L1 %d 100 9 1", PORT);
	got("the next one", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	receive(fd);
	both(fd);
	sends(fd);
	overflow(fd);
	return 0;
}
