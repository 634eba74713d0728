/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_wire.c - what datagrams look like on the wire, for accel_wire.sh.
 *
 *   accel_wire send ADDRESS PORT SOURCE2   makes every send of the table below, from port 5300
 *   accel_wire capture INTERFACE PORT      says what comes in, until the send that ends it: one line for each packet
 *
 * Printed is what both paths must have in common: not the value of an identification, but whether it is zero, and how it goes
 * on within a send; not the flow label. The first byte of each payload is the number of its case.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
#define LAST 255

static const struct wire_case {
	bool connected;
	int discover; /* IP_MTU_DISCOVER, IPV6_MTU_DISCOVER */
	int segment, bytes;
	int ttl, tos; /* 0: as it is */
	bool by_message, source2;
} cases[] = {
	{ .discover = IP_PMTUDISC_WANT, .bytes = 1 },
	{ .discover = IP_PMTUDISC_WANT, .bytes = 101 },
	{ .discover = IP_PMTUDISC_WANT, .bytes = 1452 },
	{ .discover = IP_PMTUDISC_DONT, .bytes = 100 },
	{ .discover = IP_PMTUDISC_DO, .bytes = 100 },
	{ .discover = IP_PMTUDISC_PROBE, .bytes = 100 },
	{ .discover = IP_PMTUDISC_INTERFACE, .bytes = 100 },
	{ .discover = IP_PMTUDISC_OMIT, .bytes = 100 },
	{ .connected = true, .discover = IP_PMTUDISC_WANT, .bytes = 100 },
	{ .connected = true, .discover = IP_PMTUDISC_DO, .bytes = 100 },
	{ .connected = true, .discover = IP_PMTUDISC_DONT, .bytes = 100 },
	{ .discover = IP_PMTUDISC_WANT, .bytes = 100, .ttl = 9, .tos = 0x2e << 2 },
	{ .discover = IP_PMTUDISC_WANT, .bytes = 100, .ttl = 9, .tos = 3, .by_message = true },
	{ .discover = IP_PMTUDISC_WANT, .bytes = 100, .source2 = true },
	{ .discover = IP_PMTUDISC_WANT, .segment = 100, .bytes = 100 },
	{ .discover = IP_PMTUDISC_WANT, .segment = 100, .bytes = 350 },
	{ .discover = IP_PMTUDISC_WANT, .segment = 1000, .bytes = 10001 },
	{ .discover = IP_PMTUDISC_WANT, .segment = 1001, .bytes = 1452 },
	{ .discover = IP_PMTUDISC_WANT, .segment = 101, .bytes = 64 * 101, .by_message = true },
	{ .discover = IP_PMTUDISC_WANT, .segment = 1452, .bytes = 14520, .by_message = true },
	{ .discover = IP_PMTUDISC_DONT, .segment = 100, .bytes = 350 },
	{ .discover = IP_PMTUDISC_DO, .segment = 100, .bytes = 350 },
	{ .discover = IP_PMTUDISC_DO, .segment = 1000, .bytes = 5500 },
	{ .discover = IP_PMTUDISC_PROBE, .segment = 1000, .bytes = 5500 },
	{ .discover = IP_PMTUDISC_INTERFACE, .segment = 1000, .bytes = 5500 },
	{ .discover = IP_PMTUDISC_OMIT, .segment = 1000, .bytes = 5500 },
	{ .connected = true, .discover = IP_PMTUDISC_WANT, .segment = 100, .bytes = 350 },
	{ .connected = true, .discover = IP_PMTUDISC_DO, .segment = 1000, .bytes = 5500 },
	{ .discover = IP_PMTUDISC_WANT,
	  .segment = 100,
	  .bytes = 350,
	  .ttl = 9,
	  .tos = 3,
	  .by_message = true },
	{ .discover = IP_PMTUDISC_WANT, .segment = 100, .bytes = 350, .ttl = 200, .tos = 0x60 },
	{ .discover = IP_PMTUDISC_WANT, .segment = 100, .bytes = 350, .source2 = true },
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- sending ---- */

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t parse(union address *a, const char *text, const char *port)
{
	memset(a, 0, sizeof(*a));
	a->in.sin_port = htons((uint16_t)atoi(port)); /* in the same place in both */
	if (inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
		a->sa.sa_family = AF_INET;
		return sizeof(a->in);
	}
	if (inet_pton(AF_INET6, text, &a->in6.sin6_addr) != 1)
		die(text);
	a->sa.sa_family = AF_INET6;
	return sizeof(a->in6);
}

static void put(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *cm = (struct cmsghdr *)(void *)((char *)m->msg_control + m->msg_controllen);

	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		die("setsockopt");
}

static void add_source(struct msghdr *m, bool v4, const char *text)
{
	struct in6_pktinfo six = { .ipi6_ifindex = 0 };
	struct in_pktinfo four = { .ipi_ifindex = 0 };
	union address a;

	parse(&a, text, "0");
	if (v4) {
		four.ipi_spec_dst = a.in.sin_addr;
		put(m, IPPROTO_IP, IP_PKTINFO, &four, sizeof(four));
	} else {
		six.ipi6_addr = a.in6.sin6_addr;
		put(m, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof(six));
	}
}

static void by_message(const struct wire_case *c, struct msghdr *m, bool v4)
{
	int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	uint16_t size = (uint16_t)c->segment;

	if (size)
		put(m, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
	if (c->ttl)
		put(m, level, v4 ? IP_TTL : IPV6_HOPLIMIT, &c->ttl, sizeof(int));
	if (c->tos)
		put(m, level, v4 ? IP_TOS : IPV6_TCLASS, &c->tos, sizeof(int));
}

static void by_option(const struct wire_case *c, int fd, bool v4)
{
	int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;

	if (c->segment)
		set(fd, IPPROTO_UDP, UDP_SEGMENT, c->segment);
	if (c->ttl)
		set(fd, level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, c->ttl);
	if (c->tos)
		set(fd, level, v4 ? IP_TOS : IPV6_TCLASS, c->tos);
}

static void fill(uint8_t *buf, const struct wire_case *c, int number)
{
	for (int i = 0; i < c->bytes; i++)
		buf[i] = (uint8_t)(i * 7 + (i >> 8));
	for (int i = 0; i < c->bytes; i += c->segment ? c->segment : c->bytes)
		buf[i] = (uint8_t)number;
}

static void send_case(const struct wire_case *c, int number, const union address *to, socklen_t len,
		      const char *source2)
{
	bool v4 = to->sa.sa_family == AF_INET;
	int fd = socket(to->sa.sa_family, SOCK_DGRAM, 0);
	_Alignas(8) char control[256] = { 0 };
	static uint8_t buf[65536];
	struct iovec iov = { buf, (size_t)c->bytes };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	union address own = { .sa.sa_family = to->sa.sa_family };

	own.in.sin_port = htons(5300);
	if (fd < 0 || bind(fd, &own.sa, len) < 0)
		die("bind");
	set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
	    c->discover);
	if (c->by_message)
		by_message(c, &m, v4);
	else
		by_option(c, fd, v4);
	if (c->source2)
		add_source(&m, v4, source2);
	if (!c->connected) {
		m.msg_name = (void *)(uintptr_t)&to->sa;
		m.msg_namelen = len;
	} else if (connect(fd, &to->sa, len) < 0) {
		die("connect");
	}
	fill(buf, c, number);
	for (int twice = 0; twice < 2; twice++)
		if (sendmsg(fd, &m, 0) != c->bytes)
			die("sendmsg");
	close(fd);
}

static int send_all(char **args)
{
	static const struct wire_case end = { .discover = IP_PMTUDISC_WANT, .bytes = 1 };
	union address to;
	socklen_t len = parse(&to, args[0], args[1]);

	for (size_t i = 0; i < COUNT(cases); i++) {
		send_case(&cases[i], (int)i, &to, len, args[2]);
		usleep(2000);
	}
	send_case(&end, LAST, &to, len, args[2]);
	return 0;
}

/* ---- capturing ---- */

static unsigned sum(unsigned s, const uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		s += i % 2 ? p[i] : (unsigned)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* How many datagrams a send makes. */
static int datagrams_of(int number)
{
	const struct wire_case *c = &cases[number % (int)COUNT(cases)];

	return c->segment ? (c->bytes + c->segment - 1) / c->segment : 1;
}

/* Prints what the identification is in the first datagram of a send, and how it goes on in the others. */
static void show_identification(unsigned id, int number)
{
	static int last_number = -1, at;
	static unsigned last;

	if (number != last_number)
		at = 0;
	if (at++ % datagrams_of(number) == 0)
		printf("id %s", id == 0 ? "0" : "some");
	else
		printf("id %s", id == ((last + 1) & 0xffff) ? "goes on" : "BREAKS");
	last_number = number;
	last = id;
}

static void show_v4(const uint8_t *ip, int number)
{
	printf("v4 length %u tos %u ttl %u fragment %04x header sum %s ", be16(ip + 2), ip[1],
	       ip[8], be16(ip + 6), sum(0, ip, 20) == 0xffff ? "good" : "BAD");
	show_identification(be16(ip + 4), number);
}

static void show_v6(const uint8_t *ip)
{
	printf("v6 length %u class %u hops %u next %u", be16(ip + 4), (be16(ip) >> 4) & 255, ip[7],
	       ip[6]);
}

static int show(const uint8_t *p, ssize_t n)
{
	bool v4 = be16(p + 12) == ETHERTYPE_IP;
	const uint8_t *ip = p + 14, *udp = ip + (v4 ? 20 : 40);
	unsigned len = be16(udp + 4), pseudo;
	char source[INET6_ADDRSTRLEN];
	int number = udp[8];

	printf("case %d: frame %zd ", number, n);
	if (v4)
		show_v4(ip, number);
	else
		show_v6(ip);
	pseudo = v4 ? sum(IPPROTO_UDP + len, ip + 12, 8) : sum(IPPROTO_UDP + len, ip + 8, 32);
	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip + 8, source, sizeof(source));
	printf(" from %s:%u udp %u sum %s payload %04x\n", source, be16(udp), len,
	       be16(udp + 6) && sum(pseudo, udp, len) == 0xffff ? "good" : "BAD",
	       sum(0, udp + 8, len - 8));
	return number;
}

static int capture(char **args)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), size = 8 << 20;
	int sink = socket(AF_INET6, SOCK_DGRAM, 0);
	static uint8_t p[65536];
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(ll);
	ssize_t n;

	any.sin6_port = htons((uint16_t)atoi(args[1]));
	ll.sll_ifindex = (int)if_nametoindex(args[0]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0 ||
	    bind(sink, (struct sockaddr *)&any, sizeof(any)) < 0) /* or else ICMP errors come back */
		die("capture");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	fprintf(stderr, "capturing\n");
	alarm(20);
	while ((n = recvfrom(fd, p, sizeof(p), 0, (struct sockaddr *)&ll, &len)) > 0) {
		bool v4 = be16(p + 12) == ETHERTYPE_IP && p[14] == 0x45 && p[23] == IPPROTO_UDP;
		bool v6 = be16(p + 12) == ETHERTYPE_IPV6 && p[20] == IPPROTO_UDP;

		if (ll.sll_pkttype == PACKET_OUTGOING || (!v4 && !v6) ||
		    be16(p + (v4 ? 36 : 56)) != ntohs(any.sin6_port))
			continue;
		if (show(p, n) == LAST)
			break;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "send"))
		return send_all(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "capture"))
		return capture(argv + 2);
	fprintf(stderr, "usage: accel_wire send ADDRESS PORT SOURCE2 | capture INTERFACE PORT\n");
	return 2;
}
