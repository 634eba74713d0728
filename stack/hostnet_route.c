/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_route.c - rtnetlink messages about routes -> the routing tables; and the removals that
 * the kernel makes without a message: IPv4 routes go silently with their link, their source address
 * and their link's last address (IPv6 is silent too if skip_notify_on_dev_down is set).
 */
#include <linux/in_route.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "stack/hostnet_tables.h"
#include "stack/pathmtu.h"

#define DEFAULT_HOPS 64 /* what the stack sends with */

static int table_of(uint32_t table)
{
	switch (table) {
	case RT_TABLE_LOCAL:
		return HOSTNET_LOCAL_TABLE;
	case RT_TABLE_MAIN:
		return HOSTNET_MAIN_TABLE;
	case RT_TABLE_DEFAULT:
		return HOSTNET_DEFAULT_TABLE;
	default:
		return -1;
	}
}

static void read_metrics(struct route *r, const struct rtattr *metrics)
{
	const struct rtattr *tb[RTAX_HOPLIMIT + 1];
	uint32_t hops;

	if (!metrics)
		return;
	netlink_attrs(netlink_data(metrics), netlink_len(metrics), tb, RTAX_HOPLIMIT);
	r->mtu = netlink_u32(tb[RTAX_MTU], 0);
	hops = netlink_u32(tb[RTAX_HOPLIMIT], DEFAULT_HOPS);
	if ((hops && hops != DEFAULT_HOPS) ||
	    (netlink_u32(tb[RTAX_LOCK], 0) & (1u << RTAX_MTU))) /* clears the don't-fragment flag */
		r->flags |= ROUTE_ODD;
}

/*
 * Next hops are not mirrored; a digest of them, in place of the gateway, tells such routes apart.
 */
static void read_multipath(struct route *r, const struct rtattr *hops)
{
	const uint8_t *p = netlink_data(hops);
	size_t left = netlink_len(hops), len;
	struct rtnexthop hop;
	uint32_t digest = 2166136261u;

	r->flags |= ROUTE_ODD | ROUTE_MULTIPATH;
	for (; left >= sizeof(hop); left -= len, p += len) {
		memcpy(&hop, p, sizeof(hop));
		len = hop.rtnh_len;
		if (len < sizeof(hop) || len > left)
			break;
		digest = (digest ^ (uint32_t)hop.rtnh_ifindex) * 16777619u;
		digest = (digest ^ hop.rtnh_hops) * 16777619u;
		for (size_t i = sizeof(hop); i < len; i++)
			digest = (digest ^ p[i]) * 16777619u;
		len = RTNH_ALIGN(len) < left ? RTNH_ALIGN(len) : left;
	}
	r->gateway.w[0] = digest;
}

static void read_gateway(struct route *r, int family, const struct rtattr **tb)
{
	uint16_t via;

	if (tb[RTA_MULTIPATH]) {
		read_multipath(r, tb[RTA_MULTIPATH]);
	} else if (tb[RTA_GATEWAY]) {
		if (!netlink_addr(tb[RTA_GATEWAY], family, &r->gateway))
			r->flags |= ROUTE_ODD;
	} else if (tb[RTA_VIA]) {
		r->flags |= ROUTE_ODD;
		if (netlink_len(tb[RTA_VIA]) != sizeof(via) + 16)
			return;
		memcpy(&via, netlink_data(tb[RTA_VIA]), sizeof(via));
		if (via != AF_INET6)
			return;
		memcpy(r->gateway.b, (const uint8_t *)netlink_data(tb[RTA_VIA]) + sizeof(via), 16);
		r->flags &= ~ROUTE_ODD;
	}
}

/* By another gateway than the route's. IPv6 has no mark for it; there only what was learned of an MTU expires. */
static bool is_redirected(const struct rtmsg *info, const struct rtattr *cacheinfo)
{
	struct rta_cacheinfo cache;

	if (info->rtm_family == AF_INET || netlink_len(cacheinfo) < sizeof(cache))
		return info->rtm_flags & RTCF_REDIRECTED;
	memcpy(&cache, netlink_data(cacheinfo), sizeof(cache));
	return cache.rta_expires == 0;
}

/*
 * What the kernel has learned of a path comes with the dump of the routes, as a clone of its route
 * (net/ipv4/fib_trie.c fib_dump_info_fnhe()).
 */
static void read_learned(struct hostnet_tables *t, const struct rtmsg *info,
			 const struct rtattr **tb)
{
	const struct rtattr *metrics[RTAX_MAX + 1];
	struct ipaddr dst;
	uint32_t mtu;

	if (!netlink_addr(tb[RTA_DST], info->rtm_family, &dst))
		return;
	if (is_redirected(info, tb[RTA_CACHEINFO]))
		t->changed |= pathmtu_learn(&dst, 0);
	if (!tb[RTA_METRICS])
		return;
	netlink_attrs(netlink_data(tb[RTA_METRICS]), netlink_len(tb[RTA_METRICS]), metrics,
		      RTAX_MAX);
	mtu = netlink_u32(metrics[RTAX_MTU], PATHMTU_UNKNOWN);
	if (netlink_u32(metrics[RTAX_LOCK], 0) & (1u << RTAX_MTU))
		mtu = 0;
	if (mtu != PATHMTU_UNKNOWN && pathmtu_learn(&dst, mtu))
		t->changed = true;
}

/* Reads a route; returns its table, or -1 if it is of none that is mirrored. */
static int read_route(struct hostnet_tables *t, struct route *r, const struct nlmsghdr *msg)
{
	const struct rtmsg *info = NLMSG_DATA(msg);
	const struct rtattr *tb[RTA_NH_ID + 1];
	bool v4;

	memset(r, 0, sizeof(*r));
	if (!netlink_msg_attrs(msg, sizeof(*info), tb, RTA_NH_ID))
		return -1;
	v4 = info->rtm_family == AF_INET;
	if ((!v4 && info->rtm_family != AF_INET6) || info->rtm_dst_len > (v4 ? 32 : 128))
		return -1;
	if (info->rtm_flags & RTM_F_CLONED) {
		read_learned(t, info, tb);
		return -1;
	}
	if (!netlink_addr(tb[RTA_DST], info->rtm_family, &r->dst) && v4)
		r->dst.w[2] = htonl(0xffff);
	r->len = (uint8_t)(info->rtm_dst_len + (v4 ? 96 : 0));
	routes_mask(&r->dst, r->len);
	netlink_addr(tb[RTA_PREFSRC], info->rtm_family, &r->prefsrc);
	r->metric = netlink_u32(tb[RTA_PRIORITY], 0);
	r->oif = (int)netlink_u32(tb[RTA_OIF], 0);
	r->type = info->rtm_type;
	r->scope = info->rtm_scope;
	r->protocol = info->rtm_protocol;
	r->tos = v4 ? info->rtm_tos : 0;
	read_gateway(r, info->rtm_family, tb);
	read_metrics(r, tb[RTA_METRICS]);
	if (r->type != RTN_UNICAST || r->tos || info->rtm_src_len || r->oif <= 0 || tb[RTA_ENCAP] ||
	    tb[RTA_ENCAP_TYPE] || tb[RTA_NEWDST])
		r->flags |= ROUTE_ODD;
	if (tb[RTA_NH_ID])
		r->flags |= ROUTE_OBJECT;
	return table_of(netlink_u32(tb[RTA_TABLE], info->rtm_table));
}

/*
 * The kernel has no unicast route by way of a link that is down: what says so was overtaken (see
 * hostnet_sync.c).
 */
static bool overtaken(const struct hostnet_tables *t, const struct route *r)
{
	const struct link *l;

	if (r->type != RTN_UNICAST || !r->oif)
		return false;
	l = links_find(&t->links, r->oif);
	return !l || !(l->pub.flags & IFF_UP);
}

void hostnet_apply_route(struct hostnet_tables *t, const struct nlmsghdr *msg, bool dump)
{
	struct route r;
	int table = read_route(t, &r, msg), family, ret;

	/* multicast does not come as far as the tables */
	if (table < 0 || r.type == RTN_MULTICAST)
		return;
	family = ipaddr_is_v4(&r.dst) ? HOSTNET_V4 : HOSTNET_V6;
	if (msg->nlmsg_type == RTM_DELROUTE) {
		ret = routes_remove(&t->routes[family][table], &r);
	} else if (overtaken(t, &r)) {
		return;
	} else {
		t->objects |= (r.flags & ROUTE_OBJECT) != 0;
		ret = routes_add(&t->routes[family][table], &r,
				 !dump && (msg->nlmsg_flags & NLM_F_REPLACE));
	}
	if (ret == ROUTES_UNSURE)
		t->dirty |= family == HOSTNET_V4 ? HOSTNET_DIRTY_ROUTES_V4 : HOSTNET_DIRTY_ROUTES_V6;
	hostnet_note(t, ret);
}

void hostnet_apply_object(struct hostnet_tables *t)
{
	if (t->objects) { /* routes made from it change, some silently */
		t->dirty |= HOSTNET_DIRTY_ROUTES_V4 | HOSTNET_DIRTY_ROUTES_V6;
		t->changed = true;
	}
}

/* ---- silent changes ---- */

struct search {
	const struct ipaddr *prefsrc; /* NULL: for a route with an MTU of its own */
	int oif;
	bool found;
};

static void look_at(const struct route *r, void *arg)
{
	struct search *s = arg;

	s->found |= s->prefsrc ? ipaddr_equal(&r->prefsrc, s->prefsrc) : r->mtu && r->oif == s->oif;
}

static void redump_if_found(struct hostnet_tables *t, struct search *s)
{
	for (int table = 0; table < HOSTNET_TABLES; table++)
		routes_each(&t->routes[HOSTNET_V6][table], look_at, s);
	if (!s->found)
		return;
	t->dirty |= HOSTNET_DIRTY_ROUTES_V6;
	t->changed = true;
}

void hostnet_mtu_changed(struct hostnet_tables *t, int ifindex)
{
	redump_if_found(t, &(struct search){ .oif = ifindex });
}

void hostnet_prefsrc_gone(struct hostnet_tables *t, const struct ipaddr *addr)
{
	redump_if_found(t, &(struct search){ .prefsrc = addr });
}

/* ---- silent removals ---- */

static bool by_link(const struct route *r, const void *ifindex)
{
	return r->oif == *(const int *)ifindex;
}

/* Local addresses stay when their link goes down, special routes have no link. */
static bool goes_down(const struct route *r, const void *ifindex)
{
	return (r->type == RTN_UNICAST || r->type == RTN_BROADCAST) && by_link(r, ifindex);
}

static bool by_prefsrc(const struct route *r, const void *addr)
{
	return ipaddr_equal(&r->prefsrc, addr);
}

static void flush(struct hostnet_tables *t, int first_family, int last_family,
		  bool (*match)(const struct route *r, const void *arg), const void *arg)
{
	t->flushed = true;
	for (int family = first_family; family <= last_family; family++)
		for (int table = 0; table < HOSTNET_TABLES; table++)
			if (routes_flush(&t->routes[family][table], match, arg))
				t->changed = true;
}

void hostnet_flush_down(struct hostnet_tables *t, int ifindex)
{
	flush(t, HOSTNET_V4, HOSTNET_V6, goes_down, &ifindex);
}

void hostnet_flush_link(struct hostnet_tables *t, int ifindex)
{
	flush(t, HOSTNET_V4, HOSTNET_V6, by_link, &ifindex);
}

void hostnet_flush_v4(struct hostnet_tables *t, int ifindex)
{
	flush(t, HOSTNET_V4, HOSTNET_V4, by_link, &ifindex);
}

void hostnet_flush_prefsrc(struct hostnet_tables *t, const struct ipaddr *addr)
{
	flush(t, HOSTNET_V4, HOSTNET_V4, by_prefsrc, addr);
}
