/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neighbours.h - the mirrored neighbour table (ARP and ND): only entries that have a usable
 * link-layer address.
 *
 * One open-addressing hash, at most half full, so a look-up costs the same for ten neighbours and
 * for a hundred thousand. Not locked: hostnet.c does that.
 */
#ifndef STACK_NEIGHBOURS_H
#define STACK_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/hostnet_mem.h"

struct neighbour {
	struct ipaddr addr;
	int ifindex; /* 0: free slot */
	uint8_t mac[6];
	bool stale; /* usable, but the kernel would have it confirmed */
};

struct neighbours {
	struct hostnet_mem mem;
	uint32_t mask; /* slots - 1; 0: no slots yet */
	uint32_t count;
};

/* The entry, or NULL; valid until the next change. */
const struct neighbour *neighbours_find(const struct neighbours *t, int ifindex,
					const struct ipaddr *addr);

/* Adds or changes an entry. 1: something changed, 0: it was so already, or -ENOMEM. */
int neighbours_set(struct neighbours *t, const struct neighbour *entry);

/* Removes an entry; false if there was none. */
bool neighbours_remove(struct neighbours *t, int ifindex, const struct ipaddr *addr);

/* Removes all entries of an interface; returns how many. */
unsigned neighbours_flush(struct neighbours *t, int ifindex);

/* Empties the table; its memory stays. */
void neighbours_clear(struct neighbours *t);
void neighbours_free(struct neighbours *t);

#endif
