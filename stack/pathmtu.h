/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pathmtu.h - path MTUs that the kernel has learned, and destinations for which it was sent to another gateway.
 *
 * It learns them from ICMP ("fragmentation needed", "packet too big") and tells nobody. So the same messages are read here,
 * from raw sockets that get nothing else, and what was learned earlier comes with the dump of the routes. A datagram
 * above its path's MTU goes through the shadow, where the kernel does what the socket's options say: refuses it,
 * cuts it, or sends it to find out whether the path has changed.
 *
 * Which gateway a redirect made it use the kernel tells nobody either: the destination's datagrams are all the shadow's from then on.
 *
 * A message that the kernel did not believe costs speed only. Nothing here is locked: hostnet.c does that.
 */
#ifndef STACK_PATHMTU_H
#define STACK_PATHMTU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"

#define PATHMTU_UNKNOWN UINT32_MAX

/* Opens the sockets, once; they need CAP_NET_RAW, as the queues do, and the children of a fork inherit them. */
void pathmtu_open(void);

/* Are they open? If not, path MTUs that are learned from now on stay unknown. */
bool pathmtu_is_open(void);

/* Reads what has come, without blocking. True: something became known. */
bool pathmtu_read(void);

/* The path to @dst carries @mtu bytes; 0: the kernel sends even smaller ones in its own way. True: that is news. */
bool pathmtu_learn(const struct ipaddr *dst, uint32_t mtu);

/* The largest packet to @dst that takes no special treatment, or PATHMTU_UNKNOWN. */
uint32_t pathmtu_of(const struct ipaddr *dst);

/* Reads one ICMP message, for @v4 with its IP header. True: something became known. */
bool pathmtu_message(const uint8_t *msg, uint32_t len, bool v4);

/* Forgets everything, for tests. */
void pathmtu_forget(void);

#endif
