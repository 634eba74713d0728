/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_source.c - see hostnet_source.h. IPv4 as inet_select_addr() does it, IPv6 as RFC 6724 and
 * the kernel's additions have it. Where the kernel goes by the order of its links or of lists that
 * are not known for sure, the answer is "can not be told", and the kernel does it.
 */
#include "stack/hostnet_source.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#define LOOPBACK_IFINDEX 1 /* in every namespace; and the first in every list */

static const struct label {
	struct ipaddr prefix;
	uint8_t len, label;
} labels[] = {
	/* longest first */
	{ { .b = { [15] = 1 } }, 128, 0 },
	{ { .b = { [10] = 0xff, 0xff } }, 96, 4 },
	{ { .b = { 0 } }, 96, 3 },
	{ { .b = { 0x20, 0x01, 0x00, 0x00 } }, 32, 6 },
	{ { .b = { 0x20, 0x01, 0x00, 0x10 } }, 28, 7 },
	{ { .b = { 0x20, 0x02 } }, 16, 2 },
	{ { .b = { 0x3f, 0xfe } }, 16, 12 },
	{ { .b = { 0xfe, 0xc0 } }, 10, 11 },
	{ { .b = { 0xfc } }, 7, 5 },
	{ { .b = { 0 } }, 0, 1 },
};

#define LABELS (sizeof(labels) / sizeof(labels[0]))

static bool in_prefix(const struct ipaddr *addr, const struct ipaddr *prefix, unsigned len)
{
	struct ipaddr masked = *addr;

	routes_mask(&masked, len);
	return ipaddr_equal(&masked, prefix);
}

bool hostnet_label_default(const struct ipaddr *prefix, unsigned len, uint32_t label)
{
	for (unsigned i = 0; i < LABELS; i++)
		if (labels[i].len == len && labels[i].label == label &&
		    ipaddr_equal(&labels[i].prefix, prefix))
			return true;
	return false;
}

static unsigned label_of(const struct ipaddr *addr)
{
	unsigned i = 0;

	while (!in_prefix(addr, &labels[i].prefix, labels[i].len))
		i++;
	return labels[i].label;
}

/* ---- IPv4 ---- */

static bool eligible_v4(const struct addr *a, unsigned scope)
{
	unsigned own = a->scope < RT_SCOPE_HOST ? a->scope : RT_SCOPE_HOST;

	return a->v4 && !(a->flags & IFA_F_SECONDARY) && own <= scope;
}

/* The link has no address that would do: one of another link, if there is but one that has any. */
static bool borrow_v4(const struct addrs *t, unsigned scope, struct ipaddr *source)
{
	const struct addr *a, *found = NULL;

	for (uint32_t i = 0; i < t->count; i++) {
		a = &addrs_all(t)[i];
		if (!eligible_v4(a, scope) || a->scope == RT_SCOPE_LINK)
			continue;
		if (found && found->ifindex == a->ifindex) {
			if (t->order_unsure)
				return false;
		} else if (!found || a->ifindex == LOOPBACK_IFINDEX) {
			found = a;
		} else if (found->ifindex != LOOPBACK_IFINDEX) {
			return false;
		}
	}
	if (found)
		*source = found->local;
	return found != NULL;
}

static bool choose_v4(const struct addrs *t, const struct route *r, struct ipaddr *source)
{
	bool via_v6 = !ipaddr_is_any(&r->gateway) && !ipaddr_is_v4(&r->gateway);
	const struct addr *a, *first = NULL, *match = NULL;
	unsigned n = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		a = &addrs_all(t)[i];
		if (a->ifindex != r->oif || !eligible_v4(a, r->scope))
			continue;
		n++;
		if (!first)
			first = a;
		if (!match && in_prefix(&r->gateway, &a->prefix, a->len))
			match = a;
	}
	if (!n)
		return borrow_v4(t, r->scope, source);
	if (n > 1 && (t->order_unsure || via_v6))
		return false;
	*source = (match ? match : first)->local;
	return true;
}

static bool source_v4(const struct addrs *t, struct route *r, struct ipaddr *source)
{
	if (!r->source_age || r->source_age != t->age || t->order_unsure) {
		if (!choose_v4(t, r, &r->source))
			return false;
		r->source_age = t->order_unsure ? 0 : t->age;
	}
	*source = r->source;
	return true;
}

/* ---- IPv6 ---- */

/* The scope as multicast addresses would have it. */
static unsigned scope_v6(const struct ipaddr *a)
{
	if (ipaddr_is_multicast(a))
		return a->b[1] & 0xf;
	if (ipaddr_is_linklocal6(a) || ipaddr_is_loopback(a))
		return 2;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0xc0 ? 5 : 14;
}

static bool is_orchid(const struct ipaddr *a)
{
	return in_prefix(a, &labels[4].prefix, 28);
}

static unsigned common_bits(const struct ipaddr *a, const struct ipaddr *b)
{
	for (unsigned i = 0; i < 16; i++)
		if (a->b[i] != b->b[i])
			return 8 * i + (unsigned)__builtin_clz(a->b[i] ^ b->b[i]) - 24;
	return 128;
}

/* The rules of RFC 6724 in a number: one bit or field for each, the first rule in the highest. */
static uint32_t score_v6(const struct link *l, const struct addr *a, const struct ipaddr *dst,
			 int oif)
{
	unsigned scope = scope_v6(&a->local), want = scope_v6(dst),
		 bits = common_bits(&a->local, dst);
	bool temporary = a->flags & IFA_F_TEMPORARY;
	uint32_t score;

	score = scope >= want ? 128 - scope
			      : scope; /* rule 2: the smallest that reaches, or else the largest */
	score = score << 1 | (!(a->flags & IFA_F_DEPRECATED) || !a->local.q[0]);
	score = score << 1 | (a->ifindex == oif);
	score = score << 1 | (label_of(&a->local) == label_of(dst));
	score = score << 1 | (temporary == (l && l->prefer_temporary));
	score = score << 1 | (is_orchid(&a->local) == is_orchid(dst));
	return score << 8 | (bits < a->len ? bits : a->len);
}

static bool source_v6(const struct hostnet_tables *t, const struct route *r,
		      const struct ipaddr *dst, struct ipaddr *source)
{
	const struct link *out = links_find(&t->links, r->oif);
	bool own_only = scope_v6(dst) <= 2 || ipaddr_is_multicast(dst) ||
			(out && out->oif_addrs_only),
	     tie = false;
	const struct addr *a, *best = NULL;
	uint32_t score, high = 0;
	unsigned n = 0;

	for (uint32_t i = 0; i < t->addrs.count; i++) {
		a = &addrs_all(&t->addrs)[i];
		if (a->v4 || !addr_usable(a) || (own_only && a->ifindex != r->oif))
			continue;
		if (a->flags & (IFA_F_OPTIMISTIC | IFA_F_HOMEADDRESS))
			return false;
		score = score_v6(links_find(&t->links, a->ifindex), a, dst, r->oif);
		n++;
		if (best && score == high)
			tie |= t->addrs.order_unsure || a->ifindex != best->ifindex;
		if (best && score <= high)
			continue;
		best = a;
		high = score;
		tie = false;
	}
	if (!best || tie || (n > 1 && (t->labels_odd || t->labels != LABELS)))
		return false;
	*source = best->local;
	return true;
}

bool hostnet_source(struct hostnet_tables *t, struct route *r, const struct ipaddr *dst,
		    struct ipaddr *source)
{
	if (!ipaddr_is_any(&r->prefsrc)) {
		*source = r->prefsrc;
		return addrs_find(&t->addrs, source, 0) != NULL;
	}
	return ipaddr_is_v4(dst) ? source_v4(&t->addrs, r, source) : source_v6(t, r, dst, source);
}
