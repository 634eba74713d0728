/* SPDX-License-Identifier: BSD-3-Clause */
/* recv_trunc.c - MSG_TRUNC in both directions, MSG_PEEK, and the two together. */
/* expect: fast 12 */
#include "lib.h"

static char buf[2048];

static void show_msg(const char *what, int fd, size_t room, int flags)
{
	struct iovec iov = { buf, room };
	addr_t from;
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_flags = 0x55 };

	got(what, recvmsg(fd, &m, flags), buf, room);
	say("  flags %x from %s\n", m.msg_flags, addr_name(&from, m.msg_namelen));
}

static void truncation(int fd)
{
	addr_t from;
	socklen_t len = sizeof(from);
	struct iovec iov[2] = { { buf, 5 }, { buf + 5, 6 } };

	say("-- truncation\n");
	peer_sends(PORT, 300, 1, 9);
	memset(buf, 'x', sizeof(buf));
	got("recv 100", recv(fd, buf, 100, 0), buf, 100);
	say("byte 100 is %s\n", buf[100] == 'x' ? "untouched" : "WRITTEN");
	got("recv 100 TRUNC", recv(fd, buf, 100, MSG_TRUNC), buf, 100);
	got("recvfrom 1 TRUNC", recvfrom(fd, buf, 1, MSG_TRUNC, &from.sa, &len), buf, 1);
	say("from %s\n", addr_name(&from, len));
	got("read 7", read(fd, buf, 7), buf, 7);
	got("readv 11", readv(fd, iov, 2), buf, 11);
	show_msg("recvmsg 100", fd, 100, 0);
	show_msg("recvmsg 100 TRUNC", fd, 100, MSG_TRUNC);
	show_msg("recvmsg 300", fd, 300, MSG_TRUNC);
	show_msg("recvmsg 2000 TRUNC", fd, 2000, MSG_TRUNC);
	drain("after", fd);
}

static void peeking(int fd)
{
	addr_t from;
	socklen_t len = sizeof(from);

	say("-- peek\n");
	res("recv PEEK, empty", recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT));
	peer_sends(PORT, 200, 20, 3);
	got("recv PEEK", recv(fd, buf, sizeof(buf), MSG_PEEK), buf, sizeof(buf));
	got("recv PEEK 10", recv(fd, buf, 10, MSG_PEEK), buf, 10);
	got("recv PEEK TRUNC 10", recv(fd, buf, 10, MSG_PEEK | MSG_TRUNC), buf, 10);
	got("recv PEEK TRUNC 0", recv(fd, buf, 0, MSG_PEEK | MSG_TRUNC), buf, 0);
	got("recvfrom PEEK", recvfrom(fd, buf, sizeof(buf), MSG_PEEK, &from.sa, &len), buf, 2048);
	say("from %s\n", addr_name(&from, len));
	show_msg("recvmsg PEEK 20", fd, 20, MSG_PEEK);
	show_msg("recvmsg PEEK 20 TRUNC", fd, 20, MSG_PEEK | MSG_TRUNC);
	poll1("after peeks", fd, POLLIN, 0);
	got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	got("recv PEEK", recv(fd, buf, sizeof(buf), MSG_PEEK), buf, sizeof(buf));
	got("recv 5", recv(fd, buf, 5, 0), buf, 5);
	got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	drain("after", fd);
}

static void peek_many(int fd)
{
	struct mmsghdr mm[3];
	struct iovec iov[3];
	int r;

	say("-- recvmmsg PEEK\n");
	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ buf + 500 * i, 500 };
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	peer_sends(PORT, 120, 40, 2);
	r = (int)res("recvmmsg PEEK", recvmmsg(fd, mm, 2, MSG_PEEK | MSG_DONTWAIT, NULL));
	for (int i = 0; i < r; i++)
		got("  entry", mm[i].msg_len, iov[i].iov_base, 500);
	r = (int)res("recvmmsg", recvmmsg(fd, mm, 3, MSG_DONTWAIT, NULL));
	for (int i = 0; i < r; i++)
		got("  entry", mm[i].msg_len, iov[i].iov_base, 500);
	drain("after", fd);
}

static void peek_offset(int fd)
{
	int off = 10;
	socklen_t len = sizeof(off);

	say("-- SO_PEEK_OFF\n");
	if (res("setsockopt", setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off))) < 0)
		return;
	peer_sends(PORT + 1, 100, 60, 1);
	res("recv PEEK 20", recv(fd, buf, 20, MSG_PEEK));
	say("first byte %d\n", (unsigned char)buf[0]);
	getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len);
	say("offset %d\n", off);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	drain("after", fd);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	truncation(fd);
	peeking(fd);
	peek_many(fd);
	close(fd);
	fd = bound("any", PORT + 1);
	peek_offset(fd);
	return 0;
}
