/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmsg_table.c - control messages with a send, by table: every kind, right and malformed, two of a kind; from sockets with
 * different addresses, unconnected and connected, by sendmsg() and sendmmsg().
 */
/* expect: fast 0 */
#include "options.h"
#include <net/if.h>

#define NONE (-1)

struct entry {
	int level, type;
	int len;    /* of the data; what cmsg_len says is this, too, unless @stated */
	int stated; /* 0: right; NONE: zero; else cmsg_len itself */
	int value;  /* the first int of the data, or a letter for an address */
};

struct message {
	const char *name;
	struct entry e[3];
	int cut; /* taken off msg_controllen */
};

#define TTL(v)                                                                                     \
	{                                                                                          \
		IPPROTO_IP, IP_TTL, 4, 0, v                                                        \
	}
#define TOS(v)                                                                                     \
	{                                                                                          \
		IPPROTO_IP, IP_TOS, 4, 0, v                                                        \
	}
#define TOS1(v)                                                                                    \
	{                                                                                          \
		IPPROTO_IP, IP_TOS, 1, 0, v                                                        \
	}
#define HOPS(v)                                                                                    \
	{                                                                                          \
		IPPROTO_IPV6, IPV6_HOPLIMIT, 4, 0, v                                               \
	}
#define TCLASS(v)                                                                                  \
	{                                                                                          \
		IPPROTO_IPV6, IPV6_TCLASS, 4, 0, v                                                 \
	}
/* Source: 1 L1, 2 L2, 3 nobody's, 4 the peer's, 0 none; +10: the right interface, +20: lo, +30: none such. */
#define INFO(v)                                                                                    \
	{                                                                                          \
		IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo), 0, v                            \
	}
#define INFO6(v)                                                                                   \
	{                                                                                          \
		IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo), 0, v                       \
	}

static const struct message messages[] = {
	{ "ttl 1", { TTL(1) }, 0 },
	{ "ttl 0", { TTL(0) }, 0 },
	{ "ttl 255", { TTL(255) }, 0 },
	{ "ttl 256", { TTL(256) }, 0 },
	{ "ttl -1", { TTL(-1) }, 0 },
	{ "ttl of 1 byte", { { IPPROTO_IP, IP_TTL, 1, 0, 9 } }, 0 },
	{ "ttl of 8 bytes", { { IPPROTO_IP, IP_TTL, 8, 0, 9 } }, 0 },
	{ "ttl twice", { TTL(5), TTL(6) }, 0 },
	{ "ttl, bad ttl", { TTL(5), TTL(0) }, 0 },
	{ "tos 184", { TOS(184) }, 0 },
	{ "tos byte", { TOS1(33) }, 0 },
	{ "tos twice", { TOS(32), TOS1(64) }, 0 },
	{ "tos 256", { TOS(256) }, 0 },
	{ "tos -1", { TOS(-1) }, 0 },
	{ "tos of 2 bytes", { { IPPROTO_IP, IP_TOS, 2, 0, 9 } }, 0 },
	{ "hops 1", { HOPS(1) }, 0 },
	{ "hops 0", { HOPS(0) }, 0 },
	{ "hops -1", { HOPS(-1) }, 0 },
	{ "hops 256", { HOPS(256) }, 0 },
	{ "hops -2", { HOPS(-2) }, 0 },
	{ "hops of 1 byte", { { IPPROTO_IPV6, IPV6_HOPLIMIT, 1, 0, 9 } }, 0 },
	{ "hops, old name", { { IPPROTO_IPV6, OPT_IPV6_2292HOPLIMIT, 4, 0, 9 } }, 0 },
	{ "class 184", { TCLASS(184) }, 0 },
	{ "class -1", { TCLASS(-1) }, 0 },
	{ "class 256", { TCLASS(256) }, 0 },
	{ "class of 1 byte", { { IPPROTO_IPV6, IPV6_TCLASS, 1, 0, 9 } }, 0 },
	{ "class twice", { TCLASS(4), TCLASS(8) }, 0 },
	{ "don't fragment", { { IPPROTO_IPV6, IPV6_DONTFRAG, 4, 0, 1 } }, 0 },
	{ "don't fragment 2", { { IPPROTO_IPV6, IPV6_DONTFRAG, 4, 0, 2 } }, 0 },
	{ "info none", { INFO(0) }, 0 },
	{ "info L1", { INFO(1) }, 0 },
	{ "info L2", { INFO(2) }, 0 },
	{ "info nobody's", { INFO(3) }, 0 },
	{ "info the peer's", { INFO(4) }, 0 },
	{ "info interface", { INFO(10) }, 0 },
	{ "info L2, interface", { INFO(12) }, 0 },
	{ "info lo", { INFO(20) }, 0 },
	{ "info L2, no such interface", { INFO(32) }, 0 },
	{ "info twice", { INFO(2), INFO(0) }, 0 },
	{ "info twice, other way", { INFO(0), INFO(2) }, 0 },
	{ "info short", { { IPPROTO_IP, IP_PKTINFO, 8, 0, 2 } }, 0 },
	{ "info long", { { IPPROTO_IP, IP_PKTINFO, 16, 0, 2 } }, 0 },
	{ "info6 none", { INFO6(0) }, 0 },
	{ "info6 L1", { INFO6(1) }, 0 },
	{ "info6 L2", { INFO6(2) }, 0 },
	{ "info6 nobody's", { INFO6(3) }, 0 },
	{ "info6 the peer's", { INFO6(4) }, 0 },
	{ "info6 interface", { INFO6(10) }, 0 },
	{ "info6 L2, interface", { INFO6(12) }, 0 },
	{ "info6 lo", { INFO6(20) }, 0 },
	{ "info6 L2, no such interface", { INFO6(32) }, 0 },
	{ "info6 two interfaces", { INFO6(10), INFO6(20) }, 0 },
	{ "info6 twice", { INFO6(2), INFO6(0) }, 0 },
	{ "info6 short", { { IPPROTO_IPV6, IPV6_PKTINFO, 16, 0, 2 } }, 0 },
	{ "info6 old name", { { IPPROTO_IPV6, OPT_IPV6_2292PKTINFO, 20, 0, 2 } }, 0 },
	{ "info, ttl, tos", { INFO(2), TTL(7), TOS(8) }, 0 },
	{ "info6, hops, class", { INFO6(2), HOPS(7), TCLASS(8) }, 0 },
	{ "both families", { TTL(7), HOPS(8) }, 0 },
	{ "flow label", { { IPPROTO_IPV6, OPT_IPV6_FLOWINFO, 4, 0, 0 } }, 0 },
	{ "hop-by-hop options", { { IPPROTO_IPV6, IPV6_HOPOPTS, 8, 0, 0x00040111 } }, 0 },
	{ "hop-by-hop, short", { { IPPROTO_IPV6, IPV6_HOPOPTS, 4, 0, 0 } }, 0 },
	{ "IP options", { { IPPROTO_IP, IP_RETOPTS, 4, 0, 0x00010101 } }, 0 },
	{ "IP protocol", { { IPPROTO_IP, OPT_IP_PROTOCOL, 4, 0, 17 } }, 0 },
	{ "mark", { { SOL_SOCKET, SO_MARK, 4, 0, 5 } }, 0 },
	{ "priority", { { SOL_SOCKET, SO_PRIORITY, 4, 0, 5 } }, 0 },
	{ "priority 100", { { SOL_SOCKET, SO_PRIORITY, 4, 0, 100 } }, 0 },
	{ "time stamping", { { SOL_SOCKET, SO_TIMESTAMPING, 4, 0, 2 } }, 0 },
	{ "time stamping, receive flags", { { SOL_SOCKET, SO_TIMESTAMPING, 4, 0, 8 } }, 0 },
	{ "transmit time without SO_TXTIME", { { SOL_SOCKET, SO_TXTIME, 8, 0, 1 } }, 0 },
	{ "rights", { { SOL_SOCKET, SCM_RIGHTS, 4, 0, 0 } }, 0 },
	{ "credentials", { { SOL_SOCKET, SCM_CREDENTIALS, 12, 0, 0 } }, 0 },
	{ "unknown socket type", { { SOL_SOCKET, 199, 4, 0, 0 } }, 0 },
	{ "unknown IP type", { { IPPROTO_IP, 199, 4, 0, 0 } }, 0 },
	{ "unknown IPv6 type", { { IPPROTO_IPV6, 199, 4, 0, 0 } }, 0 },
	{ "unknown UDP type", { { SOL_UDP, 199, 4, 0, 0 } }, 0 },
	{ "unknown level", { { 4711, 1, 4, 0, 0 } }, 0 },
	{ "unknown level, then ttl", { { 4711, 1, 4, 0, 0 }, TTL(9), HOPS(9) }, 0 },
	{ "segments", { { SOL_UDP, UDP_SEGMENT, 2, 0, 20 } }, 0 },
	{ "segments of 4 bytes", { { SOL_UDP, UDP_SEGMENT, 4, 0, 20 } }, 0 },
	{ "segments 0", { { SOL_UDP, UDP_SEGMENT, 2, 0, 0 } }, 0 },
	{ "length 0", { { IPPROTO_IP, IP_TTL, 4, NONE, 9 } }, 0 },
	{ "length 0 second", { TTL(9), { IPPROTO_IP, IP_TOS, 4, NONE, 9 } }, 0 },
	{ "length of a head", { { IPPROTO_IP, IP_TTL, 4, 16, 9 } }, 0 },
	{ "length less than a head", { { IPPROTO_IP, IP_TTL, 4, 15, 9 } }, 0 },
	{ "length too long", { { IPPROTO_IP, IP_TTL, 4, 64, 9 } }, 0 },
	{ "length too long second", { HOPS(9), { IPPROTO_IPV6, IPV6_TCLASS, 4, 64, 9 } }, 0 },
	{ "control cut by 4", { TTL(9) }, 4 },
	{ "control cut by 5", { HOPS(9) }, 5 },
	{ "control cut by 12", { TCLASS(9) }, 12 },
	{ "control cut to 15", { TTL(9) }, 9 },
};

static void put_info(struct cmsghdr *cm, int value)
{
	static const char *const source[] = { NULL, "L1", "L2", "N1", "P1" };
	unsigned index = value / 10 == 0   ? 0
			 : value / 10 == 1 ? if_nametoindex(is_lo() ? "lo" : "ve0")
			 : value / 10 == 2 ? if_nametoindex("lo")
					   : 4711;
	struct in6_pktinfo p6 = { .ipi6_ifindex = index };
	struct in_pktinfo p4 = { .ipi_ifindex = (int)index };
	addr_t a;

	if (source[value % 10]) {
		addr_of(&a, source[value % 10], 0);
		if (a.sa.sa_family == AF_INET6)
			p6.ipi6_addr = a.in6.sin6_addr;
		wire_addr(&a, source[value % 10], 0);
		if (a.sa.sa_family == AF_INET)
			p4.ipi_spec_dst = a.in.sin_addr;
	}
	if (cm->cmsg_level == IPPROTO_IP)
		memcpy(CMSG_DATA(cm), &p4, sizeof(p4));
	else
		memcpy(CMSG_DATA(cm), &p6, sizeof(p6));
}

static size_t build(unsigned char *control, const struct message *x)
{
	size_t at = 0;

	memset(control, 0, 256);
	for (int i = 0; i < 3 && x->e[i].len; i++) {
		const struct entry *e = &x->e[i];
		struct cmsghdr *cm = (void *)(control + at);

		cm->cmsg_level = e->level;
		cm->cmsg_type = e->type;
		memcpy(CMSG_DATA(cm), &e->value, sizeof(e->value));
		if ((e->level == IPPROTO_IP && e->type == IP_PKTINFO) ||
		    (e->level == IPPROTO_IPV6 &&
		     (e->type == IPV6_PKTINFO || e->type == OPT_IPV6_2292PKTINFO)))
			put_info(cm, e->value);
		cm->cmsg_len = e->stated == NONE ? 0
			       : e->stated	 ? (size_t)e->stated
						 : CMSG_LEN((size_t)e->len);
		at += CMSG_SPACE((size_t)e->len);
	}
	return at - (size_t)x->cut;
}

static void run(int fd, bool name)
{
	static unsigned char control[256] __attribute__((aligned(8)));
	char data[40];
	struct iovec iov = { data, sizeof(data) };
	addr_t to;
	socklen_t len = addr_of(&to, "P1", PPORT);

	for (size_t i = 0; i < NLEN(messages); i++) {
		struct msghdr m = { .msg_name = name ? &to : NULL,
				    .msg_namelen = name ? len : 0,
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control };
		long r;

		fill(data, sizeof(data), (int)i);
		m.msg_controllen = build(control, &messages[i]);
		r = sendmsg(fd, &m, MSG_DONTWAIT);
		say("%s: %s", messages[i].name, r < 0 ? strerrorname_np(errno) : "sent");
		say(" %s\n", peer("recvx 0 %d", r < 0 ? 2 : 20));
		if (r >= 0)
			peer("drain 0 0");
	}
}

/* Five at a time, each with the messages of its own. */
static void vectors(int fd)
{
	static unsigned char control[5][256] __attribute__((aligned(8)));
	char data[5][40];
	struct iovec iov[5];
	struct mmsghdr mm[5];
	addr_t to;
	socklen_t len = addr_of(&to, "P1", PPORT);

	for (size_t at = 0; at + 5 <= NLEN(messages); at += 5) {
		long r;

		memset(mm, 0, sizeof(mm));
		for (size_t i = 0; i < 5; i++) {
			fill(data[i], sizeof(data[i]), (int)i);
			iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
			mm[i].msg_hdr = (struct msghdr){ .msg_name = &to,
							 .msg_namelen = len,
							 .msg_iov = &iov[i],
							 .msg_iovlen = 1,
							 .msg_control = control[i] };
			mm[i].msg_hdr.msg_controllen = build(control[i], &messages[at + i]);
		}
		r = sendmmsg(fd, mm, 5, MSG_DONTWAIT);
		say("five from %s: %ld %s", messages[at].name, r,
		    r < 0 ? strerrorname_np(errno) : "");
		for (int i = 0; i < 5; i++)
			say(" %u", mm[i].msg_len);
		say(" %s\n", peer("drain 0 5"));
	}
}

int main(void)
{
	static const char *const from[] = { "any", "L1", "L2" };
	int fd;

	cf_start();
	for (size_t i = 0; i < NLEN(from); i++) {
		fd = bound(from[i], PORT);
		say("-- bound to %s\n", from[i]);
		run(fd, true);
		close(fd);
	}
	fd = bound("any", PORT);
	must("connect", connect_to(fd, "P1", PPORT));
	say("-- connected\n");
	run(fd, false);
	close(fd);
	fd = bound("L2", PORT);
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, is_lo() ? "lo" : "ve0", 3);
	say("-- bound to a device\n");
	run(fd, true);
	vectors(fd);
	close(fd);
	return 0;
}
