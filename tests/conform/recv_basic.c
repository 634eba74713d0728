/* SPDX-License-Identifier: BSD-3-Clause */
/* recv_basic.c - every call that receives: lengths, data, source address, zero-length datagrams, count 0. */
/* expect: fast 30 */
#include "lib.h"

static char buf[2048];

static void one_of_each(int fd)
{
	struct iovec iov[3] = { { buf, 10 }, { buf + 10, 20 }, { buf + 30, 1000 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	addr_t from;
	socklen_t len = sizeof(from);
	struct mmsghdr mm[2] = { 0 };

	say("-- one datagram by each call\n");
	peer_sends(PORT, 100, 1, 8);
	got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	got("recvfrom", recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &len), buf, sizeof(buf));
	say("from %s\n", addr_name(&from, len));
	got("read", read(fd, buf, sizeof(buf)), buf, sizeof(buf));
	got("readv", readv(fd, iov, 3), buf, sizeof(buf));
	m.msg_name = &from;
	m.msg_namelen = sizeof(from);
	got("recvmsg", recvmsg(fd, &m, 0), buf, sizeof(buf));
	say("from %s flags %x controllen %zu\n", addr_name(&from, m.msg_namelen), m.msg_flags,
	    m.msg_controllen);
	mm[0].msg_hdr = m;
	mm[0].msg_hdr.msg_namelen = sizeof(from);
	got("recvmmsg", recvmmsg(fd, mm, 1, 0, NULL), buf, 0);
	say("len %u from %s\n", mm[0].msg_len, addr_name(&from, mm[0].msg_hdr.msg_namelen));
	got("recvfrom no address", recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL), buf, sizeof(buf));
	got("recv WAITALL", recv(fd, buf, sizeof(buf), MSG_WAITALL), buf, sizeof(buf));
	drain("after", fd);
}

static void lengths(int fd)
{
	static const int sizes[] = { 1, 2, 17, 18, 19, 63, 64, 65, 511, 1024, 1400, 1451, 1452 };

	say("-- lengths\n");
	for (size_t i = 0; i < NLEN(sizes); i++) {
		peer("send 0 L1 %d %d %d 1", PORT, sizes[i], (int)i);
		got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	}
}

static void zero_length(int fd)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	addr_t from;
	socklen_t len = sizeof(from);

	say("-- zero-length datagrams\n");
	peer_sends(PORT, 0, 0, 5);
	poll1("zero queued", fd, POLLIN, 1000);
	memset(buf, 'x', sizeof(buf));
	res("recv", recv(fd, buf, sizeof(buf), 0));
	res("recvfrom", recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &len));
	say("from %s, buffer %s\n", addr_name(&from, len), buf[0] == 'x' ? "untouched" : "written");
	res("read", read(fd, buf, sizeof(buf)));
	m.msg_name = &from;
	m.msg_namelen = sizeof(from);
	res("recvmsg", recvmsg(fd, &m, 0));
	say("from %s flags %x\n", addr_name(&from, m.msg_namelen), m.msg_flags);
	poll1("last one", fd, POLLIN, 1000);
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	poll1("none", fd, POLLIN, 0);
}

static void count_zero(int fd)
{
	struct iovec none = { buf, 0 };
	struct msghdr m = { .msg_iov = &none, .msg_iovlen = 1 };

	say("-- count 0\n");
	res("read 0, empty", read(fd, buf, 0));
	res("recv 0, empty", recv(fd, buf, 0, MSG_DONTWAIT));
	peer_sends(PORT, 50, 10, 5);
	res("read 0", read(fd, buf, 0));
	res("readv of 0", readv(fd, &none, 1));
	res("readv of none", readv(fd, &none, 0));
	poll1("still", fd, POLLIN, 1000);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("recv 0", recv(fd, buf, 0, MSG_DONTWAIT));
	res("recv 0 TRUNC", recv(fd, buf, 0, MSG_DONTWAIT | MSG_TRUNC));
	res("recvmsg of 0", recvmsg(fd, &m, MSG_DONTWAIT));
	say("flags %x\n", m.msg_flags);
	m.msg_iovlen = 0;
	m.msg_iov = NULL;
	res("recvmsg of none", recvmsg(fd, &m, MSG_DONTWAIT));
	say("flags %x\n", m.msg_flags);
	drain("after", fd);
	res("recvmsg of none", recvmsg(fd, &m, MSG_DONTWAIT));
}

static void sources(int fd)
{
	addr_t from;
	socklen_t len;

	say("-- several sources\n");
	peer("open 1 P1 %d", PPORT + 1);
	peer("open 2 P2 %d", PPORT);
	for (int i = 0; i < 6; i++) {
		len = sizeof(from);
		peer("send %d L1 %d 20 %d 1", i % 3, PORT, i);
		got("recvfrom", recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &len), buf, sizeof(buf));
		say("from %s\n", addr_name(&from, len));
	}
}

static void unbound(void)
{
	addr_t a;
	socklen_t len = sizeof(a);
	int fd = udp(0);

	say("-- a socket that is not bound\n");
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("getsockname", getsockname(fd, &a.sa, &len));
	say("name %s\n", addr_name(&a, len));
	poll1("unbound", fd, POLLIN | POLLOUT, 0);
	close(fd);
	res("recv closed", recv(fd, buf, sizeof(buf), 0));
	res("recvfrom closed", recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL));
	res("read closed", read(fd, buf, sizeof(buf)));
	res("recv -1", recv(-1, buf, sizeof(buf), 0));
	res("recv pipe", recv(1, buf, sizeof(buf), 0));
}

static void mixed_with_kernel_path(int fd)
{
	say("-- datagrams with IP options among the others\n");
	if (!wire4()) {
		say("IPv6: none\n");
		return;
	}
	peer("send 0 L1 %d 30 1 2", PORT);
	peer("opt 0 ipopt 1");
	peer("send 0 L1 %d 30 3 2", PORT);
	peer("opt 0 ipopt 0");
	arrive();
	for (int i = 0; i < 4; i++) {
		poll1("next", fd, POLLIN, 1000);
		res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	}
	drain("after", fd);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	one_of_each(fd);
	lengths(fd);
	zero_length(fd);
	count_zero(fd);
	sources(fd);
	mixed_with_kernel_path(fd);
	close(fd);
	fd = bound("any", PORT);
	say("-- wildcard\n");
	one_of_each(fd);
	unbound();
	return 0;
}
