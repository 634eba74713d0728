/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes.c - see routes.h: which route is taken, and what the kernel's messages do to the routes of
 * a prefix.
 */
#include "stack/routes.h"

#include <endian.h>

#include "stack/routes_store.h"

void routes_mask(struct ipaddr *addr, unsigned len)
{
	uint64_t high = len >= 64 ? ~0ull : len ? ~0ull << (64 - len) : 0;
	uint64_t low = len >= 128 ? ~0ull : len > 64 ? ~0ull << (128 - len) : 0;

	addr->q[0] &= htobe64(high);
	addr->q[1] &= htobe64(low);
}

/* Of the routes to one prefix, the one for @oif; a dead heat or a special one is odd. */
static struct route *choose(const struct routes *t, uint32_t i, int oif, bool *odd)
{
	struct route *r, *found = NULL;

	for (; i; i = r->next) {
		r = routes_at(t, i);
		if (found && r->metric != found->metric)
			break;
		if (r->flags & ROUTE_ODD) {
			*odd = true;
			return r;
		}
		if (oif && r->oif != oif)
			continue;
		if (found) {
			*odd = true;
			break;
		}
		found = r;
	}
	return found;
}

struct route *routes_lookup(struct routes *t, const struct ipaddr *dst, int oif, bool *odd)
{
	const struct routes_slot *s;
	struct ipaddr prefix = *dst;
	struct route *r;

	for (unsigned i = 0; i < t->lens_count; i++) {
		routes_mask(&prefix, t->lens[i]);
		s = routes_locate(t, &prefix, t->lens[i]);
		if (!s->first)
			continue;
		r = choose(t, s->first, oif, odd);
		if (r)
			return r;
	}
	return NULL;
}

/* Is it the IPv4 table's? There even the default route's prefix is kept mapped. */
static bool is_v4(const struct route *r)
{
	return ipaddr_is_v4(&r->dst);
}

/* Do both stand for one route of the kernel, whatever their metrics? */
static bool same(const struct route *a, const struct route *b)
{
	return a->metric == b->metric && a->tos == b->tos && a->type == b->type &&
	       a->oif == b->oif && a->protocol == b->protocol && a->scope == b->scope &&
	       ((a->flags ^ b->flags) & ROUTE_MULTIPATH) == 0 &&
	       ipaddr_equal(&a->gateway, &b->gateway) && ipaddr_equal(&a->prefsrc, &b->prefsrc);
}

static uint32_t first_of(const struct routes *t, const struct route *route)
{
	return t->mask ? routes_locate(t, &route->dst, route->len)->first : 0;
}

static uint32_t find_same(const struct routes *t, const struct route *route)
{
	uint32_t i;

	for (i = first_of(t, route); i; i = routes_at(t, i)->next)
		if (same(routes_at(t, i), route))
			break;
	return i;
}

static bool is_rival(const struct route *r, const struct route *route)
{
	return r->metric == route->metric && r->tos == route->tos;
}

/* May IPv6 gather the route with others of its metric into a multipath route? */
static bool gathers(const struct route *r)
{
	return (r->flags & ROUTE_MULTIPATH) || !ipaddr_is_any(&r->gateway);
}

static enum routes_change update(struct route *old, const struct route *route)
{
	struct route fresh = *route;

	if (fresh.mtu == old->mtu && fresh.flags == old->flags)
		return ROUTES_SAME;
	fresh.used = true;
	fresh.next = old->next;
	*old = fresh;
	return ROUTES_CHANGED;
}

/*
 * Removes what a new multipath route of IPv6 stands for: all routes of its metric that have
 * gateways.
 */
static void gather(struct routes *t, const struct route *route)
{
	uint32_t next;

	for (uint32_t i = first_of(t, route); i; i = next) {
		next = routes_at(t, i)->next;
		if (is_rival(routes_at(t, i), route) && gathers(routes_at(t, i)))
			routes_delete(t, i);
	}
}

/* Removes the one route whose place @route takes. */
static enum routes_change displace(struct routes *t, const struct route *route)
{
	uint32_t rival = 0;
	unsigned n = 0;

	for (uint32_t i = first_of(t, route); i; i = routes_at(t, i)->next) {
		if (is_rival(routes_at(t, i), route)) {
			rival = i;
			n++;
		}
	}
	if (n > 1)
		return ROUTES_UNSURE;
	if (n && !is_v4(route)) {
		const struct route *r = routes_at(t, rival);

		if ((r->flags & ROUTE_MULTIPATH) || gathers(r) != gathers(route))
			return ROUTES_UNSURE;
	}
	if (n)
		routes_delete(t, rival);
	return ROUTES_CHANGED;
}

int routes_add(struct routes *t, const struct route *route, bool replace)
{
	bool v6_multipath = (route->flags & ROUTE_MULTIPATH) && !is_v4(route);
	uint32_t i = find_same(t, route);
	int ret;

	if (i)
		return update(routes_at(t, i), route);
	ret = routes_reserve(t);
	if (ret)
		return ret;
	if (v6_multipath)
		gather(t, route);
	else if (replace && displace(t, route) == ROUTES_UNSURE)
		return ROUTES_UNSURE;
	routes_insert(t, route);
	return ROUTES_CHANGED;
}

enum routes_change routes_remove(struct routes *t, const struct route *route)
{
	const struct route *r;
	uint32_t i = find_same(t, route);

	if (i) {
		routes_delete(t, i);
		return ROUTES_CHANGED;
	}
	/* one leg of a multipath route may have gone: what remains of it is not in the message */
	for (i = first_of(t, route); i; i = r->next) {
		r = routes_at(t, i);
		if (is_rival(r, route) && ((r->flags & ROUTE_MULTIPATH) || r->oif == route->oif))
			return ROUTES_UNSURE;
	}
	return ROUTES_SAME;
}
