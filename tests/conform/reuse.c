/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reuse.c - several sockets on one port: SO_REUSEADDR (the last one bound gets unicast), per-session sockets (first datagram,
 * connect to its sender, new listener), SO_REUSEPORT groups.
 */
/* expect: fast 100 */
#include "lib.h"
#include <linux/filter.h>

static char buf[2048];

static int listener(int option)
{
	int fd = udp(0);

	set_int(fd, SOL_SOCKET, option, 1);
	res("bind", bind_to(fd, "any", PORT));
	settle(fd);
	return fd;
}

static void reuseaddr(void)
{
	int a, b, c = udp(0);

	say("-- SO_REUSEADDR\n");
	a = listener(SO_REUSEADDR);
	peer("send 0 L1 %d 20 1 2", PORT);
	arrive();
	b = listener(SO_REUSEADDR);
	peer("send 0 L1 %d 20 3 2", PORT);
	arrive();
	take("first", a);
	take("second", b);
	res("without the option", bind_to(c, "any", PORT));
	close(b);
	peer("send 0 L1 %d 20 5 2", PORT);
	arrive();
	take("first", a);
	close(a);
	close(c);
}

/* What DTLS and TFTP servers do: the listener becomes the session, a new listener takes its place. */
static void sessions(void)
{
	int fd[4];
	addr_t from;
	socklen_t len;

	say("-- per-session sockets\n");
	fd[0] = listener(SO_REUSEADDR);
	for (int i = 0; i < 3; i++) {
		peer("send %d L1 %d 20 %d 1", i, PORT, 10 + i);
		len = sizeof(from);
		got("first datagram", recvfrom(fd[i], buf, sizeof(buf), 0, &from.sa, &len), buf,
		    sizeof(buf));
		say("  from %s\n", addr_name(&from, len));
		res("connect", connect(fd[i], &from.sa, len));
		fd[i + 1] = listener(SO_REUSEADDR);
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 4; i++)
			peer("send %d L1 %d 20 %d 1", i, PORT, 20 + round * 10 + i);
		arrive();
		take("session 0", fd[0]);
		take("session 1", fd[1]);
		take("session 2", fd[2]);
		take("listener", fd[3]);
	}
	fill(buf, 30, 77);
	for (int i = 0; i < 3; i++) {
		res("send", send(fd[i], buf, 30, 0));
		say("  peer %d: %s\n", i, peer("recv %d 500", i));
	}
	close(fd[1]);
	peer("send 1 L1 %d 20 50 1", PORT);
	arrive();
	take("session 0", fd[0]);
	take("session 2", fd[2]);
	take("listener", fd[3]);
	close(fd[0]);
	close(fd[2]);
	close(fd[3]);
}

static void reuseport(void)
{
	int fd[3], other = udp(0), sum = 0, mine[3], where, n;

	say("-- SO_REUSEPORT\n");
	for (int i = 0; i < 3; i++)
		fd[i] = listener(SO_REUSEPORT);
	res("without the option", bind_to(other, "any", PORT));
	close(other);
	for (int i = 0; i < 8; i++)
		peer("open %d P1 %d", 4 + i, PPORT + 100 + i);
	for (int i = 0; i < 8; i++)
		peer("send %d L1 %d 20 %d 5", 4 + i, PORT, i);
	arrive();
	for (int i = 0; i < 3; i++)
		sum += mine[i] = take(NULL, fd[i]);
	say("received %d\n", sum);
	say("each flow whole: %s\n", mine[0] % 5 || mine[1] % 5 || mine[2] % 5 ? "no" : "yes");
	/* one flow always meets the same socket */
	where = -1;
	for (int k = 0; k < 4; k++) {
		peer("send 4 L1 %d 20 1 1", PORT);
		arrive();
		for (int i = 0; i < 3; i++) {
			n = take(NULL, fd[i]);
			if (n && where == -1)
				where = i;
			else if (n && where != i)
				say("the flow MOVED\n");
		}
	}
	for (int i = 0; i < 2; i++)
		close(fd[i]);
	for (int i = 0; i < 8; i++)
		peer("send %d L1 %d 20 %d 2", 4 + i, PORT, i);
	arrive();
	say("the last one of the group receives %d\n", take(NULL, fd[2]));
	close(fd[2]);
}

static void connected_in_group(void)
{
	int a, b;

	say("-- SO_REUSEPORT with a connected socket\n");
	a = listener(SO_REUSEPORT);
	b = listener(SO_REUSEPORT);
	res("connect", connect_to(b, "P1", PPORT));
	peer("send 0 L1 %d 20 1 3", PORT);
	peer("send 1 L1 %d 20 4 3", PORT);
	arrive();
	take("connected", b);
	take("other", a);
	close(a);
	close(b);
}

/* A program that always chooses the second socket; then it is detached, by another member, and the hash chooses again. */
static void selector(void)
{
	struct sock_filter second = BPF_STMT(BPF_RET | BPF_K, 1);
	struct sock_fprog program = { 1, &second };
	int fd[3], sum = 0, one = 1;

	say("-- SO_REUSEPORT with a program\n");
	for (int i = 0; i < 2; i++)
		fd[i] = listener(SO_REUSEPORT);
	res("detach nothing",
	    setsockopt(fd[1], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &one, sizeof(one)));
	for (int round = 0; round < 2; round++) {
		peer_sends(PORT, 20, 1, 3);
		res("attach", setsockopt(fd[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
					 sizeof(program)));
		sum = take(NULL, fd[0]) + take(NULL, fd[1]);
		say("before: %d\n", sum);
		for (int i = 0; i < 8; i++)
			peer("send %d L1 %d 20 %d 2", 4 + i, PORT, i);
		arrive();
		take("first", fd[0]);
		take("second", fd[1]);
		peer_sends(PORT, 20, 1, 3);
		res("detach",
		    setsockopt(fd[1], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &one, sizeof(one)));
		fd[2] = listener(SO_REUSEPORT);
		for (int i = 0; i < 3; i++)
			settle(fd[i]);
		for (int i = 0; i < 8; i++)
			peer("send %d L1 %d 20 %d 2", 4 + i, PORT, i);
		arrive();
		sum = 0;
		for (int i = 0; i < 3; i++)
			sum += take(NULL, fd[i]);
		say("after: %d\n", sum);
		close(fd[2]);
	}
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	cf_start();
	peer("open 1 P1 %d", PPORT + 1);
	peer("open 2 P2 %d", PPORT);
	peer("open 3 P2 %d", PPORT + 3);
	reuseaddr();
	sessions();
	reuseport();
	connected_in_group();
	selector();
	return 0;
}
