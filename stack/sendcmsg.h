/* SPDX-License-Identifier: BSD-3-Clause */
/* sendcmsg.h - control messages given to sendmsg(): those that the fast path honours itself. */
#ifndef STACK_SENDCMSG_H
#define STACK_SENDCMSG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct tx_dgram;

/* What they say beside struct tx_dgram. Set by the caller to what holds without them. */
struct sendcmsg {
	uint32_t oif;	  /* the interface that a PKTINFO names */
	uint16_t segment; /* UDP_SEGMENT */
};

/*
 * Applies IP_PKTINFO, IP_TTL and IP_TOS, or IPV6_PKTINFO, IPV6_HOPLIMIT and IPV6_TCLASS, and UDP_SEGMENT to @d and @more.
 * False: another message, or a malformed one: the kernel sends it, or says what is wrong.
 */
bool sendcmsg_parse(const struct msghdr *msg, int family, struct tx_dgram *d, struct sendcmsg *more);

#endif
