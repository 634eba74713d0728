/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes_store.c - where the routes are kept. The hash holds indexes into a pool of routes, with
 * the hash values beside them: a probe that misses touches no route. Linear probing without
 * tombstones, at most half full.
 */
#include "stack/routes_store.h"

#include <string.h>

#define FIRST_SLOTS 256

static void list_lengths(struct routes *t)
{
	t->lens_count = 0;
	for (int len = 128; len >= 0; len--)
		if (t->len_count[len])
			t->lens[t->lens_count++] = (uint8_t)len;
}

static int grow_index(struct routes *t)
{
	uint32_t want = t->mask ? 2 * (t->mask + 1) : FIRST_SLOTS;
	struct hostnet_mem fresh, old = t->index;
	const struct routes_slot *from = old.base;
	uint32_t n = t->mask ? t->mask + 1 : 0, j;
	int ret;

	ret = hostnet_mem_new(&fresh, want * sizeof(struct routes_slot));
	if (ret)
		return ret;
	t->index = fresh;
	t->mask = want - 1;
	for (uint32_t i = 0; i < n; i++) {
		if (!from[i].first)
			continue;
		for (j = from[i].hash & t->mask; routes_slots(t)[j].first; j = (j + 1) & t->mask)
			;
		routes_slots(t)[j] = from[i];
	}
	hostnet_mem_free(&old);
	return 0;
}

int routes_reserve(struct routes *t)
{
	int ret = 0;

	if (2 * t->prefixes >= t->mask)
		ret = grow_index(t);
	if (!ret && !t->spare && t->top >= t->cap) {
		ret = hostnet_mem_grow(&t->pool, (t->cap + 1) * sizeof(struct route));
		t->cap = (uint32_t)(t->pool.bytes / sizeof(struct route));
		if (!t->top)
			t->top = 1;
	}
	return ret;
}

void routes_insert(struct routes *t, const struct route *route)
{
	struct routes_slot *s = routes_locate(t, &route->dst, route->len);
	uint32_t i = t->spare ? t->spare : t->top++;
	uint32_t *link = &s->first;
	struct route *r = routes_at(t, i);

	if (i == t->spare)
		t->spare = r->next;
	if (!s->first) {
		s->hash = hostnet_hash(&route->dst, route->len);
		t->prefixes++;
		if (!t->len_count[route->len]++)
			list_lengths(t);
	}
	while (*link && (routes_at(t, *link)->tos > route->tos ||
			 (routes_at(t, *link)->tos == route->tos &&
			  routes_at(t, *link)->metric <= route->metric)))
		link = &routes_at(t, *link)->next;
	*r = *route;
	r->used = true;
	r->next = *link;
	*link = i;
	t->count++;
}

/* Frees the slot of a prefix without routes and closes the gap behind it. */
static void drop_slot(struct routes *t, struct routes_slot *s)
{
	uint32_t hole = (uint32_t)(s - routes_slots(t)), i = hole;

	for (;;) {
		i = (i + 1) & t->mask;
		if (!routes_slots(t)[i].first)
			break;
		if (((i - routes_slots(t)[i].hash) & t->mask) >= ((i - hole) & t->mask)) {
			routes_slots(t)[hole] = routes_slots(t)[i];
			hole = i;
		}
	}
	routes_slots(t)[hole].first = 0;
	t->prefixes--;
}

void routes_delete(struct routes *t, uint32_t i)
{
	struct route *r = routes_at(t, i);
	struct routes_slot *s = routes_locate(t, &r->dst, r->len);
	uint32_t *link = &s->first;

	while (*link != i)
		link = &routes_at(t, *link)->next;
	*link = r->next;
	if (!s->first) {
		if (!--t->len_count[r->len])
			list_lengths(t);
		drop_slot(t, s);
	}
	r->used = false;
	r->next = t->spare;
	t->spare = i;
	t->count--;
}

unsigned routes_flush(struct routes *t, bool (*match)(const struct route *r, const void *arg),
		      const void *arg)
{
	unsigned gone = 0;

	for (uint32_t i = 1; i < t->top; i++) {
		if (routes_at(t, i)->used && match(routes_at(t, i), arg)) {
			routes_delete(t, i);
			gone++;
		}
	}
	return gone;
}

void routes_each(const struct routes *t, void (*fn)(const struct route *r, void *arg), void *arg)
{
	for (uint32_t i = 1; i < t->top; i++)
		if (routes_at(t, i)->used)
			fn(routes_at(t, i), arg);
}

void routes_clear(struct routes *t)
{
	if (t->prefixes)
		memset(t->index.base, 0, (t->mask + 1) * sizeof(struct routes_slot));
	memset(t->len_count, 0, sizeof(t->len_count));
	t->top = t->cap ? 1 : 0;
	t->spare = 0;
	t->prefixes = 0;
	t->count = 0;
	t->lens_count = 0;
}

void routes_free(struct routes *t)
{
	hostnet_mem_free(&t->pool);
	hostnet_mem_free(&t->index);
	memset(t, 0, sizeof(*t));
}
