/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes_store.h - inside of a routing table, for routes.c (what routes mean) and routes_store.c
 * (where they are) only.
 */
#ifndef STACK_ROUTES_STORE_H
#define STACK_ROUTES_STORE_H

#include "stack/routes.h"

struct routes_slot {
	uint32_t hash;
	uint32_t first; /* index of the prefix's first route; 0: free slot */
};

static inline struct routes_slot *routes_slots(const struct routes *t)
{
	return t->index.base;
}

static inline struct route *routes_at(const struct routes *t, uint32_t i)
{
	return (struct route *)t->pool.base + i;
}

/* The slot of a prefix, or the free one where it belongs. The table has slots. */
static inline struct routes_slot *routes_locate(const struct routes *t, const struct ipaddr *dst,
						unsigned len)
{
	uint32_t hash = hostnet_hash(dst, len);
	uint32_t i = hash & t->mask;
	struct routes_slot *s;

	for (;; i = (i + 1) & t->mask) {
		s = &routes_slots(t)[i];
		if (!s->first)
			return s;
		if (s->hash == hash && routes_at(t, s->first)->len == len &&
		    ipaddr_equal(&routes_at(t, s->first)->dst, dst))
			return s;
	}
}

/* Room for one more route, and for its prefix. 0 or -ENOMEM. */
int routes_reserve(struct routes *t);

/*
 * Puts a copy of @route, for which there is room, in the list of its prefix, behind those that the
 * kernel prefers.
 */
void routes_insert(struct routes *t, const struct route *route);

/* Removes the route at index @i of the pool. */
void routes_delete(struct routes *t, uint32_t i);

#endif
