/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmsg.c - what comes along with a received datagram: the sender's name and control messages (contract in sock.h).
 *
 * Order, sizes and conditions are the kernel's: net/socket.c __sock_recv_timestamp() and sock_recv_drops(), then
 * net/ipv4/ip_sockglue.c ip_cmsg_recv_offset() or net/ipv6/datagram.c ip6_datagram_recv_ctl(); truncation as
 * net/core/scm.c put_cmsg().
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/clock.h"
#include "stack/sock.h"
#include "stack/sockname.h"
#include "stack/specdst.h"
#include "stack/usermem.h"

#define TIMESTAMP_OLD 29
#define TIMESTAMPNS_OLD 35
#define TIMESTAMPING_OLD 37
#define TIMESTAMP_NEW 63
#define TIMESTAMPNS_NEW 64
#define TIMESTAMPING_NEW 65
#define TIMESTAMPING_PKTINFO 58

#define ETH_HLEN 14

/* The control buffer being filled. */
struct writer {
	struct msghdr *msg;
	uint8_t *at;
	size_t room;
};

static void put(struct writer *w, int level, int type, const void *data, size_t len)
{
	struct cmsghdr head = { .cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len) };
	size_t step;

	if (w->room < sizeof(head)) {
		w->msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (w->room < head.cmsg_len) {
		w->msg->msg_flags |= MSG_CTRUNC;
		head.cmsg_len = w->room;
	}
	if (!usermem_writable(w->at, head.cmsg_len))
		return;
	memcpy(w->at, &head, sizeof(head));
	memcpy(w->at + sizeof(head), data, head.cmsg_len - sizeof(head));
	step = CMSG_SPACE(len) < w->room ? CMSG_SPACE(len) : w->room;
	w->at += step;
	w->room -= step;
}

static void put_int(struct writer *w, int level, int type, int value)
{
	put(w, level, type, &value, sizeof(value));
}

/* A datagram that came before stamps were wanted gets the present time, as the kernel does it. */
static uint64_t stamp_or_now(uint64_t ns)
{
	struct timespec now;

	if (ns)
		return ns;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static struct timespec from_ns(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
}

/* put_ts_pktinfo(): by what interface, and the length of the frame. */
static void put_stamp_pktinfo(struct writer *w, const struct dgram *d)
{
	uint32_t info[4] = { (uint32_t)d->ifindex,
			     ETH_HLEN + (uint32_t)(d->payload - d->l3) + d->len };

	put(w, SOL_SOCKET, TIMESTAMPING_PKTINFO, info, sizeof(info));
}

/* The first is the system's, the last the NIC's. */
static void put_stamping(struct writer *w, uint32_t want, uint64_t ns, const struct dgram *d)
{
	uint64_t hardware = want & WANT_HWSTAMP ? dgram_hwstamp(d) : 0;
	struct timespec three[3] = { { 0, 0 }, { 0, 0 }, from_ns(hardware) };

	if (want & WANT_TIMESTAMPING)
		three[0] = from_ns(ns);
	else
		ns = 0;
	if (hardware && (want & WANT_STAMP_PKTINFO))
		put_stamp_pktinfo(w, d);
	if (ns || hardware)
		put(w, SOL_SOCKET, want & WANT_TIME_NEW ? TIMESTAMPING_NEW : TIMESTAMPING_OLD,
		    three, sizeof(three));
}

static void put_stamp(struct writer *w, uint32_t want, const struct dgram *d)
{
	uint64_t ns = dgram_stamp(d);
	bool new_form = want & WANT_TIME_NEW;
	struct timespec ts;
	struct timeval tv;

	if (want & (WANT_TIMESTAMP | WANT_TIMESTAMPNS))
		ns = stamp_or_now(ns);
	ts = from_ns(ns);
	tv = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };

	if (want & WANT_TIMESTAMPNS)
		put(w, SOL_SOCKET, new_form ? TIMESTAMPNS_NEW : TIMESTAMPNS_OLD, &ts, sizeof(ts));
	else if (want & WANT_TIMESTAMP)
		put(w, SOL_SOCKET, new_form ? TIMESTAMP_NEW : TIMESTAMP_OLD, &tv, sizeof(tv));
	if (want & (WANT_TIMESTAMPING | WANT_HWSTAMP))
		put_stamping(w, want, ns, d);
}

static uint32_t spec_dst(const struct dgram *d)
{
	struct ipaddr from = dgram_source(d);

	return specdst_of(&from, d->ifindex);
}

static void put_pktinfo(struct writer *w, const struct dgram *d)
{
	struct ipaddr to = dgram_destination(d);
	struct in_pktinfo info = { .ipi_ifindex = d->pktinfo_if };

	/* The rest of it is made when a datagram is queued, if it is wanted by then (ipv4_pktinfo_prepare()). */
	info.ipi_addr.s_addr = ipaddr_v4(&to);
	if (d->pktinfo_if)
		info.ipi_spec_dst.s_addr = ipaddr_is_multicast(&to) ? spec_dst(d)
								    : info.ipi_addr.s_addr;
	put(w, SOL_IP, IP_PKTINFO, &info, sizeof(info));
}

static void put_original(struct writer *w, const struct dgram *d, int family)
{
	struct ipaddr to = dgram_destination(d);
	struct sockaddr_storage ss;
	socklen_t len;

	len = sockname_build(family, &ss, &to, dgram_destination_port(d), (uint32_t)d->ifindex);
	if (family == AF_INET)
		put(w, SOL_IP, IP_ORIGDSTADDR, &ss, len);
	else
		put(w, SOL_IPV6, IPV6_ORIGDSTADDR, &ss, len);
}

static void put_v4(struct writer *w, uint32_t want, const struct dgram *d)
{
	uint8_t tos = dgram_tos(d);

	if (want & WANT_PKTINFO)
		put_pktinfo(w, d);
	if (want & WANT_TTL)
		put_int(w, SOL_IP, IP_TTL, dgram_ttl(d));
	if (want & WANT_TOS)
		put(w, SOL_IP, IP_TOS, &tos, sizeof(tos));
	if (want & WANT_ORIGDST)
		put_original(w, d, AF_INET);
}

/* On an IPv6 socket this one also comes with IPv4 packets, as a mapped address. */
static void put_pktinfo6(struct writer *w, const struct dgram *d)
{
	struct ipaddr to = dgram_destination(d);
	struct in6_pktinfo info = { .ipi6_ifindex = (unsigned)(dgram_is_v6(d) ? d->ifindex
									      : d->pktinfo_if) };

	memcpy(&info.ipi6_addr, to.b, 16);
	put(w, SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
}

static void put_v6(struct writer *w, uint32_t want, const struct dgram *d)
{
	uint32_t flow;

	memcpy(&flow, d->l3, sizeof(flow));
	flow &= htonl(0x0fffffff);
	if (want & WANT6_HOPLIMIT)
		put_int(w, SOL_IPV6, IPV6_HOPLIMIT, dgram_ttl(d));
	if (want & WANT6_TCLASS)
		put_int(w, SOL_IPV6, IPV6_TCLASS, dgram_tos(d));
	if ((want & WANT6_FLOWINFO) && flow)
		put(w, SOL_IPV6, 11 /* IPV6_FLOWINFO */, &flow, sizeof(flow));
	if (want & WANT6_ORIGDST)
		put_original(w, d, AF_INET6);
}

/* The kernel writes the full length of the name, and then as much of it as fits (net/socket.c move_addr_to_user()). */
socklen_t cmsg_name(const struct sock *s, const struct dgram *d, struct sockaddr_storage *name)
{
	struct ipaddr from = dgram_source(d);

	return sockname_build(relaxed_get(s->family), name, &from, dgram_source_port(d),
			      (uint32_t)d->ifindex);
}

int cmsg_fill_name(const struct sock *s, const struct dgram *d, struct msghdr *msg)
{
	struct sockaddr_storage ss;
	socklen_t len = cmsg_name(s, d, &ss), part;

	part = msg->msg_namelen < len ? msg->msg_namelen : len;
	msg->msg_namelen = len;
	return usermem_copy(msg->msg_name, &ss, part) ? 0 : -EFAULT;
}

void cmsg_fill(struct sock *s, const struct dgram *d, struct msghdr *msg)
{
	struct writer w = { .msg = msg, .at = msg->msg_control };
	uint32_t want = relaxed_get(s->want);

	if (!msg->msg_control || __builtin_expect(want == 0, 1))
		msg->msg_controllen = 0;
	if (__builtin_expect(want == 0, 1))
		return;
	w.room = msg->msg_controllen;
	if (want & WANT_STAMPS)
		put_stamp(&w, want, d);
	if ((want & WANT_RXQ_OVFL) && d->dropped)
		put_int(&w, SOL_SOCKET, SO_RXQ_OVFL, (int)d->dropped);
	if (want & WANT6_PKTINFO)
		put_pktinfo6(&w, d);
	if (!dgram_is_v6(d))
		put_v4(&w, want, d);
	else
		put_v6(&w, want, d);
	msg->msg_controllen -= w.room;
}
