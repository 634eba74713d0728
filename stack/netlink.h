/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netlink.h - just enough rtnetlink to mirror the kernel's tables: dumps and notifications over one
 * socket.
 *
 * Both arrive in one queue, in the order in which the kernel made them, so that applying every
 * message in turn leaves the newest state. Nothing blocks: the kernel makes the next part of a dump
 * inside the recvfrom() that takes the one before. Only sendto() and recvfrom() are issued once the
 * socket is open, by direct system calls: no errno, no cancellation, no way back into the
 * interceptors.
 */
#ifndef STACK_NETLINK_H
#define STACK_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stack/hostnet_mem.h"

struct netlink {
	int fd;		 /* -1: closed */
	uint32_t portid; /* our address: answers to our dumps carry it */
	uint32_t seq;
	struct hostnet_mem buf;
};

/* One message; @dump: it is part of the dump under way, otherwise a notification. */
typedef void (*netlink_fn)(void *ctx, const struct nlmsghdr *msg, bool dump);

/* Opens the socket and joins @n groups (RTNLGRP_*). 0 or -errno. */
int netlink_open(struct netlink *nl, const uint8_t *groups, unsigned n);
void netlink_close(struct netlink *nl);

/*
 * Asks for a table (@type RTM_GET*, one @family or AF_UNSPEC) and passes everything that arrives
 * until it is complete. 0; -ENOBUFS: complete, but notifications were lost; -EINTR: the table
 * changed under the dump; other -errno: failed, the socket had better be opened anew.
 */
int netlink_dump(struct netlink *nl, uint16_t type, uint8_t family, netlink_fn fn, void *ctx);

/*
 * Reads one batch of notifications. 1: some were there, 0: none, -ENOBUFS: some were lost, or
 * -errno.
 */
int netlink_read(struct netlink *nl, netlink_fn fn, void *ctx);

/*
 * Sorts the attributes in @len bytes at @data into @tb by type (@tb[0..@max]; NULL where absent).
 * What is malformed or unknown is left out.
 */
void netlink_attrs(const void *data, size_t len, const struct rtattr **tb, unsigned max);

/*
 * Sorts the attributes behind a message's fixed part of @fixed bytes. False: the message is too
 * short.
 */
bool netlink_msg_attrs(const struct nlmsghdr *msg, size_t fixed, const struct rtattr **tb,
		       unsigned max);

static inline size_t netlink_len(const struct rtattr *a)
{
	return a ? a->rta_len - RTA_LENGTH(0) : 0;
}

static inline const void *netlink_data(const struct rtattr *a)
{
	return (const uint8_t *)a + RTA_LENGTH(0);
}

/* The attribute's number, or @otherwise if it is absent or too short. */
static inline uint32_t netlink_u32(const struct rtattr *a, uint32_t otherwise)
{
	if (netlink_len(a) >= sizeof(otherwise))
		memcpy(&otherwise, netlink_data(a), sizeof(otherwise));
	return otherwise;
}

/*
 * The attribute's address of @family; false if it is absent or of another size. Keeps 0.0.0.0
 * mapped.
 */
bool netlink_addr(const struct rtattr *a, int family, struct ipaddr *addr);

#endif
