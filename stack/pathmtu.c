/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pathmtu.c - see pathmtu.h. The table is small and fixed: a set of a few places for each hash, of which the oldest entry is
 * given up for a new one, as the kernel does with its own (net/ipv4/route.c FNHE_RECLAIM_DEPTH). What was given up
 * costs one lost datagram, which makes the router speak again.
 */
#define _GNU_SOURCE
#include "stack/pathmtu.h"

#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/fds.h"
#include "base/sandbox.h"
#include "stack/hostnet_mem.h"

#define SETS 256
#define PLACES 4
#define LIFE_NS                                                                                    \
	(3600 * NSEC_PER_SEC) /* longer than the kernel's own by default (mtu_expires, 600 s) */
#define MIN_MTU4 552	      /* below it the kernel clears DF (ip_rt_min_pmtu) */
#define MIN_MTU6 1280
#define READS 64 /* messages in one call: a flood of them must not keep the caller */

#define IP4_HEADER 20
#define IP6_HEADER 40
#define ICMP_HEADER 8
#define NDISC_REDIRECT 137

struct path {
	struct ipaddr dst;
	uint64_t until; /* clock_ns(); 0: free */
	uint32_t mtu;
};

static struct path paths[SETS][PLACES];
static bool some; /* the table is not empty */
static int fd4 = -1, fd6 = -1;

static struct path *set_of(const struct ipaddr *dst)
{
	return paths[hostnet_hash(dst, 0) % SETS];
}

uint32_t pathmtu_of(const struct ipaddr *dst)
{
	const struct path *p;

	if (!some)
		return PATHMTU_UNKNOWN;
	p = set_of(dst);
	for (int i = 0; i < PLACES; i++)
		if (p[i].until && ipaddr_equal(&p[i].dst, dst))
			return clock_ns() < p[i].until ? p[i].mtu : PATHMTU_UNKNOWN;
	return PATHMTU_UNKNOWN;
}

bool pathmtu_learn(const struct ipaddr *dst, uint32_t mtu)
{
	struct path *p = set_of(dst), *place = p;
	uint64_t now = clock_ns();
	bool news;

	for (int i = 0; i < PLACES; i++) {
		if (p[i].until && ipaddr_equal(&p[i].dst, dst)) {
			place = &p[i];
			break;
		}
		if (p[i].until < place->until)
			place = &p[i];
	}
	if (place->until <= now || !ipaddr_equal(&place->dst, dst))
		*place = (struct path){ .dst = *dst, .mtu = PATHMTU_UNKNOWN };
	news = mtu < place->mtu;
	if (news)
		place->mtu = mtu;
	place->until = now + LIFE_NS;
	some = true;
	return news;
}

void pathmtu_forget(void)
{
	memset(paths, 0, sizeof(paths));
	some = false;
}

/* net/ipv4/icmp.c icmp_unreach(), net/ipv4/route.c __ip_rt_update_pmtu(). */
static bool message4(const uint8_t *msg, uint32_t len)
{
	uint32_t head = len ? (msg[0] & 15u) * 4u : 0, addr, mtu;
	struct ipaddr dst;

	if (head < IP4_HEADER || len < head + ICMP_HEADER + IP4_HEADER)
		return false;
	msg += head;
	memcpy(&addr, msg + ICMP_HEADER + 16, sizeof(addr));
	dst = ipaddr_from_v4(addr);
	if (msg[0] == ICMP_REDIRECT)
		return pathmtu_learn(&dst, 0);
	if (msg[0] != ICMP_DEST_UNREACH || msg[1] != ICMP_FRAG_NEEDED)
		return false;
	mtu = (uint32_t)msg[6] << 8 | msg[7];
	return pathmtu_learn(&dst, mtu < MIN_MTU4 ? 0 : mtu);
}

/* net/ipv6/route.c __ip6_rt_update_pmtu(). */
static bool message6(const uint8_t *msg, uint32_t len)
{
	struct ipaddr dst;
	uint32_t mtu;

	if (len < ICMP_HEADER + IP6_HEADER)
		return false;
	if (msg[0] == NDISC_REDIRECT) {
		dst = ipaddr_from_v6(msg + ICMP_HEADER + 16); /* behind the target */
		return pathmtu_learn(&dst, 0);
	}
	if (msg[0] != ICMPV6_PKT_TOOBIG)
		return false;
	memcpy(&mtu, msg + 4, sizeof(mtu));
	mtu = ntohl(mtu);
	dst = ipaddr_from_v6(msg + ICMP_HEADER + 24);
	return pathmtu_learn(&dst, mtu < MIN_MTU6 ? MIN_MTU6 : mtu);
}

bool pathmtu_message(const uint8_t *msg, uint32_t len, bool v4)
{
	return v4 ? message4(msg, len) : message6(msg, len);
}

/* A raw socket with @filter for what it shall get. */
static int open_raw(int family, int protocol, int level, int name, const void *filter, size_t len)
{
	int fd = (int)own_call6(SYS_socket, family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				protocol, 0, 0, 0);

	if (fd < 0)
		return fd;
	fd = fds_keep(fd);
	if (own_call6(SYS_setsockopt, fd, level, name, (long)filter, (long)len, 0)) {
		fds_close(fd);
		return -1;
	}
	return fd;
}

/* Type 3 code 4, and type 5, behind an IP header of whatever length: a busy server gets many of the other codes. */
static int open4(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_DEST_UNREACH << 8 | ICMP_FRAG_NEEDED, 2, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_REDIRECT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return open_raw(AF_INET, IPPROTO_ICMP, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
			sizeof(filter));
}

static int open6(void)
{
	struct icmp6_filter filter;

	memset(&filter, 0xff, sizeof(filter)); /* a bit that is set blocks */
	filter.data[0] &= ~(1u << ICMPV6_PKT_TOOBIG);
	filter.data[NDISC_REDIRECT / 32] &= ~(1u << NDISC_REDIRECT % 32);
	return open_raw(AF_INET6, IPPROTO_ICMPV6, SOL_ICMPV6, ICMPV6_FILTER, &filter,
			sizeof(filter));
}

void pathmtu_open(void)
{
	if (fd4 < 0)
		fd4 = open4();
	if (fd6 < 0)
		fd6 = open6();
}

/* A host without IPv6 has none of its paths either. */
bool pathmtu_is_open(void)
{
	return fd4 >= 0;
}

static bool read_from(int fd, bool v4)
{
	uint8_t msg[256]; /* IP header with options, ICMP header, the header of the packet it is about */
	bool news = false;
	long n;

	for (int i = 0; fd >= 0 && i < READS; i++) {
		n = own_call6(SYS_recvfrom, fd, (long)msg, sizeof(msg), MSG_DONTWAIT, 0, 0);
		if (n < 0)
			break;
		news |= pathmtu_message(msg, (uint32_t)n, v4);
	}
	return news;
}

bool pathmtu_read(void)
{
	bool news = read_from(fd4, true);

	return read_from(fd6, false) || news;
}
