/* SPDX-License-Identifier: BSD-3-Clause */
/* sockopt.c - see sockopt.h. */
#include "stack/sockopt.h"

#include <linux/net_tstamp.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "stack/sock.h"
#include "stack/stack.h"

/* Names that Debian 12's headers lack or spell in conflict with each other. */
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#define OPT_RCVPRIORITY 82
#define OPT_IPV6_FLOWINFO 11
#define OPT_IPV6_FLOWINFO_SEND 33
#define OPT_IPV6_ADDR_PREFERENCES 72
#define OPT_IPV6_MULTICAST_ALL 29
#define OPT_TIMESTAMP_OLD 29
#define OPT_TIMESTAMPNS_OLD 35
#define OPT_TIMESTAMPING_OLD 37
#define OPT_TIMESTAMP_NEW 63
#define OPT_TIMESTAMPNS_NEW 64
#define OPT_TIMESTAMPING_NEW 65
#define OPT_RCVTIMEO_NEW 66
#define OPT_SNDTIMEO_NEW 67
#define OPT_OPT_RX_FILTER (1u << 17) /* SOF_TIMESTAMPING_OPT_RX_FILTER */
#define DEFAULT_PREFERENCES 0x500    /* IPV6_PREFER_SRC_PUBTMP_DEFAULT | IPV6_PREFER_SRC_HOME */

enum effect {
	EFFECT_WANT,   /* ancillary data that we build: value is an enum sock_want bit */
	EFFECT_REFUSE, /* cannot be honoured: kernel path while it is set */
	EFFECT_SEND,   /* sending goes through the kernel while it is set */
	EFFECT_VALUE,  /* a value that the data path has to know: in a table of its own */
};

/* An integer option's value, or @otherwise where the kernel does not know the option. */
static uint32_t get_int(int fd, int level, int name, uint32_t otherwise)
{
	uint32_t value = otherwise;
	socklen_t len = sizeof(value);

	return kernel_getsockopt(fd, level, name, &value, &len) == 0 ? value : otherwise;
}

struct option {
	int family; /* AF_INET6: only on such sockets; AF_INET: on both */
	int level, name;
	enum effect effect;
	uint32_t value; /* EFFECT_WANT: the bit; else: the default, which has no effect */
	const char *text;
	/* Is it set? Or, EFFECT_VALUE: reads it. NULL: it is set when the integer is not the default. */
	bool (*read)(struct sock *s, int fd, const struct option *o);
};

/* A variable-length option is set when it has a length. */
static bool has_length(struct sock *s, int fd, const struct option *o)
{
	uint8_t value[256];
	socklen_t len = sizeof(value);

	(void)s;
	return kernel_getsockopt(fd, o->level, o->name, value, &len) == 0 && len > 0;
}

/* A classic filter reads as a number of instructions; one made of eBPF as EACCES (net/core/filter.c sk_get_filter()). */
static bool has_filter(struct sock *s, int fd, const struct option *o)
{
	socklen_t len = 0;

	(void)s, (void)o;
	return kernel_getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) < 0 || len > 0;
}

/* SO_TXTIME is on when flags or a clock other than the default are set. */
static bool has_txtime(struct sock *s, int fd, const struct option *o)
{
	struct {
		int32_t clock;
		uint32_t flags;
	} value = { 0, 0 };
	socklen_t len = sizeof(value);

	(void)s;
	return kernel_getsockopt(fd, o->level, o->name, &value, &len) == 0 &&
	       (value.clock || value.flags);
}

/* IP_TOS gives a priority, too (net/ipv4/route.c ip_tos2prio[]); another one was set by itself. */
static bool has_priority(struct sock *s, int fd, const struct option *o)
{
	static const uint8_t of_tos[4] = { 0, 2, 6, 4 };
	uint32_t priority = get_int(fd, o->level, o->name, 0);

	(void)s;
	return priority && priority != of_tos[get_int(fd, SOL_IP, IP_TOS, 0) >> 3 & 3];
}

/* Reported when software stamps are asked for, and made or not filtered (net/socket.c __sock_recv_timestamp()). */
static bool wants_stamping(struct sock *s, int fd, const struct option *o)
{
	s->stamping_flags = get_int(fd, o->level, o->name, 0);
	return (s->stamping_flags & SOF_TIMESTAMPING_SOFTWARE) &&
	       ((s->stamping_flags & SOF_TIMESTAMPING_RX_SOFTWARE) ||
		!(s->stamping_flags & OPT_OPT_RX_FILTER));
}

/* Stamps of what is sent come by the shadow's error queue. */
static bool stamps_sends(struct sock *s, int fd, const struct option *o)
{
	(void)s;
	return get_int(fd, o->level, o->name, 0) & SOF_TIMESTAMPING_TX_RECORD_MASK;
}

/* The same for the NIC's stamps. Whether there may be any is the interfaces' to say (sock_interface_option()). */
static bool wants_hardware_stamps(struct sock *s, int fd, const struct option *o)
{
	uint32_t flags = get_int(fd, o->level, o->name, 0);

	(void)s;
	return (flags & SOF_TIMESTAMPING_RAW_HARDWARE) &&
	       ((flags & SOF_TIMESTAMPING_RX_HARDWARE) || !(flags & OPT_OPT_RX_FILTER));
}

static bool wants_stamp_pktinfo(struct sock *s, int fd, const struct option *o)
{
	(void)s;
	return get_int(fd, o->level, o->name, 0) & SOF_TIMESTAMPING_OPT_PKTINFO;
}

#define READER(function, statement)                                                                \
	static bool function(struct sock *s, int fd, const struct option *o)                       \
	{                                                                                          \
		uint32_t value = get_int(fd, o->level, o->name, o->value);                         \
                                                                                                   \
		statement;                                                                         \
		return false;                                                                      \
	}

READER(read_ttl, s->ttl = (uint8_t)value)
READER(read_tos, s->tos = (uint8_t)value)
READER(read_pmtudisc, s->pmtudisc = (uint8_t)value)
READER(read_hops, s->hops = (uint8_t)value)
READER(read_tclass, s->tclass = (uint8_t)value)
READER(read_v6only, s->v6only = value)
READER(read_reuseaddr, s->reuseaddr = value)
READER(read_reuseport, s->reuseport = value)
READER(read_rcvbuf, s->rcvbuf = value)
READER(read_segment, s->segment = (uint16_t)value)
READER(read_group_all4, s->group_all4 = value)
READER(read_group_all6, s->group_all6 = value)
READER(read_mc_if6, s->mc_if = (int)value)

/* An IPv6 socket sends to groups by IPv6's options. */
READER(read_mc_loop, if ((o->level == SOL_IPV6) == (s->family == AF_INET6)) s->mc_loop = value)
READER(read_mc_ttl,
       if ((o->level == SOL_IPV6) == (s->family == AF_INET6)) s->mc_ttl = (uint8_t)value)

/* What can be read back is the address; the index, if one was given, sockopt_note() has seen. */
static bool read_mc_if4(struct sock *s, int fd, const struct option *o)
{
	struct in_addr source = { 0 };
	socklen_t len = sizeof(source);

	s->mc_source = ipaddr_from_v4(0);
	if (s->family == AF_INET6)
		return false;
	if (kernel_getsockopt(fd, o->level, o->name, &source, &len) == 0)
		s->mc_source = ipaddr_from_v4(source.s_addr);
	/* By an address alone: the kernel took the link that has it, ip_mc_find_dev(). */
	if (!s->mc_if && !ipaddr_is_any(&s->mc_source) && !hostnet_is_local(&s->mc_source, &s->mc_if))
		s->mc_if = 0;
	return false;
}

/* For ever is 0; what a program may set beyond any life time is for ever, too. */
static bool read_timeout(struct sock *s, int fd, const struct option *o)
{
	struct timeval tv = { 0, 0 };
	socklen_t len = sizeof(tv);

	if (kernel_getsockopt(fd, o->level, o->name, &tv, &len) < 0 || tv.tv_sec < 0 ||
	    tv.tv_sec > INT32_MAX)
		tv = (struct timeval){ 0, 0 };
	s->timeout_ns = (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * NSEC_PER_USEC;
	return false;
}

/* By number: SO_BINDTODEVICE says nothing of an interface that is gone, or that never was (SO_BINDTOIFINDEX). */
READER(read_device, s->bound_if = (int)value)

#define WANT(family, level, name, bit)                                                             \
	{                                                                                          \
		family, level, name, EFFECT_WANT, bit, NULL, NULL                                  \
	}
#define REFUSE(family, level, name, unset, text)                                                   \
	{                                                                                          \
		family, level, name, EFFECT_REFUSE, unset, text, NULL                              \
	}
#define SEND(family, level, name, unset)                                                           \
	{                                                                                          \
		family, level, name, EFFECT_SEND, unset, NULL, NULL                                \
	}
#define SEND_IF(family, level, name, read)                                                         \
	{                                                                                          \
		family, level, name, EFFECT_SEND, 0, NULL, read                                    \
	}
#define VALUE(family, level, name, unset, read)                                                    \
	{                                                                                          \
		family, level, name, EFFECT_VALUE, unset, NULL, read                               \
	}

static const struct option options[] = {
	WANT(AF_INET, SOL_SOCKET, OPT_TIMESTAMP_OLD, WANT_TIMESTAMP),
	WANT(AF_INET, SOL_SOCKET, OPT_TIMESTAMPNS_OLD, WANT_TIMESTAMPNS),
	WANT(AF_INET, SOL_SOCKET, OPT_TIMESTAMP_NEW, WANT_TIMESTAMP | WANT_TIME_NEW),
	WANT(AF_INET, SOL_SOCKET, OPT_TIMESTAMPNS_NEW, WANT_TIMESTAMPNS | WANT_TIME_NEW),
	WANT(AF_INET, SOL_SOCKET, SO_RXQ_OVFL, WANT_RXQ_OVFL),
	WANT(AF_INET, SOL_IP, IP_PKTINFO, WANT_PKTINFO),
	WANT(AF_INET, SOL_IP, IP_RECVTTL, WANT_TTL),
	WANT(AF_INET, SOL_IP, IP_RECVTOS, WANT_TOS),
	WANT(AF_INET, SOL_IP, IP_RECVORIGDSTADDR, WANT_ORIGDST),
	WANT(AF_INET6, SOL_IPV6, IPV6_RECVPKTINFO, WANT6_PKTINFO),
	WANT(AF_INET6, SOL_IPV6, IPV6_RECVHOPLIMIT, WANT6_HOPLIMIT),
	WANT(AF_INET6, SOL_IPV6, IPV6_RECVTCLASS, WANT6_TCLASS),
	WANT(AF_INET6, SOL_IPV6, OPT_IPV6_FLOWINFO, WANT6_FLOWINFO),
	WANT(AF_INET6, SOL_IPV6, IPV6_RECVORIGDSTADDR, WANT6_ORIGDST),
	{ AF_INET, SOL_SOCKET, OPT_TIMESTAMPING_OLD, EFFECT_WANT, WANT_TIMESTAMPING, NULL,
	  wants_stamping },
	{ AF_INET, SOL_SOCKET, OPT_TIMESTAMPING_OLD, EFFECT_WANT, WANT_HWSTAMP, NULL,
	  wants_hardware_stamps },
	{ AF_INET, SOL_SOCKET, OPT_TIMESTAMPING_OLD, EFFECT_WANT, WANT_STAMP_PKTINFO, NULL,
	  wants_stamp_pktinfo },
	WANT(AF_INET, SOL_SOCKET, OPT_TIMESTAMPING_NEW, WANT_TIME_NEW),

	REFUSE(AF_INET, SOL_SOCKET, SO_PEEK_OFF, (uint32_t)-1, "SO_PEEK_OFF"),
	REFUSE(AF_INET, SOL_SOCKET, SO_RCVMARK, 0, "SO_RCVMARK"),
	REFUSE(AF_INET, SOL_IP, IP_TRANSPARENT, 0, "IP_TRANSPARENT"),
	REFUSE(AF_INET, SOL_IP, IP_PASSSEC, 0, "IP_PASSSEC"),
	REFUSE(AF_INET, SOL_IP, IP_CHECKSUM, 0, "IP_CHECKSUM"),
	REFUSE(AF_INET, SOL_UDP, UDP_ENCAP, 0, "UDP_ENCAP"),
	REFUSE(AF_INET6, SOL_IPV6, IPV6_TRANSPARENT, 0, "IPV6_TRANSPARENT"),
	REFUSE(AF_INET6, SOL_IPV6, IPV6_2292PKTINFO, 0, "IPV6_2292PKTINFO"),
	REFUSE(AF_INET6, SOL_IPV6, IPV6_2292HOPLIMIT, 0, "IPV6_2292HOPLIMIT"),
	REFUSE(AF_INET, SOL_SOCKET, OPT_RCVPRIORITY, 0, "SO_RCVPRIORITY"),
	REFUSE(AF_INET6, SOL_UDP, UDP_NO_CHECK6_RX, 0, "UDP_NO_CHECK6_RX"),
	REFUSE(AF_INET6, SOL_IPV6, IPV6_RECVPATHMTU, 0, "IPV6_RECVPATHMTU"),
	{ AF_INET, SOL_SOCKET, SO_ATTACH_FILTER, EFFECT_REFUSE, 0, "SO_ATTACH_FILTER", has_filter },

	SEND(AF_INET, SOL_SOCKET, SO_DONTROUTE, 0),
	SEND(AF_INET, SOL_SOCKET, SO_MARK, 0),
	SEND(AF_INET, SOL_SOCKET, SO_NO_CHECK, 0),
	SEND(AF_INET, SOL_UDP, UDP_CORK, 0),
	SEND(AF_INET, SOL_IP, IP_UNICAST_IF, 0),
	SEND(AF_INET6, SOL_IPV6, IPV6_UNICAST_IF, 0),
	SEND(AF_INET6, SOL_IPV6, OPT_IPV6_FLOWINFO_SEND, 0),
	SEND(AF_INET6, SOL_UDP, UDP_NO_CHECK6_TX, 0),
	SEND(AF_INET, SOL_SOCKET, SO_MAX_PACING_RATE, (uint32_t)-1),
	SEND(AF_INET6, SOL_IPV6, OPT_IPV6_ADDR_PREFERENCES, DEFAULT_PREFERENCES),
	SEND_IF(AF_INET, SOL_SOCKET, SO_PRIORITY, has_priority),
	SEND_IF(AF_INET, SOL_SOCKET, SO_TXTIME, has_txtime),
	SEND_IF(AF_INET, SOL_SOCKET, OPT_TIMESTAMPING_OLD, stamps_sends),
	SEND_IF(AF_INET, SOL_IP, IP_OPTIONS, has_length),
	SEND_IF(AF_INET6, SOL_IPV6, IPV6_HOPOPTS, has_length),
	SEND_IF(AF_INET6, SOL_IPV6, IPV6_DSTOPTS, has_length),
	SEND_IF(AF_INET6, SOL_IPV6, IPV6_RTHDR, has_length),
	SEND_IF(AF_INET6, SOL_IPV6, IPV6_RTHDRDSTOPTS, has_length),

	/* An error may be waiting in the shadow. */
	WANT(AF_INET, SOL_IP, IP_RECVERR, WANT_ERRORS),
	WANT(AF_INET6, SOL_IPV6, IPV6_RECVERR, WANT_ERRORS),
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))
_Static_assert(OPTIONS <= 64, "struct sock's options has a bit for each");

static const struct option values[] = {
	VALUE(AF_INET, SOL_IP, IP_TTL, 64, read_ttl),
	VALUE(AF_INET, SOL_IP, IP_TOS, 0, read_tos),
	VALUE(AF_INET, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT, read_pmtudisc),
	VALUE(AF_INET6, SOL_IPV6, IPV6_UNICAST_HOPS, 64, read_hops),
	VALUE(AF_INET6, SOL_IPV6, IPV6_TCLASS, 0, read_tclass),
	VALUE(AF_INET6, SOL_IPV6, IPV6_V6ONLY, 0, read_v6only),
	VALUE(AF_INET, SOL_SOCKET, SO_REUSEADDR, 0, read_reuseaddr),
	VALUE(AF_INET, SOL_SOCKET, SO_REUSEPORT, 0, read_reuseport),
	VALUE(AF_INET, SOL_SOCKET, SO_RCVBUF, 212992, read_rcvbuf),
	VALUE(AF_INET, SOL_SOCKET, SO_RCVTIMEO, 0, read_timeout),
	VALUE(AF_INET, SOL_SOCKET, SO_BINDTOIFINDEX, 0, read_device),
	VALUE(AF_INET, SOL_UDP, UDP_SEGMENT, 0, read_segment),
	VALUE(AF_INET, SOL_IP, IP_MULTICAST_LOOP, 1, read_mc_loop),
	VALUE(AF_INET, SOL_IP, IP_MULTICAST_TTL, 1, read_mc_ttl),
	VALUE(AF_INET, SOL_IP, IP_MULTICAST_IF, 0, read_mc_if4),
	VALUE(AF_INET, SOL_IP, IP_MULTICAST_ALL, 1, read_group_all4),
	VALUE(AF_INET6, SOL_IPV6, IPV6_MULTICAST_LOOP, 1, read_mc_loop),
	VALUE(AF_INET6, SOL_IPV6, IPV6_MULTICAST_HOPS, 1, read_mc_ttl),
	VALUE(AF_INET6, SOL_IPV6, IPV6_MULTICAST_IF, 0, read_mc_if6),
	VALUE(AF_INET6, SOL_IPV6, OPT_IPV6_MULTICAST_ALL, 1, read_group_all6),
};

#define VALUES (sizeof(values) / sizeof(values[0]))

/* Options that change what is read by another name, or by several: these are read again together. */
static const struct group {
	int level, name, as; /* @as: the name in the table */
} groups[] = {
	{ SOL_SOCKET, OPT_TIMESTAMPNS_OLD, OPT_TIMESTAMP_OLD },
	{ SOL_SOCKET, OPT_TIMESTAMPING_OLD, OPT_TIMESTAMP_OLD },
	{ SOL_SOCKET, OPT_TIMESTAMP_NEW, OPT_TIMESTAMP_OLD },
	{ SOL_SOCKET, OPT_TIMESTAMPNS_NEW, OPT_TIMESTAMP_OLD },
	{ SOL_SOCKET, OPT_TIMESTAMPING_NEW, OPT_TIMESTAMP_OLD },
	{ SOL_SOCKET, SO_ATTACH_BPF, SO_ATTACH_FILTER },
	{ SOL_SOCKET, SO_DETACH_FILTER, SO_ATTACH_FILTER },
	{ SOL_SOCKET, SO_RCVBUFFORCE, SO_RCVBUF },
	{ SOL_SOCKET, OPT_RCVTIMEO_NEW, SO_RCVTIMEO },
	{ SOL_SOCKET, SO_BINDTODEVICE, SO_BINDTOIFINDEX },
	{ SOL_IP, IP_RETOPTS, IP_OPTIONS },
	{ SOL_IPV6, IPV6_DSTOPTS, IPV6_HOPOPTS },
	{ SOL_IPV6, IPV6_RTHDR, IPV6_HOPOPTS },
	{ SOL_IPV6, IPV6_RTHDRDSTOPTS, IPV6_HOPOPTS },
	{ SOL_IPV6, IPV6_2292PKTOPTIONS, IPV6_HOPOPTS },
};

static int group_of(int level, int name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].level == level && groups[i].name == name)
			return groups[i].as;
	return name;
}

static bool is_set(struct sock *s, int fd, const struct option *o)
{
	uint32_t unset = o->effect == EFFECT_WANT ? 0 : o->value;

	return o->read ? o->read(s, fd, o) : get_int(fd, o->level, o->name, unset) != unset;
}

/* May setting @name have changed @o? A type of service sets a priority, too. */
static bool concerns(const struct option *o, int level, int name)
{
	if (level == SOCKOPT_ALL)
		return true;
	if (level == SOL_IP && name == IP_TOS && o->name == SO_PRIORITY && o->level == SOL_SOCKET)
		return true;
	return o->level == level && group_of(level, o->name) == group_of(level, name);
}

static void read_options(struct sock *s, int fd, int level, int name)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];

		if ((o->family == AF_INET6 && s->family != AF_INET6) || !concerns(o, level, name))
			continue;
		if (is_set(s, fd, o))
			s->options |= 1ull << i;
		else
			s->options &= ~(1ull << i);
	}
	for (size_t i = 0; i < VALUES; i++) {
		const struct option *o = &values[i];

		if ((o->family != AF_INET6 || s->family == AF_INET6) && concerns(o, level, name))
			o->read(s, fd, o);
	}
}

/* What follows from the options that are set. */
static const char *derive(struct sock *s)
{
	const char *refused = NULL;

	s->want = s->stamp_enabled ? WANT_SIOCGSTAMP : 0;
	s->tx_plain = true;
	for (size_t i = 0; i < OPTIONS; i++) {
		if (!(s->options >> i & 1))
			continue;
		if (options[i].effect == EFFECT_WANT)
			s->want |= options[i].value;
		else if (options[i].effect == EFFECT_SEND)
			s->tx_plain = false;
		else
			refused = options[i].text;
	}
	s->errors_due = s->connected || (s->want & WANT_ERRORS);
	s->want &= ~(uint32_t)WANT_ERRORS;
	return refused ? refused : s->hidden_option;
}

/* Everything that options say; but what the demultiplexer goes by is below. */
#define COPY(field) relaxed_set(to->field, from->field)

static void copy_options(struct sock *to, const struct sock *from)
{
	COPY(options);
	COPY(want);
	COPY(stamping_flags);
	COPY(tx_plain);
	COPY(ttl);
	COPY(tos);
	COPY(hops);
	COPY(tclass);
	COPY(pmtudisc);
	COPY(segment);
	COPY(mc_loop);
	COPY(mc_ttl);
	COPY(mc_if);
	ipaddr_write(&to->mc_source, &from->mc_source);
	COPY(reuseaddr);
	COPY(timeout_ns);
	COPY(rcvbuf);
	COPY(errors_due);
}

/* The demultiplexer reads these with an engine's lock held. */
static void copy_found(struct sock *to, const struct sock *from)
{
	COPY(v6only);
	COPY(reuseport);
	COPY(bound_if);
	COPY(group_all4);
	COPY(group_all6);
}

static bool found_otherwise(const struct sock *a, const struct sock *b)
{
	return a->v6only != b->v6only || a->reuseport != b->reuseport ||
	       a->bound_if != b->bound_if || a->group_all4 != b->group_all4 ||
	       a->group_all6 != b->group_all6;
}

static void store_options(struct sock *s, const struct sock *now)
{
	bool exclusive;

	copy_options(s, now);
	if (!found_otherwise(s, now))
		return;
	exclusive = s->in_demux && stack_exclusive_begin();
	copy_found(s, now);
	if (exclusive)
		stack_exclusive_end();
}

/*
 * Read aside and stored at the end: other threads receive and send on the socket meanwhile, and must find either the old
 * options or the new ones. The caller holds stack.lock.
 */
const char *sockopt_read(struct sock *s, int fd, int level, int name)
{
	static struct sock now;
	const char *refused;

	copy_options(&now, s);
	copy_found(&now, s);
	if (level == SOCKOPT_ALL)
		now.options = 0;
	now.family = s->family;
	now.connected = s->connected;
	now.stamp_enabled = s->stamp_enabled;
	now.hidden_option = s->hidden_option;
	read_options(&now, fd, level, name);
	refused = derive(&now);
	store_options(s, &now);
	return refused;
}

static bool is_negative_time(const void *value, socklen_t len)
{
	const struct timeval *tv = value;

	return len >= sizeof(*tv) && tv->tv_sec < 0;
}

static void note_socket(struct sock *s, int name, const void *value, socklen_t len)
{
	switch (name) {
	case SO_RCVTIMEO:
	case OPT_RCVTIMEO_NEW:
		relaxed_set(s->timeout_zero, is_negative_time(value, len));
		break;
	case SO_INCOMING_CPU:
		s->group_option = "SO_INCOMING_CPU";
		s->group_cpu = true;
		break;
	case SO_ATTACH_REUSEPORT_CBPF:
	case SO_ATTACH_REUSEPORT_EBPF:
		if (!s->group_cpu)
			s->group_option = "SO_ATTACH_REUSEPORT_*BPF";
		break;
	default:
		break;
	}
}

/* One that lets everything pass as it is, as IKE daemons set it against policies of the host: the fast path does just that. */
static void note_policy(struct sock *s, bool xfrm, const void *value, socklen_t len)
{
	struct xfrm_userpolicy_info p = { .action = XFRM_POLICY_BLOCK };

	if (xfrm && value && len == sizeof(p))
		memcpy(&p, value, sizeof(p));
	if (p.action != XFRM_POLICY_ALLOW)
		s->hidden_option = "an IPsec policy";
}

static void note_ipv6(struct sock *s, int name, const void *value, socklen_t len)
{
	uint32_t mtu = 0;

	switch (name) {
	case IPV6_PKTINFO:
		relaxed_set(s->tx_sticky, true);
		break;
	case IPV6_MTU:
		/* The kernel takes no value for 0 here (net/ipv6/ipv6_sockglue.c do_ipv6_setsockopt()). */
		if (value && len >= sizeof(mtu))
			memcpy(&mtu, value, sizeof(mtu));
		relaxed_set(s->fragment_mtu, mtu);
		break;
	case IPV6_IPSEC_POLICY:
	case IPV6_XFRM_POLICY:
		note_policy(s, name == IPV6_XFRM_POLICY, value, len);
		break;
	}
}

/* Of the forms of IP_MULTICAST_IF that net/ipv4/ip_sockglue.c takes only struct ip_mreqn has an index. */
static void note_ip(struct sock *s, int name, const void *value, socklen_t len)
{
	struct ip_mreqn m = { .imr_ifindex = 0 };
	bool locked;

	if (name == IP_IPSEC_POLICY || name == IP_XFRM_POLICY)
		note_policy(s, name == IP_XFRM_POLICY, value, len);
	if (name != IP_MULTICAST_IF || s->family == AF_INET6)
		return;
	if (len >= sizeof(m))
		memcpy(&m, value, sizeof(m));
	/* sockopt_read() of another thread reads this one, too, and stores it again. */
	locked = lock_acquire(&stack.lock);
	relaxed_set(s->mc_if, m.imr_ifindex);
	if (locked)
		lock_release(&stack.lock);
}

void sockopt_note(struct sock *s, int level, int name, const void *value, socklen_t len)
{
	if (level == SOL_SOCKET)
		note_socket(s, name, value, len);
	else if (level == SOL_IPV6)
		note_ipv6(s, name, value, len);
	else if (level == SOL_IP)
		note_ip(s, name, value, len);
}
