/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options_effect.c - what an option does: it is set before bind, after bind, after the first receive and after connect,
 * a datagram comes in and two go out, it is taken back, and again. Everything that is to be seen of the datagrams is
 * printed. Not here: IP_CHECKSUM, whose message depends on how the sender left the checksum.
 */
/* expect: fast 100 */
#include "options.h"

struct effect {
	const char *name;
	int level, opt, value, back;
};

static const struct effect effects[] = {
	{ "nothing", SOL_SOCKET, SO_BROADCAST, 0, 0 },
	{ "SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, 1, 0 },
	{ "SO_TIMESTAMPNS", SOL_SOCKET, SO_TIMESTAMPNS, 1, 0 },
	{ "SO_TIMESTAMP_NEW", SOL_SOCKET, OPT_SO_TIMESTAMP_NEW, 1, 0 },
	{ "SO_TIMESTAMPNS_NEW", SOL_SOCKET, OPT_SO_TIMESTAMPNS_NEW, 1, 0 },
	{ "SO_TIMESTAMPING software", SOL_SOCKET, SO_TIMESTAMPING, 0x18, 0 },
	{ "SO_TIMESTAMPING_NEW software", SOL_SOCKET, OPT_SO_TIMESTAMPING_NEW, 0x18, 0 },
	{ "SO_TIMESTAMPING all receive", SOL_SOCKET, SO_TIMESTAMPING, 0x5c, 0 },
	{ "SO_TIMESTAMPING report only", SOL_SOCKET, SO_TIMESTAMPING, 0x10, 0 },
	{ "SO_TIMESTAMPING not reported", SOL_SOCKET, SO_TIMESTAMPING, 0x08, 0 },
	{ "SO_TIMESTAMPING OPT_RX_FILTER", SOL_SOCKET, SO_TIMESTAMPING, 0x20010, 0 },
	{ "SO_TIMESTAMPING OPT_RX_FILTER on", SOL_SOCKET, SO_TIMESTAMPING, 0x20018, 0 },
	{ "SO_TIMESTAMPING options only", SOL_SOCKET, SO_TIMESTAMPING, 0x2c98, 0 },
	{ "SO_RXQ_OVFL", SOL_SOCKET, SO_RXQ_OVFL, 1, 0 },
	{ "SO_RCVMARK", SOL_SOCKET, OPT_SO_RCVMARK, 1, 0 },
	{ "SO_RCVPRIORITY", SOL_SOCKET, OPT_SO_RCVPRIORITY, 1, 0 },
	{ "SO_WIFI_STATUS", SOL_SOCKET, SO_WIFI_STATUS, 1, 0 },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 1000, 1 },
	{ "SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, 1, 0 },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, 5, 0 },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 5, 0 },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 100000, -1 },
	{ "SO_NO_CHECK", SOL_SOCKET, SO_NO_CHECK, 1, 0 },
	{ "SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY, 1, 0 },
	{ "SO_BUSY_POLL", SOL_SOCKET, SO_BUSY_POLL, 50, 0 },
	{ "SO_PREFER_BUSY_POLL", SOL_SOCKET, SO_PREFER_BUSY_POLL, 1, 0 },
	{ "SO_INCOMING_CPU", SOL_SOCKET, SO_INCOMING_CPU, 0, -1 },
	{ "SO_BINDTOIFINDEX of none", SOL_SOCKET, SO_BINDTOIFINDEX, 4711, 0 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 0, 200000 },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 0, 200000 },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1, 0 },
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1, 0 },
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, 1, 0 },
	{ "IP_RECVTTL", IPPROTO_IP, IP_RECVTTL, 1, 0 },
	{ "IP_RECVTOS", IPPROTO_IP, IP_RECVTOS, 1, 0 },
	{ "IP_RECVOPTS", IPPROTO_IP, IP_RECVOPTS, 1, 0 },
	{ "IP_RETOPTS", IPPROTO_IP, IP_RETOPTS, 1, 0 },
	{ "IP_PASSSEC", IPPROTO_IP, IP_PASSSEC, 1, 0 },
	{ "IP_RECVORIGDSTADDR", IPPROTO_IP, IP_RECVORIGDSTADDR, 1, 0 },
	{ "IP_RECVFRAGSIZE", IPPROTO_IP, OPT_IP_RECVFRAGSIZE, 1, 0 },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR, 1, 0 },
	{ "IP_TOS", IPPROTO_IP, IP_TOS, 0xb8, 0 },
	{ "IP_TOS with ECN", IPPROTO_IP, IP_TOS, 0x03, 0 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 9, -1 },
	{ "IP_MINTTL", IPPROTO_IP, IP_MINTTL, 200, 0 },
	{ "IP_MTU_DISCOVER dont", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_WANT },
	{ "IP_MTU_DISCOVER do", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_WANT },
	{ "IP_MTU_DISCOVER probe", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT },
	{ "IP_MTU_DISCOVER omit", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT, IP_PMTUDISC_WANT },
	{ "IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, 1, 0 },
	{ "IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT, 1, 0 },
	{ "IP_UNICAST_IF of none", IPPROTO_IP, IP_UNICAST_IF, 0, 0 },
	{ "IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL, 7, 1 },
	{ "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, 0 },
	{ "IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, 0 },
	{ "IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, 1, 0 },
	{ "IPV6_FLOWINFO of nothing", IPPROTO_IPV6, OPT_IPV6_FLOWINFO_SEND, 1, 0 },
	{ "IPV6_RECVORIGDSTADDR", IPPROTO_IPV6, OPT_IPV6_ORIGDSTADDR, 1, 0 },
	{ "IPV6_RECVHOPOPTS", IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1, 0 },
	{ "IPV6_RECVRTHDR", IPPROTO_IPV6, IPV6_RECVRTHDR, 1, 0 },
	{ "IPV6_RECVDSTOPTS", IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1, 0 },
	{ "IPV6_RECVPATHMTU", IPPROTO_IPV6, IPV6_RECVPATHMTU, 1, 0 },
	{ "IPV6_RECVFRAGSIZE", IPPROTO_IPV6, OPT_IPV6_RECVFRAGSIZE, 1, 0 },
	{ "IPV6_2292PKTINFO", IPPROTO_IPV6, OPT_IPV6_2292PKTINFO, 1, 0 },
	{ "IPV6_2292HOPLIMIT", IPPROTO_IPV6, OPT_IPV6_2292HOPLIMIT, 1, 0 },
	{ "IPV6_2292HOPOPTS", IPPROTO_IPV6, OPT_IPV6_2292HOPOPTS, 1, 0 },
	{ "IPV6_2292RTHDR", IPPROTO_IPV6, OPT_IPV6_2292RTHDR, 1, 0 },
	{ "IPV6_2292DSTOPTS", IPPROTO_IPV6, OPT_IPV6_2292DSTOPTS, 1, 0 },
	{ "IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR, 1, 0 },
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 0xb8, -1 },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9, -1 },
	{ "IPV6_MINHOPCOUNT", IPPROTO_IPV6, OPT_IPV6_MINHOPCOUNT, 200, 0 },
	{ "IPV6_MTU_DISCOVER do", IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO,
	  IPV6_PMTUDISC_WANT },
	{ "IPV6_MTU", IPPROTO_IPV6, IPV6_MTU, 1280, 0 },
	{ "IPV6_DONTFRAG", IPPROTO_IPV6, IPV6_DONTFRAG, 1, 0 },
	{ "IPV6_ADDR_PREFERENCES", IPPROTO_IPV6, OPT_IPV6_ADDR_PREFERENCES, 1, 0x100 },
	{ "IPV6_AUTOFLOWLABEL", IPPROTO_IPV6, OPT_IPV6_AUTOFLOWLABEL, 0, 1 },
	{ "IPV6_TRANSPARENT", IPPROTO_IPV6, IPV6_TRANSPARENT, 1, 0 },
	{ "IPV6_FREEBIND", IPPROTO_IPV6, IPV6_FREEBIND, 1, 0 },
	{ "UDP_NO_CHECK6_TX", SOL_UDP, UDP_NO_CHECK6_TX, 1, 0 },
	{ "UDP_NO_CHECK6_RX", SOL_UDP, UDP_NO_CHECK6_RX, 1, 0 },
	{ "UDP_SEGMENT", SOL_UDP, UDP_SEGMENT, 700, 0 },
	{ "UDP_GRO", SOL_UDP, UDP_GRO, 1, 0 },
};

/* Sends one of @n bytes and says what the peer sees of it. */
static void out(const char *what, int fd, size_t n)
{
	static char data[2048];
	long r;

	fill(data, n, 11);
	r = send_to(fd, data, n, MSG_DONTWAIT, "P1", PPORT);
	say("  %s: %s", what, r < 0 ? strerrorname_np(errno) : "sent");
	say(" peer %s\n", peer("recvx 0 %d", r < 0 ? 5 : 100));
}

/* @wait: a datagram is expected, and waited for. */
static void exchange(int fd, int seed, int wait)
{
	peer("send 0 L1 %d 30 %d 1", PORT, seed);
	show_dgram("  peek", fd, MSG_PEEK, wait);
	show_dgram("  recv", fd, 0, 0);
	out("send", fd, 40);
	out("send larger", fd, 1380);
	peer("drain 0 1");
}

static void try(const struct effect *e, enum moment m)
{
	int fd = at_moment(m, PORT), r;

	r = setsockopt(fd, e->level, e->opt, &e->value, sizeof(e->value));
	say("%s, %s: %s\n", e->name, moment_name[m], r < 0 ? strerrorname_np(errno) : "set");
	if (r < 0) {
		close(fd);
		return;
	}
	if (m == FRESH)
		must("bind", bind_to(fd, "any", PORT));
	if (m == FRESH)
		settle(fd);
	exchange(fd, 1, 60);
	r = setsockopt(fd, e->level, e->opt, &e->back, sizeof(e->back));
	say(" back: %s\n", r < 0 ? strerrorname_np(errno) : "done");
	exchange(fd, 2, 100);
	close(fd);
}

int main(void)
{
	cf_start();
	/* The kernel stamps everything, or nothing, and takes its time to begin: it shall stamp all along. */
	set_int(udp(0), SOL_SOCKET, SO_TIMESTAMP, 1);
	pause_ms(100);
	peer("opt 0 ttl 33");
	peer("opt 0 tos 40");
	for (size_t i = 0; i < NLEN(effects); i++)
		for (enum moment m = FRESH; m < MOMENTS; m++)
			try(&effects[i], m);
	return 0;
}
