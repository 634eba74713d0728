/* SPDX-License-Identifier: BSD-3-Clause */
/* sendcmsg.h - control messages given to sendmsg(): those that the fast path honours itself. */
#ifndef STACK_SENDCMSG_H
#define STACK_SENDCMSG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct tx_dgram;

/*
 * Applies IP_PKTINFO, IP_TTL and IP_TOS, or IPV6_PKTINFO, IPV6_HOPLIMIT and IPV6_TCLASS, to @d; @oif gets the
 * interface that a PKTINFO names. False: another message, or a malformed one: the kernel sends it, or says what is wrong.
 */
bool sendcmsg_parse(const struct msghdr *msg, int family, struct tx_dgram *d, uint32_t *oif);

#endif
