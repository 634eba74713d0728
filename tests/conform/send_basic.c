/* SPDX-License-Identifier: BSD-3-Clause */
/* send_basic.c - every call that sends, connected and not, and what arrives at the peer. */
/* expect: fast 0 */
#include "lib.h"

static char buf[2048];

static void arrived(int n)
{
	for (int i = 0; i < n; i++)
		say("  peer: %s\n", peer("recvx 0 500"));
	say("  then: %s\n", peer("recv 0 30"));
}

static void unconnected(int fd)
{
	addr_t a;
	socklen_t len = addr_of(&a, "P1", PPORT);
	struct iovec iov[3] = { { buf, 10 }, { buf + 10, 0 }, { buf + 10, 90 } };
	struct msghdr m = { .msg_name = &a, .msg_namelen = len, .msg_iov = iov, .msg_iovlen = 3 };
	struct mmsghdr mm[3];

	say("-- unconnected\n");
	fill(buf, sizeof(buf), 1);
	res("sendto", sendto(fd, buf, 100, 0, &a.sa, len));
	res("sendto length 128", sendto(fd, buf, 101, 0, &a.sa, 128));
	res("sendmsg", sendmsg(fd, &m, 0));
	for (int i = 0; i < 3; i++)
		mm[i] = (struct mmsghdr){ .msg_hdr = m, .msg_len = 777 };
	mm[1].msg_hdr.msg_iovlen = 1;
	mm[2].msg_hdr.msg_iovlen = 0;
	res("sendmmsg", sendmmsg(fd, mm, 3, 0));
	say("lengths %u %u %u\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	arrived(6);
	res("send", send(fd, buf, 10, 0));
	res("write", write(fd, buf, 10));
	res("writev", writev(fd, iov, 3));
	res("sendto NULL", sendto(fd, buf, 10, 0, NULL, 0));
	res("sendto NULL with length", sendto(fd, buf, 10, 0, NULL, len));
	m.msg_name = NULL;
	res("sendmsg no name", sendmsg(fd, &m, 0));
	m.msg_name = &a;
	m.msg_namelen = 0;
	res("sendmsg name of 0", sendmsg(fd, &m, 0));
	arrived(0);
}

static void connected(int fd)
{
	addr_t a;
	socklen_t len = addr_of(&a, "P2", PPORT + 1);
	struct iovec iov[3] = { { buf, 10 }, { buf + 10, 0 }, { buf + 10, 90 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };

	say("-- connected\n");
	fill(buf, sizeof(buf), 2);
	res("connect", connect_to(fd, "P1", PPORT));
	res("send", send(fd, buf, 50, 0));
	res("write", write(fd, buf, 51));
	res("writev", writev(fd, iov, 3));
	res("sendmsg", sendmsg(fd, &m, 0));
	res("sendmmsg", sendmmsg(fd, mm, 2, 0));
	res("sendto NULL", sendto(fd, buf, 52, 0, NULL, 0));
	res("send 0", send(fd, buf, 0, 0));
	res("write 0", write(fd, buf, 0));
	arrived(9);
	res("sendto another", sendto(fd, buf, 60, 0, &a.sa, len));
	say("  peer 1: %s\n", peer("recvx 1 500"));
	res("send", send(fd, buf, 61, 0));
	arrived(1);
	res("connect UNSPEC",
	    connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
	res("send", send(fd, buf, 10, 0));
	res("sendto", send_to(fd, buf, 62, 0, "P1", PPORT));
	arrived(1);
}

static void lengths(int fd)
{
	static const int sizes[] = { 0, 1, 2, 17, 18, 19, 63, 512, 1400, 1451, 1452 };

	say("-- lengths\n");
	for (size_t i = 0; i < NLEN(sizes); i++) {
		fill(buf, sizeof(buf), (int)i);
		res("sendto", send_to(fd, buf, (size_t)sizes[i], 0, "P1", PPORT));
		say("  peer: %s\n", peer("recv 0 500"));
	}
}

static void flags(int fd)
{
	static const int odd[] = { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_CONFIRM,  MSG_DONTROUTE,
				   MSG_EOR,	 MSG_OOB,      MSG_TRUNC,    MSG_PEEK,
				   MSG_WAITALL,	 1 << 28,      MSG_ERRQUEUE, MSG_FIN };

	say("-- flags\n");
	for (size_t i = 0; i < NLEN(odd); i++) {
		fill(buf, sizeof(buf), (int)i);
		say("flag %x ", odd[i]);
		res("sendto", send_to(fd, buf, 40, odd[i], "P1", PPORT));
		say("  peer: %s\n", peer("recv 0 50"));
	}
}

static void corked(int fd)
{
	say("-- MSG_MORE and UDP_CORK\n");
	fill(buf, sizeof(buf), 9);
	res("MORE", send_to(fd, buf, 10, MSG_MORE, "P1", PPORT));
	say("  peer: %s\n", peer("recv 0 50"));
	res("MORE", send_to(fd, buf + 10, 10, MSG_MORE, "P1", PPORT));
	res("last", send_to(fd, buf + 20, 10, 0, "P1", PPORT));
	arrived(1);
	set_int(fd, SOL_UDP, UDP_CORK, 1);
	res("corked", send_to(fd, buf, 15, 0, "P1", PPORT));
	res("corked", send_to(fd, buf + 15, 15, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recv 0 50"));
	set_int(fd, SOL_UDP, UDP_CORK, 0);
	arrived(1);
	res("plain again", send_to(fd, buf, 40, 0, "P1", PPORT));
	arrived(1);
}

static void burst(int fd)
{
	say("-- a burst\n");
	for (int i = 0; i < 100; i++) {
		fill(buf, 100, i);
		if (send_to(fd, buf, 100, 0, "P1", PPORT) != 100)
			res("sendto", -1);
	}
	say("peer: %s\n", peer("drain 0 100"));
}

static void unbound(void)
{
	int fd = udp(0);
	addr_t a;
	socklen_t len = sizeof(a);

	say("-- a socket that is not bound\n");
	fill(buf, sizeof(buf), 5);
	res("sendto", send_to(fd, buf, 30, 0, "P1", PPORT));
	getsockname(fd, &a.sa, &len);
	say("name %s\n", addr_name(&a, len));
	say("  peer: %s\n", peer("recv 0 500"));
	peer("echo 0 0 0");
	fill(buf, sizeof(buf), 6);
	res("sendto", send_to(fd, buf, 31, 0, "P1", PPORT));
	say("  peer: %s\n", peer("echo 0 1 500"));
	got("the answer", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	res("sendto closed", (close(fd), send_to(fd, buf, 31, 0, "P1", PPORT)));
}

int main(void)
{
	int fd;

	cf_start();
	peer("open 1 P2 %d", PPORT + 1);
	fd = bound("L1", PORT);
	unconnected(fd);
	connected(fd);
	lengths(fd);
	flags(fd);
	corked(fd);
	burst(fd);
	unbound();
	close(fd);
	fd = bound("any", PORT);
	say("-- wildcard\n");
	lengths(fd);
	connected(fd);
	return 0;
}
