/* SPDX-License-Identifier: BSD-3-Clause */
/* sockdiag.c - see sockdiag.h. */
#define _GNU_SOURCE
#include "stack/sockdiag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fds.h"
#include "base/sandbox.h"

#define MAX_PARTS 4096 /* of one answer: a bound for a loop */

static int diag_fd = -1;
static uint32_t sequence;
static uint8_t buffer[32768] __attribute__((aligned(8)));

static int open_diag(void)
{
	if (diag_fd < 0)
		diag_fd = fds_keep((int)own_call6(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
						  NETLINK_SOCK_DIAG, 0, 0, 0));
	return diag_fd;
}

static long ask(int family, uint16_t port)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} msg = {
		.head = { .nlmsg_len = sizeof(msg),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = ++sequence },
		.req = { .sdiag_family = (uint8_t)family,
			 .sdiag_protocol = IPPROTO_UDP,
			 .idiag_states = ~0u,
			 .id.idiag_sport = port },
	};

	return own_call6(SYS_sendto, diag_fd, (long)&msg, sizeof(msg), 0, 0, 0);
}

static void report(const struct inet_diag_msg *m, uint16_t port,
		   void (*fn)(void *, const struct sockdiag_entry *), void *arg)
{
	struct sockdiag_entry e = {
		.cookie = m->id.idiag_cookie[0] | (uint64_t)m->id.idiag_cookie[1] << 32,
		.bound_if = (int)m->id.idiag_if,
	};

	if (m->id.idiag_sport != port)
		return;
	e.local = m->idiag_family == AF_INET ? ipaddr_from_v4(m->id.idiag_src[0])
					     : ipaddr_from_v6(m->id.idiag_src);
	fn(arg, &e);
}

/* One part of the answer. 1: there is more, 0: that was all, or -errno. */
static int take_part(uint16_t port, void (*fn)(void *, const struct sockdiag_entry *), void *arg)
{
	long left = own_call6(SYS_recvfrom, diag_fd, (long)buffer, sizeof(buffer), 0, 0, 0);
	const struct nlmsghdr *h = (const struct nlmsghdr *)buffer;
	int error = 0;

	if (left == -EINTR)
		return 1;
	if (left < 0)
		return (int)left;
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_seq != sequence)
			continue;
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR) {
			memcpy(&error, NLMSG_DATA(h), sizeof(error));
			return error ? error : -EIO;
		}
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			report(NLMSG_DATA(h), port, fn, arg);
	}
	return 1;
}

int sockdiag_each(uint16_t port, void (*fn)(void *arg, const struct sockdiag_entry *e), void *arg)
{
	static const int families[] = { AF_INET, AF_INET6 };
	long r;

	if (open_diag() < 0)
		return diag_fd;
	for (unsigned f = 0; f < 2; f++) {
		r = ask(families[f], port);
		for (int i = 0; r >= 0 && i < MAX_PARTS; i++) {
			r = take_part(port, fn, arg);
			if (r == 0)
				break;
		}
		if (r)
			return r < 0 ? (int)r : -EIO;
	}
	return 0;
}

void sockdiag_forked(void)
{
	if (diag_fd >= 0)
		fds_close(diag_fd);
	diag_fd = -1;
}
