/* SPDX-License-Identifier: BSD-3-Clause */
/* recv_msg.c - struct msghdr in every odd shape: names, vectors, lengths, flags. */
/* expect: fast 20 */
#include "lib.h"

static char buf[4096];

static void names(int fd)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned char name[256];
	static const int rooms[] = { 0, 1, 2, 4, 8, 15, 16, 20, 27, 28, 29, 128, 256 };
	socklen_t len;

	say("-- msg_name and msg_namelen\n");
	for (size_t i = 0; i < NLEN(rooms); i++) {
		peer("send 0 L1 %d 10 %zu 1", PORT, i);
		memset(name, 0xee, sizeof(name));
		m.msg_name = name;
		m.msg_namelen = (socklen_t)rooms[i];
		res("recvmsg", recvmsg(fd, &m, 0));
		say("  room %d gives %u, next byte %s\n", rooms[i], m.msg_namelen,
		    rooms[i] < 256 && name[rooms[i]] != 0xee ? "WRITTEN" : "untouched");
	}
	peer("send 0 L1 %d 10 1 4", PORT);
	arrive();
	m.msg_name = NULL;
	m.msg_namelen = 99;
	res("recvmsg NULL name", recvmsg(fd, &m, 0));
	say("  namelen %u\n", m.msg_namelen);
	m.msg_name = name;
	m.msg_namelen = (socklen_t)-1;
	res("recvmsg negative namelen", recvmsg(fd, &m, MSG_DONTWAIT));
	for (size_t i = 0; i < NLEN(rooms); i++) {
		peer("send 0 L1 %d 10 %zu 1", PORT, i);
		memset(name, 0xee, sizeof(name));
		len = (socklen_t)rooms[i];
		res("recvfrom", recvfrom(fd, buf, 10, 0, (struct sockaddr *)name, &len));
		say("  room %d gives %u, next byte %s\n", rooms[i], len,
		    rooms[i] < 256 && name[rooms[i]] != 0xee ? "WRITTEN" : "untouched");
	}
	len = (socklen_t)-1;
	peer_sends(PORT, 10, 1, 1);
	res("recvfrom negative length",
	    recvfrom(fd, buf, 10, MSG_DONTWAIT, (struct sockaddr *)name, &len));
	drain("after", fd);
}

static void vectors(int fd)
{
	static struct iovec iov[1025];
	struct msghdr m = { .msg_iov = iov };
	static const int counts[] = { 1, 2, 8, 9, 100, 1024, 1025 };
	volatile int minus_one = -1;

	say("-- vectors\n");
	for (size_t k = 0; k < NLEN(counts); k++) {
		int n = counts[k];

		for (int i = 0; i < 1025; i++)
			iov[i] = (struct iovec){ buf + i, 1 };
		peer("send 0 L1 %d 60 %zu 2", PORT, k);
		arrive();
		m.msg_iovlen = (size_t)n;
		memset(buf, 0, sizeof(buf));
		say("%d elements of one byte\n", n);
		got("recvmsg TRUNC", recvmsg(fd, &m, MSG_DONTWAIT | MSG_TRUNC), buf, (size_t)n);
		say("  flags %x\n", m.msg_flags);
		got("readv", readv(fd, iov, n), buf, (size_t)n);
		drain("after", fd);
	}
	res("readv -1", readv(fd, iov, minus_one));
	m.msg_iovlen = (size_t)-1;
	res("recvmsg -1", recvmsg(fd, &m, MSG_DONTWAIT));
}

static void holes(int fd)
{
	struct iovec iov[4] = { { NULL, 0 }, { buf, 7 }, { NULL, 0 }, { buf + 7, 100 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 4 };

	say("-- empty elements\n");
	peer_sends(PORT, 50, 33, 2);
	got("recvmsg", recvmsg(fd, &m, MSG_DONTWAIT), buf, 107);
	got("readv", readv(fd, iov, 4), buf, 107);
	iov[3].iov_len = (size_t)-1;
	peer_sends(PORT, 50, 35, 1);
	res("recvmsg huge element", recvmsg(fd, &m, MSG_DONTWAIT));
	res("readv huge element", readv(fd, iov, 4));
	drain("after", fd);
}

static void flags(int fd)
{
	static const int odd[] = { MSG_OOB,	  MSG_ERRQUEUE,	    MSG_CONFIRM,   MSG_MORE,
				   MSG_NOSIGNAL,  MSG_CMSG_CLOEXEC, MSG_WAITALL,   MSG_EOR,
				   MSG_DONTROUTE, 1 << 28,	    MSG_WAITFORONE };
	struct iovec iov = { buf, 100 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	say("-- flags\n");
	for (size_t i = 0; i < NLEN(odd); i++) {
		peer_sends(PORT, 12, (int)i, 2);
		say("flag %x\n", odd[i]);
		got("  recv", recv(fd, buf, 100, MSG_DONTWAIT | odd[i]), buf, 100);
		m.msg_flags = -1;
		got("  recvmsg", recvmsg(fd, &m, MSG_DONTWAIT | odd[i]), buf, 100);
		say("  flags %x\n", m.msg_flags);
		drain("  after", fd);
	}
	m.msg_flags = 0x1234;
	res("recvmsg, empty", recvmsg(fd, &m, MSG_DONTWAIT));
	say("flags %x\n", m.msg_flags);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	names(fd);
	vectors(fd);
	holes(fd);
	flags(fd);
	return 0;
}
