/* SPDX-License-Identifier: BSD-3-Clause */
/* sockopt.c - see sockopt.h. */
#include "stack/sockopt.h"

#include <linux/net_tstamp.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "stack/sock.h"

/* Names that Debian 12's headers lack or spell in conflict with each other. */
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#define OPT_IPV6_FLOWINFO 11
#define OPT_IPV6_FLOWINFO_SEND 33
#define OPT_IPV6_MULTICAST_ALL 29
#define OPT_TIMESTAMP_OLD 29
#define OPT_TIMESTAMPNS_OLD 35
#define OPT_TIMESTAMPING_OLD 37
#define OPT_TIMESTAMP_NEW 63
#define OPT_TIMESTAMPNS_NEW 64
#define OPT_TIMESTAMPING_NEW 65
#define OPT_IPV6_MINHOPCOUNT 73

enum effect {
	EFFECT_WANT,   /* ancillary data that we build: value is an enum sock_want bit */
	EFFECT_REFUSE, /* cannot be honoured: kernel path while it is set */
	EFFECT_SEND,   /* sending goes through the kernel while it is set */
};

static const struct option {
	int family; /* AF_INET6: only on such sockets; AF_INET: on both */
	int level, name;
	enum effect effect;
	uint32_t value; /* EFFECT_WANT: the bit; else: the default, which has no effect */
	const char *text;
} options[] = {
	{ AF_INET, SOL_SOCKET, OPT_TIMESTAMP_OLD, EFFECT_WANT, WANT_TIMESTAMP, NULL },
	{ AF_INET, SOL_SOCKET, OPT_TIMESTAMPNS_OLD, EFFECT_WANT, WANT_TIMESTAMPNS, NULL },
	{ AF_INET, SOL_SOCKET, OPT_TIMESTAMP_NEW, EFFECT_WANT, WANT_TIMESTAMP | WANT_TIME_NEW, NULL },
	{ AF_INET, SOL_SOCKET, OPT_TIMESTAMPNS_NEW, EFFECT_WANT, WANT_TIMESTAMPNS | WANT_TIME_NEW, NULL },
	{ AF_INET, SOL_SOCKET, SO_RXQ_OVFL, EFFECT_WANT, WANT_RXQ_OVFL, NULL },
	{ AF_INET, SOL_IP, IP_PKTINFO, EFFECT_WANT, WANT_PKTINFO, NULL },
	{ AF_INET, SOL_IP, IP_RECVTTL, EFFECT_WANT, WANT_TTL, NULL },
	{ AF_INET, SOL_IP, IP_RECVTOS, EFFECT_WANT, WANT_TOS, NULL },
	{ AF_INET, SOL_IP, IP_RECVORIGDSTADDR, EFFECT_WANT, WANT_ORIGDST, NULL },
	{ AF_INET6, SOL_IPV6, IPV6_RECVPKTINFO, EFFECT_WANT, WANT6_PKTINFO, NULL },
	{ AF_INET6, SOL_IPV6, IPV6_RECVHOPLIMIT, EFFECT_WANT, WANT6_HOPLIMIT, NULL },
	{ AF_INET6, SOL_IPV6, IPV6_RECVTCLASS, EFFECT_WANT, WANT6_TCLASS, NULL },
	{ AF_INET6, SOL_IPV6, OPT_IPV6_FLOWINFO, EFFECT_WANT, WANT6_FLOWINFO, NULL },
	{ AF_INET6, SOL_IPV6, IPV6_RECVORIGDSTADDR, EFFECT_WANT, WANT6_ORIGDST, NULL },

	{ AF_INET, SOL_SOCKET, SO_PEEK_OFF, EFFECT_REFUSE, (uint32_t)-1, "SO_PEEK_OFF" },
	{ AF_INET, SOL_SOCKET, SO_RCVMARK, EFFECT_REFUSE, 0, "SO_RCVMARK" },
	{ AF_INET, SOL_IP, IP_MINTTL, EFFECT_REFUSE, 0, "IP_MINTTL" },
	{ AF_INET, SOL_IP, IP_TRANSPARENT, EFFECT_REFUSE, 0, "IP_TRANSPARENT" },
	{ AF_INET, SOL_IP, IP_PASSSEC, EFFECT_REFUSE, 0, "IP_PASSSEC" },
	{ AF_INET, SOL_IP, IP_CHECKSUM, EFFECT_REFUSE, 0, "IP_CHECKSUM" },
	{ AF_INET, SOL_UDP, UDP_ENCAP, EFFECT_REFUSE, 0, "UDP_ENCAP" },
	{ AF_INET6, SOL_IPV6, OPT_IPV6_MINHOPCOUNT, EFFECT_REFUSE, 0, "IPV6_MINHOPCOUNT" },
	{ AF_INET6, SOL_IPV6, IPV6_TRANSPARENT, EFFECT_REFUSE, 0, "IPV6_TRANSPARENT" },
	{ AF_INET6, SOL_IPV6, IPV6_2292PKTINFO, EFFECT_REFUSE, 0, "IPV6_2292PKTINFO" },
	{ AF_INET6, SOL_IPV6, IPV6_2292HOPLIMIT, EFFECT_REFUSE, 0, "IPV6_2292HOPLIMIT" },

	{ AF_INET, SOL_SOCKET, SO_DONTROUTE, EFFECT_SEND, 0, NULL },
	{ AF_INET, SOL_SOCKET, SO_MARK, EFFECT_SEND, 0, NULL },
	{ AF_INET, SOL_SOCKET, SO_NO_CHECK, EFFECT_SEND, 0, NULL },
	{ AF_INET, SOL_UDP, UDP_CORK, EFFECT_SEND, 0, NULL },
	{ AF_INET, SOL_IP, IP_UNICAST_IF, EFFECT_SEND, 0, NULL },
	{ AF_INET6, SOL_IPV6, IPV6_UNICAST_IF, EFFECT_SEND, 0, NULL },
	{ AF_INET6, SOL_IPV6, OPT_IPV6_FLOWINFO_SEND, EFFECT_SEND, 0, NULL },
	{ AF_INET6, SOL_UDP, UDP_NO_CHECK6_TX, EFFECT_SEND, 0, NULL },
};

/* An integer option's value, or @otherwise where the kernel does not know the option. */
static uint32_t get_int(int fd, int level, int name, uint32_t otherwise)
{
	uint32_t value = otherwise;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) == 0 ? value : otherwise;
}

/* How long the value of a variable-length option is; 0: not set. */
static socklen_t get_len(int fd, int level, int name)
{
	uint8_t value[256];
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, value, &len) == 0 ? len : 0;
}

/* A classic filter reads as a number of instructions; one made of eBPF as EACCES (net/core/filter.c sk_get_filter()). */
static bool has_filter(int fd)
{
	socklen_t len = 0;

	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) < 0 || len > 0;
}

static uint64_t receive_timeout(int fd)
{
	struct timeval tv = { 0, 0 };
	socklen_t len = sizeof(tv);

	if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) < 0)
		return 0;
	return (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * NSEC_PER_USEC;
}

static int bound_interface(int fd)
{
	char name[IF_NAMESIZE] = "";
	socklen_t len = sizeof(name);

	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) < 0 || !len || !name[0])
		return 0;
	return (int)if_nametoindex(name);
}

/* Software receive stamps are ours to give; whatever else is asked for is the kernel's. */
static void read_timestamping(struct sock *s, int fd)
{
	const uint32_t ours = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
			      SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE |
			      SOF_TIMESTAMPING_SYS_HARDWARE;
	struct {
		uint32_t flags, phc;
	} value = { 0, 0 };
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, OPT_TIMESTAMPING_OLD, &value, &len) < 0)
		return;
	s->stamping_flags = value.flags;
	if (value.flags & SOF_TIMESTAMPING_SOFTWARE)
		s->want |= WANT_TIMESTAMPING;
	if (value.flags && get_int(fd, SOL_SOCKET, OPT_TIMESTAMPING_NEW, 0))
		s->want |= WANT_TIME_NEW;
	if (value.flags & ~ours)
		s->tx_plain = false;
}

static void read_multicast(struct sock *s, int fd)
{
	struct in_addr source = { 0 };
	socklen_t len = sizeof(source);

	s->mc_source = ipaddr_from_v4(0);
	if (s->family == AF_INET6) {
		s->mc_loop = get_int(fd, SOL_IPV6, IPV6_MULTICAST_LOOP, 1);
		s->mc_ttl = (uint8_t)get_int(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, 1);
		s->mc_if = (int)get_int(fd, SOL_IPV6, IPV6_MULTICAST_IF, 0);
		return;
	}
	s->mc_loop = get_int(fd, SOL_IP, IP_MULTICAST_LOOP, 1);
	s->mc_ttl = (uint8_t)get_int(fd, SOL_IP, IP_MULTICAST_TTL, 1);
	if (getsockopt(fd, SOL_IP, IP_MULTICAST_IF, &source, &len) == 0)
		s->mc_source = ipaddr_from_v4(source.s_addr);
	/* By an address alone: the kernel took the link that has it, ip_mc_find_dev(). */
	if (!s->mc_if && !ipaddr_is_any(&s->mc_source) && !hostnet_is_local(&s->mc_source, &s->mc_if))
		s->mc_if = 0;
}

/* Of the forms that net/ipv4/ip_sockglue.c takes only struct ip_mreqn has an index. */
void sock_set_multicast_if(struct sock *s, const void *value, socklen_t len)
{
	struct ip_mreqn m = { .imr_ifindex = 0 };

	if (len >= sizeof(m))
		memcpy(&m, value, sizeof(m));
	s->mc_if = m.imr_ifindex;
}

static void read_sending(struct sock *s, int fd)
{
	s->ttl = (uint8_t)get_int(fd, SOL_IP, IP_TTL, 64);
	s->tos = (uint8_t)get_int(fd, SOL_IP, IP_TOS, 0);
	s->pmtudisc = (uint8_t)get_int(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
	s->segment = (uint16_t)get_int(fd, SOL_UDP, UDP_SEGMENT, 0);
	if (get_len(fd, SOL_IP, IP_OPTIONS))
		s->tx_plain = false;
	if (s->family != AF_INET6)
		return;
	s->hops = (uint8_t)get_int(fd, SOL_IPV6, IPV6_UNICAST_HOPS, 64);
	s->tclass = (uint8_t)get_int(fd, SOL_IPV6, IPV6_TCLASS, 0);
	if (get_len(fd, SOL_IPV6, IPV6_HOPOPTS) || get_len(fd, SOL_IPV6, IPV6_DSTOPTS) ||
	    get_len(fd, SOL_IPV6, IPV6_RTHDR) || get_len(fd, SOL_IPV6, IPV6_RTHDRDSTOPTS))
		s->tx_plain = false;
}

/* SO_TXTIME is on when flags or a clock other than the default are set. */
static bool has_txtime(int fd)
{
	struct {
		int32_t clock;
		uint32_t flags;
	} value = { 0, 0 };
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_TXTIME, &value, &len) == 0 &&
	       (value.clock || value.flags);
}

static const char *read_table(struct sock *s, int fd)
{
	const char *refused = NULL;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];
		uint32_t unset = o->effect == EFFECT_WANT ? 0 : o->value;
		bool set;

		if (o->family == AF_INET6 && s->family != AF_INET6)
			continue;
		set = get_int(fd, o->level, o->name, unset) != unset;
		if (!set)
			continue;
		if (o->effect == EFFECT_WANT)
			s->want |= o->value;
		else if (o->effect == EFFECT_SEND)
			s->tx_plain = false;
		else
			refused = o->text;
	}
	return refused;
}

static const char *read_all(struct sock *s, int fd)
{
	const char *refused;

	s->want = s->stamp_enabled ? WANT_SIOCGSTAMP : 0;
	s->tx_plain = true;
	s->stamping_flags = 0;
	refused = read_table(s, fd);
	if (has_filter(fd))
		refused = "SO_ATTACH_FILTER";
	read_timestamping(s, fd);
	read_sending(s, fd);
	read_multicast(s, fd);
	if (has_txtime(fd))
		s->tx_plain = false;
	s->v6only = s->family == AF_INET6 && get_int(fd, SOL_IPV6, IPV6_V6ONLY, 0);
	s->reuseaddr = get_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	s->reuseport = get_int(fd, SOL_SOCKET, SO_REUSEPORT, 0);
	s->timeout_ns = receive_timeout(fd);
	s->rcvbuf = get_int(fd, SOL_SOCKET, SO_RCVBUF, 212992);
	s->bound_if = bound_interface(fd);
	s->group_all4 = get_int(fd, SOL_IP, IP_MULTICAST_ALL, 1);
	s->group_all6 = get_int(fd, SOL_IPV6, OPT_IPV6_MULTICAST_ALL, 1);
	s->errors_due = s->connected || get_int(fd, SOL_IP, IP_RECVERR, 0) ||
			(s->family == AF_INET6 && get_int(fd, SOL_IPV6, IPV6_RECVERR, 0));
	return refused;
}

/*
 * Read aside and stored at the end: other threads receive and send on the socket meanwhile, and must find either the old
 * options or the new ones. The caller holds stack.lock.
 */
const char *sockopt_read(struct sock *s, int fd)
{
	static struct sock now;
	const char *refused;

	now.family = s->family;
	now.connected = s->connected;
	now.stamp_enabled = s->stamp_enabled;
	now.mc_if = s->mc_if;
	refused = read_all(&now, fd);
	s->want = now.want;
	s->stamping_flags = now.stamping_flags;
	s->tx_plain = now.tx_plain;
	s->ttl = now.ttl;
	s->tos = now.tos;
	s->hops = now.hops;
	s->tclass = now.tclass;
	s->pmtudisc = now.pmtudisc;
	s->segment = now.segment;
	s->mc_loop = now.mc_loop;
	s->mc_ttl = now.mc_ttl;
	s->mc_if = now.mc_if;
	s->mc_source = now.mc_source;
	s->v6only = now.v6only;
	s->reuseaddr = now.reuseaddr;
	s->reuseport = now.reuseport;
	s->timeout_ns = now.timeout_ns;
	s->rcvbuf = now.rcvbuf;
	s->bound_if = now.bound_if;
	s->group_all4 = now.group_all4;
	s->group_all6 = now.group_all6;
	s->errors_due = now.errors_due;
	return refused;
}
