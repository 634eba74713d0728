/* SPDX-License-Identifier: BSD-3-Clause */
/* multicast_send.c - sending to groups: from which interface and address, how far, and whether this host hears it too. */
/* expect: fast 0 */
/* expect: sent 28 */
#include "lib.h"
#include <net/if.h>

#define GPORT 7100

static char buf[4096];
static int member;

static int level(void)
{
	return wire4() ? IPPROTO_IP : IPPROTO_IPV6;
}

static int ifindex(void)
{
	return (int)if_nametoindex("ve0");
}

static void join(void)
{
	struct ip_mreqn m4 = { .imr_ifindex = ifindex() };
	struct ipv6_mreq m6 = { .ipv6mr_interface = (unsigned)ifindex() };
	addr_t a;

	member = udp(0);
	must("bind", bind_to(member, "any", GPORT));
	wire_addr(&a, "G1", 0);
	m4.imr_multiaddr = a.in.sin_addr;
	m6.ipv6mr_multiaddr = a.in6.sin6_addr;
	if (wire4())
		must("join", setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m4, sizeof(m4)));
	else
		must("join", setsockopt(member, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &m6, sizeof(m6)));
	settle(member);
}

enum how { BY_NOTHING, BY_INDEX, BY_ADDRESS, BY_MREQ, BY_BOTH, BY_DEVICE, BY_MESSAGE };

static void name_interface(int fd, enum how how)
{
	struct ip_mreqn m = { .imr_ifindex = how == BY_INDEX || how == BY_BOTH ? ifindex() : 0 };
	addr_t a;

	wire_addr(&a, "L2", 0);
	if (how == BY_DEVICE) {
		must("device", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "ve0", 4));
		return;
	}
	if (how == BY_NOTHING || how == BY_MESSAGE)
		return;
	if (!wire4()) {
		set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex());
		return;
	}
	if (how != BY_INDEX)
		m.imr_address = a.in.sin_addr;
	if (how == BY_ADDRESS)
		must("IF", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &a.in.sin_addr, 4));
	else
		must("IF", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m,
				      how == BY_MREQ ? 8 : sizeof(m)));
}

/* One message, with what @how and @ttl (if it is not negative) say in control messages. */
static long send_one(int fd, size_t n, const addr_t *to, socklen_t len, int index,
		     const char *source, int ttl, unsigned segment)
{
	union {
		char room[256];
		struct cmsghdr cm;
	} control = { { 0 } };
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_name = (void *)to,
			    .msg_namelen = len,
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control };
	struct in6_pktinfo six = { .ipi6_ifindex = (unsigned)index };
	struct in_pktinfo four = { .ipi_ifindex = index };
	struct cmsghdr *cm = &control.cm;
	uint16_t size = (uint16_t)segment;
	addr_t a;

	if (source) {
		wire_addr(&a, source, 0);
		four.ipi_spec_dst = a.in.sin_addr;
		six.ipi6_addr = a.in6.sin6_addr;
	}
	if (index || source) {
		size_t l = wire4() ? sizeof(four) : sizeof(six);

		*cm = (struct cmsghdr){ CMSG_LEN(l), level(), wire4() ? IP_PKTINFO : IPV6_PKTINFO };
		memcpy(CMSG_DATA(cm), wire4() ? (void *)&four : (void *)&six, l);
		m.msg_controllen += CMSG_SPACE(l);
		cm = (void *)(control.room + m.msg_controllen);
	}
	if (ttl >= 0) {
		*cm = (struct cmsghdr){ CMSG_LEN(4), level(), wire4() ? IP_TTL : IPV6_HOPLIMIT };
		memcpy(CMSG_DATA(cm), &ttl, 4);
		m.msg_controllen += CMSG_SPACE(4);
		cm = (void *)(control.room + m.msg_controllen);
	}
	if (segment) {
		*cm = (struct cmsghdr){ CMSG_LEN(2), IPPROTO_UDP, UDP_SEGMENT };
		memcpy(CMSG_DATA(cm), &size, 2);
		m.msg_controllen += CMSG_SPACE(2);
	}
	if (!m.msg_controllen)
		m.msg_control = NULL;
	return res("  send", sendmsg(fd, &m, 0));
}

static void heard(long r)
{
	say("  peer: %s\n", peer("recvx 1 %d", r < 0 ? 5 : 300));
	say("  and: %s\n", peer("drain 1 10"));
	take("  here", member);
}

static const struct group_case {
	const char *from;
	enum how how;
	int loop, ttl, message_ttl;
	const char *source;
	unsigned segment;
	size_t n;
} cases[] = {
	{ "any", BY_NOTHING, 0, -1, -1, NULL, 0, 30 },
	{ "any", BY_INDEX, 0, -1, -1, NULL, 0, 30 },
	{ "any", BY_INDEX, 1, -1, -1, NULL, 0, 30 },
	{ "any", BY_ADDRESS, 0, -1, -1, NULL, 0, 30 },
	{ "any", BY_ADDRESS, 1, -1, -1, NULL, 0, 30 },
	{ "any", BY_MREQ, 0, -1, -1, NULL, 0, 30 },
	{ "any", BY_BOTH, 0, -1, -1, NULL, 0, 30 },
	{ "any", BY_DEVICE, 0, -1, -1, NULL, 0, 30 },
	{ "any", BY_DEVICE, 1, -1, -1, NULL, 0, 30 },
	{ "any", BY_MESSAGE, 0, -1, -1, NULL, 0, 30 },
	{ "any", BY_MESSAGE, 1, -1, -1, NULL, 0, 30 },
	{ "any", BY_MESSAGE, 0, 7, -1, "L2", 0, 30 },
	{ "L1", BY_NOTHING, 0, -1, -1, NULL, 0, 30 },
	{ "L2", BY_INDEX, 0, -1, -1, NULL, 0, 30 },
	{ "L1", BY_ADDRESS, 0, 5, -1, NULL, 0, 30 },
	{ "L2", BY_DEVICE, 0, 255, -1, NULL, 0, 30 },
	{ "any", BY_INDEX, 0, 0, -1, NULL, 0, 30 },
	{ "any", BY_INDEX, 0, 1, -1, NULL, 0, 30 },
	{ "any", BY_INDEX, 0, 9, 33, NULL, 0, 30 },
	{ "any", BY_INDEX, 0, 0, 33, NULL, 0, 30 },
	{ "any", BY_INDEX, 0, -1, 0, NULL, 0, 30 },
	{ "any", BY_INDEX, 0, -1, -1, "L2", 0, 30 },
	{ "any", BY_ADDRESS, 0, -1, -1, "L1", 0, 30 },
	{ "any", BY_INDEX, 0, -1, -1, "N1", 0, 30 },
	{ "any", BY_INDEX, 0, -1, -1, NULL, 100, 350 },
	{ "any", BY_INDEX, 1, -1, -1, NULL, 100, 350 },
	{ "any", BY_INDEX, 0, -1, -1, NULL, 0, 1452 },
	{ "any", BY_INDEX, 0, -1, -1, NULL, 0, 3000 },
	{ "G1", BY_INDEX, 0, -1, -1, NULL, 0, 30 },
	{ "G1", BY_ADDRESS, 0, -1, -1, NULL, 0, 30 },
};

static void one_case(const struct group_case *c, int number, bool connected)
{
	static const char *const hows[] = { "nothing", "index",	 "address", "mreq",
					    "both",    "device", "message" };
	int fd = udp(0);
	addr_t to;
	socklen_t len = addr_of(&to, "G1", GPORT);
	long r;

	say("%d: from %s, interface by %s, loop %d, ttl %d/%d, source %s, %zu bytes/%u%s\n", number,
	    c->from, hows[c->how], c->loop, c->ttl, c->message_ttl, c->source ? c->source : "-",
	    c->n, c->segment, connected ? ", connected" : "");
	name_interface(fd, c->how);
	must("bind", bind_to(fd, c->from, PORT));
	settle(fd);
	set_int(fd, level(), wire4() ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, c->loop);
	if (c->ttl >= 0)
		set_int(fd, level(), wire4() ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS, c->ttl);
	if (connected && res("  connect", connect(fd, &to.sa, len)) < 0) {
		close(fd);
		return;
	}
	fill(buf, c->n, number);
	for (unsigned at = c->segment; at && at < c->n; at += c->segment)
		fill(buf + at, c->n - at < c->segment ? c->n - at : c->segment, number);
	r = send_one(fd, c->n, connected ? NULL : &to, connected ? 0 : len,
		     c->how == BY_MESSAGE ? ifindex() : 0, c->source, c->message_ttl, c->segment);
	heard(r);
	close(fd);
}

/* The link's own groups: their address names the interface in IPv6, and the source may be of the link. */
static void near(void)
{
	int fd = bound("any", PORT);
	addr_t to;
	socklen_t len = addr_of(&to, "G1", GPORT);

	say("-- near groups\n");
	if (wire4())
		inet_pton(AF_INET, "224.0.0.77", &to.in.sin_addr);
	else
		inet_pton(AF_INET6, "ff02::77", &to.in6.sin6_addr);
	set_int(fd, level(), wire4() ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, 0);
	fill(buf, 30, 80);
	if (wire4()) /* from where without an interface: IPv6 would choose any */
		heard(send_one(fd, 30, &to, len, 0, NULL, -1, 0));
	else
		to.in6.sin6_scope_id = (unsigned)ifindex();
	name_interface(fd, BY_INDEX);
	res("  send", send_one(fd, 30, &to, len, 0, "L2", -1, 0));
	say("  peer: %s\n", peer("recvx 1 300"));
	if (!wire4()) {
		res("  another interface in the message",
		    send_one(fd, 30, &to, len, 1, NULL, -1, 0));
		say("  peer: %s\n", peer("drain 1 10"));
	}
	close(fd);
}

/* The option after others, and taken back. */
static void changes(void)
{
	int fd = bound("any", PORT);
	struct ip_mreqn none = { .imr_ifindex = 0 };
	addr_t to;
	socklen_t len = addr_of(&to, "G1", GPORT);

	say("-- changes\n");
	set_int(fd, level(), wire4() ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, 0);
	name_interface(fd, BY_ADDRESS);
	fill(buf, 30, 90);
	heard(send_one(fd, 30, &to, len, 0, NULL, -1, 0));
	name_interface(fd, BY_INDEX);
	heard(send_one(fd, 30, &to, len, 0, NULL, -1, 0));
	set_int(fd, level(), wire4() ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, 1);
	heard(send_one(fd, 30, &to, len, 0, NULL, -1, 0));
	set_int(fd, level(), wire4() ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, 0);
	if (wire4())
		must("IF", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &none, sizeof(none)));
	else
		set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, 0);
	heard(send_one(fd, 30, &to, len, 0, NULL, -1, 0));
	res("  bad interface",
	    setsockopt(fd, level(), wire4() ? IP_MULTICAST_IF : IPV6_MULTICAST_IF, "\1\2\3\4", 4));
	heard(send_one(fd, 30, &to, len, 0, NULL, -1, 0));
	close(fd);
}

int main(void)
{
	cf_start();
	if (is_map())
		skip("not covered: groups of IPv4 on an IPv6 socket, which the kernel sends to");
	if (is_lo())
		skip("lo is not a multicast interface");
	join();
	peer("open 1 any %d", GPORT);
	peer("opt 1 join 2");
	for (size_t i = 0; i < NLEN(cases); i++)
		one_case(&cases[i], (int)i + 1, false);
	for (size_t i = 0; i < 16; i++)
		one_case(&cases[i], (int)i + 101, true);
	near();
	changes();
	return 0;
}
