/* SPDX-License-Identifier: BSD-3-Clause */
/* cmsg_send.c - control messages with a send: source address, TTL, TOS, segments, refusals; and the options for all sends. */
/* expect: fast 0 */
#include "lib.h"

static char buf[8192];

static void put(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *cm = (void *)((char *)m->msg_control + m->msg_controllen);

	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

/* A sendmsg() to the peer with one control message, or with those that are in @more already. */
static long sends(const char *what, int fd, size_t n, int level, int type, const void *data,
		  size_t len)
{
	union {
		char room[256];
		struct cmsghdr align;
	} control;
	addr_t to;
	struct iovec iov = { buf, n };
	struct msghdr m = {
		.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control
	};
	long r;

	memset(&control, 0, sizeof(control));
	m.msg_namelen = addr_of(&to, "P1", PPORT);
	put(&m, level, type, data, len);
	r = res(what, sendmsg(fd, &m, 0));
	say("  peer: %s\n", peer("recvx 0 %d", r < 0 ? 20 : 500));
	return r;
}

static void source4(int fd, const char *what, const char *spec, const char *addr, int ifindex)
{
	struct in_pktinfo pi = { .ipi_ifindex = ifindex };
	addr_t a;

	if (spec) {
		wire_addr(&a, spec, 0);
		pi.ipi_spec_dst = a.in.sin_addr;
	}
	if (addr) {
		wire_addr(&a, addr, 0);
		pi.ipi_addr = a.in.sin_addr;
	}
	sends(what, fd, 40, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
}

static void source6(int fd, const char *what, const char *addr, int ifindex)
{
	struct in6_pktinfo pi = { .ipi6_ifindex = (unsigned)ifindex };
	addr_t a;

	addr_of(&a, addr, 0);
	pi.ipi6_addr = a.in6.sin6_addr;
	sends(what, fd, 40, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
}

static void source(const char *bound_to)
{
	int fd = bound(bound_to, PORT);

	say("-- source address, bound to %s\n", bound_to);
	if (family() == AF_INET) {
		source4(fd, "specific L2", "L2", NULL, 0);
		source4(fd, "specific L1", "L1", NULL, 0);
		source4(fd, "only ipi_addr L2", NULL, "L2", 0);
		source4(fd, "nothing", NULL, NULL, 0);
		source4(fd, "not ours", "N1", NULL, 0);
		source4(fd, "bad interface", "L2", NULL, 4711);
	} else {
		source6(fd, "L2", "L2", 0);
		source6(fd, "L1", "L1", 0);
		source6(fd, "nothing", "any", 0);
		source6(fd, "not ours", "N1", 0);
		source6(fd, "bad interface", "L2", 4711);
	}
	res("plain", send_to(fd, buf, 40, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recvx 0 500"));
	close(fd);
}

static void ttl_tos(int fd)
{
	int level = family() == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int ttl = family() == AF_INET ? IP_TTL : IPV6_HOPLIMIT;
	int tos = family() == AF_INET ? IP_TOS : IPV6_TCLASS;
	static const int ttls[] = { 1, 5, 255, 0, 256, -1 };
	static const int toses[] = { 0, 184, 3, 255, 256, -1 };
	unsigned char byte = 32;
	int v;

	say("-- TTL and TOS of one datagram\n");
	for (size_t i = 0; i < NLEN(ttls); i++) {
		say("ttl %d: ", ttls[i]);
		sends("sendmsg", fd, 40, level, ttl, &ttls[i], sizeof(int));
	}
	for (size_t i = 0; i < NLEN(toses); i++) {
		say("tos %d: ", toses[i]);
		sends("sendmsg", fd, 40, level, tos, &toses[i], sizeof(int));
	}
	sends("tos of one byte", fd, 40, level, tos, &byte, 1);
	if (is_map()) {
		v = 9;
		sends("IP_TTL on the IPv6 socket", fd, 40, IPPROTO_IP, IP_TTL, &v, sizeof(v));
	}
	res("plain", send_to(fd, buf, 40, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recvx 0 500"));
}

static void several(int fd)
{
	union {
		char room[256];
		struct cmsghdr align;
	} control;
	addr_t to, src;
	struct iovec iov = { buf, 40 };
	struct msghdr m = {
		.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control
	};
	int ttl = 17, tos = 96;

	say("-- several\n");
	memset(&control, 0, sizeof(control));
	m.msg_namelen = addr_of(&to, "P1", PPORT);
	if (family() == AF_INET) {
		struct in_pktinfo pi = { 0 };

		wire_addr(&src, "L2", 0);
		pi.ipi_spec_dst = src.in.sin_addr;
		put(&m, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
		put(&m, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
		put(&m, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	} else {
		struct in6_pktinfo pi = { 0 };

		addr_of(&src, "L2", 0);
		pi.ipi6_addr = src.in6.sin6_addr;
		put(&m, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
		put(&m, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
		put(&m, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	}
	res("sendmsg", sendmsg(fd, &m, 0));
	say("  peer: %s\n", peer("recvx 0 500"));
}

static void odd(int fd)
{
	struct iovec iov = { buf, 40 };
	addr_t to;
	union {
		char room[256];
		struct cmsghdr cm;
	} control;
	struct msghdr m = {
		.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control
	};
	int v = 1;

	say("-- odd control messages\n");
	m.msg_namelen = addr_of(&to, "P1", PPORT);
	sends("unknown level", fd, 40, 12345, 1, &v, sizeof(v));
	sends("unknown IP type", fd, 40, IPPROTO_IP, 199, &v, sizeof(v));
	sends("unknown IPv6 type", fd, 40, IPPROTO_IPV6, 199, &v, sizeof(v));
	sends("unknown socket type", fd, 40, SOL_SOCKET, 199, &v, sizeof(v));
	sends("rights", fd, 40, SOL_SOCKET, SCM_RIGHTS, &v, sizeof(v));
	sends("short pktinfo", fd, 40, IPPROTO_IP, IP_PKTINFO, &v, sizeof(v));
	memset(&control, 0, sizeof(control));
	m.msg_controllen = 8;
	res("less than a header", sendmsg(fd, &m, 0));
	m.msg_controllen = 64;
	res("a header of zeroes", sendmsg(fd, &m, 0));
	control.cm.cmsg_len = 1000;
	res("longer than its room", sendmsg(fd, &m, 0));
	m.msg_controllen = 100000000;
	res("huge", sendmsg(fd, &m, 0));
	say("peer: %s\n", peer("drain 0 60"));
}

static void segments(int fd)
{
	uint16_t size = 100, zero = 0, big = 5000;
	int v = 100;
	socklen_t len = sizeof(v);

	say("-- UDP_SEGMENT\n");
	fill(buf, sizeof(buf), 0);
	sends("control message", fd, 1000, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
	say("  and: %s\n", peer("drain 0 60"));
	sends("with a rest", fd, 250, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
	say("  and: %s\n", peer("drain 0 60"));
	sends("one", fd, 60, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
	sends("zero", fd, 60, SOL_UDP, UDP_SEGMENT, &zero, sizeof(zero));
	sends("as an int", fd, 60, SOL_UDP, UDP_SEGMENT, &v, sizeof(v));
	if (!is_lo())
		sends("larger than the MTU", fd, 8000, SOL_UDP, UDP_SEGMENT, &big, sizeof(big));
	res("option", setsockopt(fd, SOL_UDP, UDP_SEGMENT, &v, sizeof(v)));
	res("read back", getsockopt(fd, SOL_UDP, UDP_SEGMENT, &v, &len));
	say("  %d\n", v);
	res("sendto", send_to(fd, buf, 1000, 0, "P1", PPORT));
	say("  peer: %s\n", peer("drain 0 60"));
	set_int(fd, SOL_UDP, UDP_SEGMENT, 0);
	res("sendto", send_to(fd, buf, 1000, 0, "P1", PPORT));
	say("  peer: %s\n", peer("drain 0 60"));
}

static void options(int fd)
{
	int level = wire4() ? IPPROTO_IP : IPPROTO_IPV6;

	say("-- TTL and TOS of the socket\n");
	fill(buf, sizeof(buf), 3);
	set_int(fd, level, wire4() ? IP_TTL : IPV6_UNICAST_HOPS, 77);
	res("sendto", send_to(fd, buf, 40, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recvx 0 500"));
	set_int(fd, level, wire4() ? IP_TOS : IPV6_TCLASS, 40);
	res("sendto", send_to(fd, buf, 40, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recvx 0 500"));
	must("connect", connect_to(fd, "P1", PPORT));
	set_int(fd, level, wire4() ? IP_TOS : IPV6_TCLASS, 80);
	res("send", send(fd, buf, 40, 0));
	say("  peer: %s\n", peer("recvx 0 500"));
	ttl_tos(fd);
}

int main(void)
{
	int fd;

	cf_start();
	fill(buf, sizeof(buf), 2);
	source("any");
	source("L1");
	fd = bound("any", PORT);
	ttl_tos(fd);
	several(fd);
	odd(fd);
	segments(fd);
	options(fd);
	return 0;
}
