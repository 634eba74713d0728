/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_addrs.c - the mirrored local addresses: an array in the order of the kernel's lists,
 * which decides between sources that are otherwise as good, and a hash by address that is made when
 * it is needed.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <string.h>

#include "stack/hostnet_tables.h"

#define FIRST_SLOTS 64

bool addr_usable(const struct addr *a)
{
	if (a->v4)
		return true;
	return !(a->flags & IFA_F_DADFAILED) &&
	       (!(a->flags & IFA_F_TENTATIVE) || (a->flags & IFA_F_OPTIMISTIC));
}

/* Is it one and the same address of the kernel? IPv4 tells them apart by prefix too. */
static bool same(const struct addr *a, const struct addr *b)
{
	return a->ifindex == b->ifindex && ipaddr_equal(&a->local, &b->local) &&
	       (!a->v4 || (a->len == b->len && ipaddr_equal(&a->prefix, &b->prefix)));
}

static void changed(struct addrs *t)
{
	if (!++t->age)
		t->age = 1;
}

static int reindex(struct addrs *t)
{
	uint32_t want = FIRST_SLOTS, *slots, h;

	while (want < 3 * t->count)
		want *= 2;
	if (hostnet_mem_grow(&t->index, want * sizeof(uint32_t)))
		return -ENOMEM;
	t->mask = want - 1;
	slots = t->index.base;
	memset(slots, 0, want * sizeof(uint32_t));
	for (uint32_t i = 0; i < t->count; i++) {
		h = hostnet_hash(&addrs_all(t)[i].local, 0);
		while (slots[h & t->mask])
			h++;
		slots[h & t->mask] = i + 1;
	}
	t->indexed = true;
	return 0;
}

/*
 * The first entry of @local for which @which (may be NULL) holds, whatever its link if @ifindex is
 * 0.
 */
static struct addr *find(struct addrs *t, const struct ipaddr *local, int ifindex,
			 const struct addr *which)
{
	const uint32_t *slots;
	struct addr *a;

	if (!t->count || (!t->indexed && reindex(t)))
		return NULL;
	slots = t->index.base;
	for (uint32_t h = hostnet_hash(local, 0); slots[h & t->mask]; h++) {
		a = &addrs_all(t)[slots[h & t->mask] - 1];
		if (!ipaddr_equal(&a->local, local) || (ifindex && a->ifindex != ifindex))
			continue;
		if (which ? same(a, which) : addr_usable(a))
			return a;
	}
	return NULL;
}

const struct addr *addrs_find(struct addrs *t, const struct ipaddr *local, int ifindex)
{
	return find(t, local, ifindex, NULL);
}

int addrs_set(struct addrs *t, const struct addr *a)
{
	uint32_t *slots, h;
	struct addr *old;

	if (!t->indexed && reindex(t))
		return -ENOMEM;
	old = find(t, &a->local, a->ifindex, a);
	if (old && old->flags == a->flags && old->scope == a->scope && old->len == a->len)
		return 0;
	changed(t);
	if (old) {
		*old = *a;
		return 1;
	}
	if (hostnet_mem_grow(&t->all, (t->count + 1) * sizeof(*a)))
		return -ENOMEM;
	addrs_all(t)[t->count++] = *a;
	if (2 * t->count >= t->mask) {
		t->indexed = false;
		return 1;
	}
	slots = t->index.base;
	for (h = hostnet_hash(&a->local, 0); slots[h & t->mask]; h++)
		;
	slots[h & t->mask] = t->count;
	return 1;
}

bool addrs_remove(struct addrs *t, const struct addr *a)
{
	struct addr *old = find(t, &a->local, a->ifindex, a);
	uint32_t i;

	if (!old)
		return false;
	i = (uint32_t)(old - addrs_all(t));
	memmove(old, old + 1, (t->count - i - 1) * sizeof(*old));
	t->count--;
	t->indexed = false;
	changed(t);
	return true;
}

unsigned addrs_count(const struct addrs *t, int ifindex, bool v4)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < t->count; i++)
		if (addrs_all(t)[i].ifindex == ifindex && addrs_all(t)[i].v4 == v4)
			n++;
	return n;
}

void addrs_clear(struct addrs *t)
{
	t->count = 0;
	t->indexed = false;
	changed(t);
}

void addrs_free(struct addrs *t)
{
	uint32_t age = t->age;

	hostnet_mem_free(&t->all);
	hostnet_mem_free(&t->index);
	memset(t, 0, sizeof(*t));
	t->age = age;
	changed(t);
}
