/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes.h - one mirrored routing table of one family: longest-prefix match.
 *
 * A hash keyed by (prefix, length) plus the list of lengths in use, longest first: a look-up costs
 * one probe for each length that any route has, whatever the number of routes. Routes to one prefix
 * form a list, lowest metric first. IPv4 prefixes are kept mapped, so their lengths are 96..128.
 * Not locked: hostnet.c does that.
 */
#ifndef STACK_ROUTES_H
#define STACK_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/hostnet_mem.h"

#define ROUTE_ODD 0x1u /* something about it is not mirrored: its datagrams go through the shadow */
#define ROUTE_MULTIPATH 0x2u /* it has several next hops; always ODD too */
#define ROUTE_OBJECT 0x4u    /* made from a nexthop object */

struct route {
	struct ipaddr dst; /* masked to len */
	struct ipaddr gateway; /* "any": none, the destination is on the link; MULTIPATH: a digest of all hops */
	struct ipaddr prefsrc; /* "any": none */
	struct ipaddr source;  /* choice of source address, remembered; see source_age */
	uint32_t source_age;   /* value of addrs.age that it belongs to; 0: none */
	uint32_t metric, mtu;  /* mtu 0: the link's */
	int oif;	       /* 0: none */
	uint8_t len, type, scope, tos, protocol;
	uint32_t flags; /* ROUTE_* */
	uint32_t next;	/* index of the next route to this prefix */
	bool used;
};

struct routes {
	struct hostnet_mem pool;  /* struct route[cap]; entry 0 is never used */
	struct hostnet_mem index; /* struct routes_slot[mask + 1] */
	uint32_t cap, top, spare; /* pool: size, first never used, list of free ones */
	uint32_t mask;		  /* slots - 1; 0: no slots yet */
	uint32_t prefixes, count; /* slots and routes in use */
	uint32_t len_count[129];  /* prefixes of each length */
	uint8_t lens[129];	  /* lengths in use, longest first */
	unsigned lens_count;
};

/* Bits behind the first @len become zero. */
void routes_mask(struct ipaddr *addr, unsigned len);

/*
 * The route that the kernel would take to @dst, by way of @oif if that is not 0; NULL: none. *@odd
 * is set if it can not be told, or is not one that is mirrored. Valid until the next change.
 */
struct route *routes_lookup(struct routes *t, const struct ipaddr *dst, int oif, bool *odd);

/* What a change did, for routes_add() and routes_remove(). */
enum routes_change {
	ROUTES_SAME, /* nothing */
	ROUTES_CHANGED,
	ROUTES_UNSURE, /* the kernel's message does not fit what is here: the table must be dumped again */
};

/*
 * Adds @route, or updates the one that is the same but for its metrics. @replace: it takes the
 * place of the one with the same prefix, metric and tos. Or -ENOMEM.
 */
int routes_add(struct routes *t, const struct route *route, bool replace);

enum routes_change routes_remove(struct routes *t, const struct route *route);

/* Removes all routes for which @match says so; returns how many. */
unsigned routes_flush(struct routes *t, bool (*match)(const struct route *r, const void *arg),
		      const void *arg);

/* Calls @fn for each route. */
void routes_each(const struct routes *t, void (*fn)(const struct route *r, void *arg), void *arg);

/* Empties the table; its memory stays. */
void routes_clear(struct routes *t);
void routes_free(struct routes *t);

#endif
