/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demux.h - which socket a datagram belongs to, in constant time.
 *
 * Sockets of this process are kept under {local address, local port, remote address, remote port}, "any" where they
 * are not bound or connected. A lookup asks for the most specific key first, as the kernel scores candidates
 * (net/ipv4/udp.c compute_score()): connected before unconnected, then a bound address before a wildcard one.
 * Several sockets under one key: the group. With SO_REUSEPORT on all of them a hash of
 * the four-tuple chooses; otherwise the last bound one gets everything, as in the kernel.
 *
 * Readers hold any engine's lock, writers all of them (stack_exclusive_begin()).
 */
#ifndef STACK_DEMUX_H
#define STACK_DEMUX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"

struct sock;

struct demux_key {
	struct ipaddr local, remote;
	uint16_t local_port, remote_port; /* network order */
	int ifindex; /* it came in by; sockets bound to another interface do not take it */
};

/* Adds @s under its present addresses; 0 or -ENOMEM. Removing forgets them. Idempotent. */
int demux_add(struct sock *s);
void demux_remove(struct sock *s);

/* @v6: the packet is IPv6. A wildcard IPv6 socket also takes IPv4 unless IPV6_V6ONLY. NULL: nobody. */
struct sock *demux_find(const struct demux_key *packet, bool v6);

/*
 * Calls @fn for each socket that gets a multicast datagram: all that are bound to the group or to any address, and hear
 * its sender (groups.h).
 */
void demux_each(const struct demux_key *packet, bool v6, void (*fn)(void *arg, struct sock *s),
		void *arg);

#endif
