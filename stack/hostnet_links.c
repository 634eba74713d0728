/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_links.c - the mirrored links: an array, and a hash by interface number for the look-up.
 */
#include <string.h>

#include "stack/hostnet_tables.h"

#define FIRST_SLOTS 64

static uint32_t slot_of(const struct links *t, int ifindex)
{
	uint32_t h = (uint32_t)ifindex * 0x9e3779b1u;

	return (h ^ h >> 16) & t->mask;
}

static uint32_t *locate(const struct links *t, int ifindex)
{
	uint32_t *slots = t->index.base;
	uint32_t i;

	for (i = slot_of(t, ifindex); slots[i]; i = (i + 1) & t->mask)
		if (links_all(t)[slots[i] - 1].pub.ifindex == ifindex)
			break;
	return &slots[i];
}

/* Fills the index anew, with room for as many links again. */
static int reindex(struct links *t)
{
	uint32_t want = FIRST_SLOTS;
	struct hostnet_mem fresh;
	int ret;

	while (want < 4 * (t->count + 1))
		want *= 2;
	ret = hostnet_mem_new(&fresh, want * sizeof(uint32_t));
	if (ret)
		return ret;
	hostnet_mem_free(&t->index);
	t->index = fresh;
	t->mask = want - 1;
	for (uint32_t i = 0; i < t->count; i++)
		*locate(t, links_all(t)[i].pub.ifindex) = i + 1;
	return 0;
}

struct link *links_find(const struct links *t, int ifindex)
{
	uint32_t *slot;

	if (!t->mask)
		return NULL;
	slot = locate(t, ifindex);
	return *slot ? &links_all(t)[*slot - 1] : NULL;
}

struct link *links_get(struct links *t, int ifindex)
{
	struct link *l = links_find(t, ifindex);

	if (l)
		return l;
	if (hostnet_mem_grow(&t->all, (t->count + 1) * sizeof(*l)))
		return NULL;
	if (2 * t->count >= t->mask && reindex(t))
		return NULL;
	l = &links_all(t)[t->count];
	memset(l, 0, sizeof(*l));
	l->pub.ifindex = ifindex;
	*locate(t, ifindex) = ++t->count;
	return l;
}

/* Removes @hole from the index and closes the gap behind it. */
static void unindex(struct links *t, uint32_t *slot)
{
	uint32_t *slots = t->index.base;
	uint32_t hole = (uint32_t)(slot - slots), i = hole, home;

	for (;;) {
		i = (i + 1) & t->mask;
		if (!slots[i])
			break;
		home = slot_of(t, links_all(t)[slots[i] - 1].pub.ifindex);
		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			slots[hole] = slots[i];
			hole = i;
		}
	}
	slots[hole] = 0;
}

bool links_remove(struct links *t, int ifindex)
{
	struct link *l = links_find(t, ifindex), *last;
	uint32_t *slot;

	if (!l)
		return false;
	unindex(t, locate(t, ifindex));
	last = &links_all(t)[t->count - 1];
	if (l != last) {
		slot = locate(t, last->pub.ifindex);
		*l = *last;
		*slot = (uint32_t)(l - links_all(t)) + 1;
	}
	t->count--;
	return true;
}

void links_clear(struct links *t)
{
	t->count = 0;
	if (t->mask)
		memset(t->index.base, 0, (t->mask + 1) * sizeof(uint32_t));
}

void links_free(struct links *t)
{
	hostnet_mem_free(&t->all);
	hostnet_mem_free(&t->index);
	memset(t, 0, sizeof(*t));
}
