/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * multicast.c - who hears what: joining and leaving by every option, sources, several sockets, IP_MULTICAST_ALL, other
 * processes, connected members, and hearing oneself.
 */
/* variants: v4 v6 map b4 b6 */
/* expect: fast 20 */
#include "lib.h"
#include <net/if.h>
#include <sys/syscall.h>

static char buf[2048];

static int ifindex(void)
{
	return (int)if_nametoindex("ve0");
}

static int level(void)
{
	return wire4() ? IPPROTO_IP : IPPROTO_IPV6;
}

static void storage(struct sockaddr_storage *ss, const char *name)
{
	addr_t a;
	socklen_t len = wire_addr(&a, name, 0);

	memset(ss, 0, sizeof(*ss));
	memcpy(ss, &a, len);
}

/* By the protocol-independent options (RFC 3678 5). */
static int group_option(int fd, int name, const char *group)
{
	struct group_req req = { .gr_interface = (uint32_t)ifindex() };

	storage(&req.gr_group, group);
	return setsockopt(fd, level(), name, &req, sizeof(req));
}

static int source_option(int fd, int name, const char *group, const char *source)
{
	struct group_source_req req = { .gsr_interface = (uint32_t)ifindex() };

	storage(&req.gsr_group, group);
	storage(&req.gsr_source, source);
	return setsockopt(fd, level(), name, &req, sizeof(req));
}

static int filter_option(int fd, const char *group, int mode, const char *source)
{
	union {
		struct group_filter gf;
		char room[GROUP_FILTER_SIZE(2)];
	} f = { .gf = { .gf_interface = (uint32_t)ifindex(),
			.gf_fmode = (uint32_t)mode,
			.gf_numsrc = source != NULL } };

	storage(&f.gf.gf_group, group);
	if (source)
		storage(&f.gf.gf_slist[0], source);
	return setsockopt(fd, level(), MCAST_MSFILTER, &f,
			  (socklen_t)GROUP_FILTER_SIZE(f.gf.gf_numsrc));
}

/* By the options of the family. */
static int member(int fd, bool join)
{
	struct ip_mreqn m4 = { .imr_ifindex = ifindex() };
	struct ipv6_mreq m6 = { .ipv6mr_interface = (unsigned)ifindex() };
	addr_t a;

	wire_addr(&a, "G1", 0);
	if (wire4()) {
		m4.imr_multiaddr = a.in.sin_addr;
		return setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
				  &m4, sizeof(m4));
	}
	m6.ipv6mr_multiaddr = a.in6.sin6_addr;
	return setsockopt(fd, IPPROTO_IPV6, join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &m6,
			  sizeof(m6));
}

/* By a system call that no library sees. */
static int raw_socket(void)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_socket), "D"(family()), "S"(SOCK_DGRAM), "d"(0)
			 : "rcx", "r11", "memory");
	return (int)r;
}

static int member_at(const char *name, int port, bool reuse)
{
	int fd = udp(0);

	if (reuse)
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	must("bind", bind_to(fd, name, port));
	settle(fd);
	return fd;
}

static int reuser(const char *name)
{
	return member_at(name, PORT, true);
}

/* The peer sends one datagram to the group from P1, and one from P2. */
static void to_group(int seed)
{
	peer("send 0 G1 %d 20 %d 1", PORT, seed);
	arrive();
}

static void from_both(int seed)
{
	peer("send 0 G1 %d 20 %d 1", PORT, seed);
	peer("send 1 G1 %d 20 %d 1", PORT, seed + 1);
	arrive();
}

static void joining(bool reuse)
{
	int fd = member_at("any", PORT, reuse);

	say("-- joining and leaving%s\n", reuse ? ", address reused" : "");
	to_group(1);
	take("not joined", fd);
	res("join", member(fd, true));
	res("join again", member(fd, true));
	to_group(2);
	take("joined", fd);
	peer_sends(PORT, 20, 3, 1);
	take("unicast", fd);
	res("leave", member(fd, false));
	res("leave again", member(fd, false));
	to_group(4);
	take("left", fd);
	res("join", group_option(fd, MCAST_JOIN_GROUP, "G1"));
	to_group(5);
	take("joined by MCAST_JOIN_GROUP", fd);
	res("leave", group_option(fd, MCAST_LEAVE_GROUP, "G1"));
	to_group(6);
	take("left", fd);
	close(fd);
}

static void before_bind(void)
{
	int fd = udp(0);

	say("-- joined before bind\n");
	res("join", member(fd, true));
	must("bind", bind_to(fd, "any", PORT));
	settle(fd);
	to_group(7);
	take("joined", fd);
	close(fd);
	fd = udp(0);
	say("-- bound to the group, joined before\n");
	res("join", member(fd, true));
	must("bind", bind_to(fd, "G1", PORT));
	settle(fd);
	to_group(8);
	peer("send 0 L1 %d 20 9 1", PORT);
	arrive();
	take("group only", fd);
	fill(buf, 20, 10);
	res("answer from it", send_to(fd, buf, 20, 0, "P1", PPORT));
	say("the peer has %s\n", peer("recv 0 300"));
	close(fd);
}

static void sources(void)
{
	int fd = reuser("any");

	say("-- any source, some blocked\n");
	res("join", group_option(fd, MCAST_JOIN_GROUP, "G1"));
	from_both(1);
	take("both", fd);
	res("block P2", source_option(fd, MCAST_BLOCK_SOURCE, "G1", "P2"));
	res("block P2 again", source_option(fd, MCAST_BLOCK_SOURCE, "G1", "P2"));
	from_both(3);
	take("P1", fd);
	res("unblock P2", source_option(fd, MCAST_UNBLOCK_SOURCE, "G1", "P2"));
	from_both(5);
	take("both", fd);
	res("filter: not P1", filter_option(fd, "G1", MCAST_EXCLUDE, "P1"));
	from_both(7);
	take("P2", fd);
	res("leave", group_option(fd, MCAST_LEAVE_GROUP, "G1"));
	say("-- source-specific\n");
	res("join P1", source_option(fd, MCAST_JOIN_SOURCE_GROUP, "G1", "P1"));
	from_both(9);
	take("P1", fd);
	res("join P2", source_option(fd, MCAST_JOIN_SOURCE_GROUP, "G1", "P2"));
	from_both(11);
	take("both", fd);
	res("leave P1", source_option(fd, MCAST_LEAVE_SOURCE_GROUP, "G1", "P1"));
	from_both(13);
	take("P2", fd);
	res("filter: nobody", filter_option(fd, "G1", MCAST_INCLUDE, NULL));
	from_both(15);
	take("nobody, but MULTICAST_ALL", fd);
	close(fd);
}

/* IPv4's own options for sources; an IPv6 socket may use them, too. */
static void sources_v4(void)
{
	struct ip_mreq_source m;
	int fd = reuser("any");
	addr_t a;

	if (!wire4()) {
		close(fd);
		return;
	}
	say("-- IP_ADD_SOURCE_MEMBERSHIP and its kin\n");
	wire_addr(&a, "G1", 0);
	m.imr_multiaddr = a.in.sin_addr;
	wire_addr(&a, "L1", 0);
	m.imr_interface = a.in.sin_addr;
	wire_addr(&a, "P2", 0);
	m.imr_sourceaddr = a.in.sin_addr;
	res("join P2", setsockopt(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &m, sizeof(m)));
	from_both(1);
	take("P2", fd);
	res("drop P2", setsockopt(fd, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &m, sizeof(m)));
	res("join", member(fd, true));
	res("block P2", setsockopt(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &m, sizeof(m)));
	from_both(3);
	take("P1", fd);
	res("unblock P2", setsockopt(fd, IPPROTO_IP, IP_UNBLOCK_SOURCE, &m, sizeof(m)));
	from_both(5);
	take("both", fd);
	close(fd);
}

static void several(void)
{
	int a = reuser("any"), b = reuser("any"), group = reuser("G1"), one = reuser("L1");

	say("-- several sockets\n");
	res("join", member(a, true));
	res("join", member(b, true));
	res("join", member(group, true));
	to_group(1);
	take("first", a);
	take("second", b);
	take("bound to the group", group);
	take("bound to L1", one);
	peer_sends(PORT, 20, 2, 1);
	take("bound to the group, unicast", group);
	take("bound to L1, unicast", one);
	close(one);
	res("leave", member(a, false));
	to_group(3);
	take("left", a);
	take("second", b);
	close(b);
	to_group(4);
	take("bound to the group", group);
	close(group);
	to_group(5);
	take("left, alone", a);
	close(a);
}

static void all_option(void)
{
	int a = reuser("any"), b = reuser("any"), c = reuser("any");
	int name = wire4() ? IP_MULTICAST_ALL : 29 /* IPV6_MULTICAST_ALL */;

	say("-- MULTICAST_ALL\n");
	set_int(b, level(), name, 0);
	res("join", member(a, true));
	to_group(1);
	take("joined", a);
	take("not joined, off", b);
	take("not joined, on", c);
	set_int(b, level(), name, 1);
	set_int(c, level(), name, 0);
	to_group(2);
	take("not joined, on now", b);
	take("not joined, off now", c);
	set_int(a, level(), name, 0);
	to_group(3);
	take("joined, off", a);
	close(a);
	close(b);
	close(c);
}

/* A member that is connected hears its peer alone. */
static void connected(void)
{
	int fd = reuser("any");

	say("-- connected\n");
	res("join", member(fd, true));
	res("connect P2", connect_to(fd, "P2", PPORT + 1));
	from_both(1);
	take("bound to L1 by connect", fd);
	close(fd);
	fd = reuser("G1");
	res("join", member(fd, true));
	res("connect P2", connect_to(fd, "P2", PPORT + 1));
	from_both(3);
	take("bound to the group", fd);
	close(fd);
}

/* Something that the library does not know of hears the group as well: the kernel has to give it its copy. */
static void unseen(void)
{
	int fd = reuser("any"), other, one = 1;
	addr_t a;
	socklen_t len = addr_of(&a, "any", PORT);

	say("-- a socket that the library has not seen\n");
	res("join", member(fd, true));
	to_group(1);
	take("alone", fd);
	other = raw_socket();
	must("raw socket", other);
	must("REUSEADDR", setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	must("raw bind", bind(other, &a.sa, len));
	/* Whether somebody else is there is looked at now and then. */
	for (int i = 0; i < 20; i++) {
		settle(fd);
		pause_ms(20);
	}
	to_group(2);
	take("not alone", fd);
	take("the other one", other);
	close(other);
	for (int i = 0; i < 20; i++) {
		settle(fd);
		pause_ms(20);
	}
	to_group(3);
	take("alone again", fd);
	close(fd);
}

static void sends(void)
{
	int fd = reuser("any");
	struct ip_mreqn m4 = { .imr_ifindex = ifindex() };

	say("-- sending\n");
	if (wire4())
		must("IF", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m4, sizeof(m4)));
	else
		set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex());
	fill(buf, 30, 9);
	res("join", member(fd, true));
	res("sendto", send_to(fd, buf, 30, 0, "G1", PORT));
	arrive();
	take("heard", fd);
	set_int(fd, level(), wire4() ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, 0);
	fill(buf, 30, 10);
	res("sendto, no loop", send_to(fd, buf, 30, 0, "G1", PORT));
	arrive();
	take("heard", fd);
	close(fd);
}

/* Control messages of a datagram to a group. */
static void messages(void)
{
	int fd = reuser("any"), on = 1;
	char control[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	say("-- control messages\n");
	res("join", member(fd, true));
	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof(on));
	if (family() == AF_INET6) {
		set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	}
	to_group(1);
	res("recvmsg", recvmsg(fd, &m, MSG_DONTWAIT));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		const struct in_pktinfo *p4 = (const void *)CMSG_DATA(c);
		const struct in6_pktinfo *p6 = (const void *)CMSG_DATA(c);

		say("  level %d type %d len %zu\n", c->cmsg_level, c->cmsg_type,
		    (size_t)c->cmsg_len);
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			say("  if %s addr %s spec %s\n", p4->ipi_ifindex == ifindex() ? "ve0" : "?",
			    ip_name(AF_INET, &p4->ipi_addr), ip_name(AF_INET, &p4->ipi_spec_dst));
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			say("  if %s addr %s\n", (int)p6->ipi6_ifindex == ifindex() ? "ve0" : "?",
			    ip_name(AF_INET6, &p6->ipi6_addr));
	}
	close(fd);
}

int main(void)
{
	cf_start();
	peer("opt 0 mcast 2");
	peer("open 1 P2 %d", PPORT + 1);
	peer("opt 1 mcast 2");
	joining(false);
	joining(true);
	before_bind();
	sources();
	sources_v4();
	several();
	all_option();
	connected();
	unseen();
	sends();
	messages();
	return 0;
}
