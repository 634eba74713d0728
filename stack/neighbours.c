/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neighbours.c - see neighbours.h. Linear probing; a removal moves later entries of the run back,
 * so that there are no tombstones to collect.
 */
#include "stack/neighbours.h"

#include <errno.h>
#include <string.h>

#define FIRST_SLOTS 256

static uint32_t home(const struct neighbours *t, const struct neighbour *n)
{
	return hostnet_hash(&n->addr, (uint32_t)n->ifindex) & t->mask;
}

static struct neighbour *slots(const struct neighbours *t)
{
	return t->mem.base;
}

/* The entry's slot, or the free one where it belongs. */
static struct neighbour *locate(const struct neighbours *t, int ifindex, const struct ipaddr *addr)
{
	uint32_t i = hostnet_hash(addr, (uint32_t)ifindex) & t->mask;
	struct neighbour *n;

	for (;; i = (i + 1) & t->mask) {
		n = &slots(t)[i];
		if (!n->ifindex || (n->ifindex == ifindex && ipaddr_equal(&n->addr, addr)))
			return n;
	}
}

const struct neighbour *neighbours_find(const struct neighbours *t, int ifindex,
					const struct ipaddr *addr)
{
	const struct neighbour *n;

	if (!t->mask)
		return NULL;
	n = locate(t, ifindex, addr);
	return n->ifindex ? n : NULL;
}

static int grow(struct neighbours *t)
{
	struct neighbours bigger = { .count = t->count };
	uint32_t want = t->mask ? 2 * (t->mask + 1) : FIRST_SLOTS;
	int ret;

	ret = hostnet_mem_new(&bigger.mem, want * sizeof(struct neighbour));
	if (ret)
		return ret;
	bigger.mask = want - 1;
	for (uint32_t i = 0; t->mask && i <= t->mask; i++) {
		const struct neighbour *n = &slots(t)[i];

		if (n->ifindex)
			*locate(&bigger, n->ifindex, &n->addr) = *n;
	}
	hostnet_mem_free(&t->mem);
	*t = bigger;
	return 0;
}

int neighbours_set(struct neighbours *t, const struct neighbour *entry)
{
	struct neighbour *n;
	int ret;

	if (entry->ifindex <= 0)
		return 0;
	if (2 * t->count >= t->mask) {
		ret = grow(t);
		if (ret)
			return ret;
	}
	n = locate(t, entry->ifindex, &entry->addr);
	if (n->ifindex && n->stale == entry->stale && !memcmp(n->mac, entry->mac, sizeof(n->mac)))
		return 0;
	if (!n->ifindex)
		t->count++;
	*n = *entry;
	return 1;
}

/* Frees slot @hole and closes the gap in the run behind it. */
static void remove_at(struct neighbours *t, uint32_t hole)
{
	struct neighbour *all = slots(t);
	uint32_t i = hole;

	for (;;) {
		i = (i + 1) & t->mask;
		if (!all[i].ifindex)
			break;
		/* an entry may move to the hole unless its home lies behind the hole */
		if (((i - home(t, &all[i])) & t->mask) >= ((i - hole) & t->mask)) {
			all[hole] = all[i];
			hole = i;
		}
	}
	all[hole].ifindex = 0;
	t->count--;
}

bool neighbours_remove(struct neighbours *t, int ifindex, const struct ipaddr *addr)
{
	struct neighbour *n;

	if (!t->mask)
		return false;
	n = locate(t, ifindex, addr);
	if (!n->ifindex)
		return false;
	remove_at(t, (uint32_t)(n - slots(t)));
	return true;
}

unsigned neighbours_flush(struct neighbours *t, int ifindex)
{
	unsigned gone = 0;

	if (!t->mask || !ifindex)
		return 0;
	/*
	 * what a removal moves here is looked at too; across the table's end it was looked at
	 * before
	 */
	for (uint32_t i = 0; i <= t->mask;) {
		if (slots(t)[i].ifindex == ifindex) {
			remove_at(t, i);
			gone++;
		} else {
			i++;
		}
	}
	return gone;
}

void neighbours_clear(struct neighbours *t)
{
	if (t->count)
		memset(t->mem.base, 0, (t->mask + 1) * sizeof(struct neighbour));
	t->count = 0;
}

void neighbours_free(struct neighbours *t)
{
	hostnet_mem_free(&t->mem);
	t->mask = 0;
	t->count = 0;
}
