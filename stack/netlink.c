/* SPDX-License-Identifier: BSD-3-Clause */
/* netlink.c - see netlink.h. */
#define _GNU_SOURCE
#include "stack/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fds.h"
#include "base/sandbox.h"

#define BUFFER 65536
#define WANTED_RCVBUF (4 << 20) /* notifications that may wait; route daemons come in bursts */
#define MAX_PARTS 1000000	/* of one dump: a bound for a loop, not a limit that anyone meets */

static int join(int fd, const uint8_t *groups, unsigned n)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	int size = WANTED_RCVBUF, group;
	long ret;

	if (own_call6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUFFORCE, (long)&size, sizeof(size), 0))
		own_call6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUF, (long)&size, sizeof(size), 0);
	ret = own_call6(SYS_bind, fd, (long)&addr, sizeof(addr), 0, 0, 0);
	for (unsigned i = 0; !ret && i < n; i++) {
		group = groups[i];
		ret = own_call6(SYS_setsockopt, fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
				(long)&group, sizeof(group), 0);
		if (ret == -EINVAL || ret == -ENOENT) /* an older kernel: nothing to hear of there */
			ret = 0;
	}
	return (int)ret;
}

int netlink_open(struct netlink *nl, const uint8_t *groups, unsigned n)
{
	struct sockaddr_nl addr;
	int len = sizeof(addr), ret;

	nl->fd = fds_keep((int)own_call6(SYS_socket, AF_NETLINK,
					 SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE, 0,
					 0, 0));
	if (nl->fd < 0) {
		ret = nl->fd;
		nl->fd = -1;
		return ret;
	}
	ret = hostnet_mem_grow(&nl->buf, BUFFER);
	if (!ret)
		ret = join(nl->fd, groups, n);
	if (!ret)
		ret = (int)own_call6(SYS_getsockname, nl->fd, (long)&addr, (long)&len, 0, 0, 0);
	if (ret)
		netlink_close(nl);
	else
		nl->portid = addr.nl_pid;
	return ret;
}

void netlink_close(struct netlink *nl)
{
	fds_close(nl->fd);
	nl->fd = -1;
	hostnet_mem_free(&nl->buf);
}

/* Takes one datagram off the queue: its length, 0 for one that is not the kernel's, or -errno. */
static long take(struct netlink *nl)
{
	struct sockaddr_nl from = { 0 };
	int fromlen = sizeof(from);
	long n;

	do {
		n = own_call6(SYS_recvfrom, nl->fd, (long)nl->buf.base, (long)nl->buf.bytes,
			      MSG_DONTWAIT | MSG_TRUNC, (long)&from, (long)&fromlen);
	} while (n == -EINTR);
	if (n > (long)nl->buf.bytes) /* cut off: as good as lost */
		return -ENOBUFS;
	return n >= 0 && from.nl_pid ? 0 : n;
}

/* What is known of a dump under way. */
struct progress {
	uint32_t seq;
	bool done, changed;
	int error;
};

static int error_of(const struct nlmsghdr *msg)
{
	int error = 0;

	if (msg->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(msg), sizeof(error));
	return error;
}

/* Passes the messages of a datagram on; those that end or disturb the dump @p are noted. */
static void walk(struct netlink *nl, size_t left, struct progress *p, netlink_fn fn, void *ctx)
{
	const struct nlmsghdr *msg = nl->buf.base;
	size_t step;
	bool ours;

	for (; left >= sizeof(*msg);
	     left -= step, msg = (const void *)((const uint8_t *)msg + step)) {
		if (msg->nlmsg_len < sizeof(*msg) || msg->nlmsg_len > left)
			return;
		step = NLMSG_ALIGN(msg->nlmsg_len);
		if (step > left)
			step = left;
		ours = p && msg->nlmsg_seq == p->seq && msg->nlmsg_pid == nl->portid;
		if (ours && (msg->nlmsg_flags & NLM_F_DUMP_INTR))
			p->changed = true;
		if (msg->nlmsg_type >= NLMSG_MIN_TYPE) {
			fn(ctx, msg, ours);
		} else if (ours &&
			   (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR)) {
			p->error = error_of(msg);
			p->done = true;
		}
	}
}

static size_t fixed_part(uint16_t type)
{
	switch (type) {
	case RTM_GETLINK:
		return sizeof(struct ifinfomsg);
	case RTM_GETADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_GETNEIGH:
		return sizeof(struct ndmsg);
	case RTM_GETRULE:
		return sizeof(struct fib_rule_hdr);
	default:
		return sizeof(struct rtmsg);
	}
}

static long ask(struct netlink *nl, uint16_t type, uint8_t family)
{
	struct {
		struct nlmsghdr head;
		uint8_t body[sizeof(struct ifinfomsg)]; /* the largest; each begins with the family */
		struct rtattr attr;
		uint32_t mask;
	} req = { .head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	req.head.nlmsg_seq = ++nl->seq;
	req.head.nlmsg_len = (uint32_t)NLMSG_LENGTH(fixed_part(type));
	req.body[0] = family;
	if (type == RTM_GETLINK) { /* no counters: they are most of a link's message */
		req.attr.rta_type = IFLA_EXT_MASK;
		req.attr.rta_len = RTA_LENGTH(sizeof(req.mask));
		req.mask = RTEXT_FILTER_SKIP_STATS;
		req.head.nlmsg_len = sizeof(req);
	}
	return own_call6(SYS_sendto, nl->fd, (long)&req, req.head.nlmsg_len, MSG_DONTWAIT,
			 (long)&kernel, sizeof(kernel));
}

int netlink_dump(struct netlink *nl, uint16_t type, uint8_t family, netlink_fn fn, void *ctx)
{
	struct progress p = { 0 };
	bool lost = false;
	long n;

	n = ask(nl, type, family);
	p.seq = nl->seq;
	if (n < 0)
		return (int)n;
	for (unsigned i = 0; !p.done; i++) {
		n = take(nl);
		if (i == MAX_PARTS)
			n = -E2BIG;
		if (n == -ENOBUFS)
			lost = true;
		else if (n < 0)
			return (int)n;
		else
			walk(nl, (size_t)n, &p, fn, ctx);
	}
	if (p.error < 0 && p.error != -EINTR)
		return p.error;
	return lost ? -ENOBUFS : p.changed || p.error ? -EINTR : 0;
}

int netlink_read(struct netlink *nl, netlink_fn fn, void *ctx)
{
	long n = take(nl);

	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	walk(nl, (size_t)n, NULL, fn, ctx);
	return 1;
}

void netlink_attrs(const void *data, size_t len, const struct rtattr **tb, unsigned max)
{
	const struct rtattr *a = data;
	size_t step;
	unsigned type;

	memset(tb, 0, sizeof(*tb) * (max + 1));
	for (; len >= sizeof(*a); len -= step, a = (const void *)((const uint8_t *)a + step)) {
		if (a->rta_len < sizeof(*a) || a->rta_len > len)
			return;
		type = a->rta_type & NLA_TYPE_MASK;
		if (type <= max)
			tb[type] = a;
		step = RTA_ALIGN(a->rta_len);
		if (step > len)
			return;
	}
}

bool netlink_msg_attrs(const struct nlmsghdr *msg, size_t fixed, const struct rtattr **tb,
		       unsigned max)
{
	size_t head = NLMSG_LENGTH(NLMSG_ALIGN(fixed));

	if (msg->nlmsg_len < NLMSG_LENGTH(fixed))
		return false;
	netlink_attrs((const uint8_t *)msg + head,
		      msg->nlmsg_len > head ? msg->nlmsg_len - head : 0, tb, max);
	return true;
}

bool netlink_addr(const struct rtattr *a, int family, struct ipaddr *addr)
{
	if (netlink_len(a) != (family == AF_INET ? 4 : 16))
		return false;
	*addr = (struct ipaddr){ 0 };
	if (family == AF_INET) {
		addr->w[2] = htonl(0xffff);
		memcpy(&addr->w[3], netlink_data(a), 4);
	} else {
		memcpy(addr->b, netlink_data(a), 16);
	}
	return true;
}
