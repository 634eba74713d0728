/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_apply.c - one rtnetlink message about a link, an address or a neighbour -> the tables.
 * Routes are in hostnet_route.c, rules in hostnet_rules.c.
 *
 * Applying a message twice does no harm: a dump and the notifications beside it overlap.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <string.h>

#include "stack/hostnet_tables.h"

#define USABLE_STATES                                                                              \
	(NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP | NUD_DELAY | NUD_PROBE | NUD_STALE)

void hostnet_note(struct hostnet_tables *t, int ret)
{
	if (ret < 0)
		t->dirty |= HOSTNET_DIRTY_ALL;
	if (ret)
		t->changed = true;
}

void hostnet_event(struct hostnet_tables *t, const struct addr *a, bool on)
{
	struct hostnet_event *e;
	uint32_t n = t->event_first + t->event_count;

	if (t->quiet)
		return;
	if (hostnet_mem_grow(&t->events, (n + 1) * sizeof(*e))) {
		t->dirty |= HOSTNET_DIRTY_ALL;
		return;
	}
	e = (struct hostnet_event *)t->events.base + n;
	*e = (struct hostnet_event){ .addr = a->local, .ifindex = a->ifindex, .on = on };
	t->event_count++;
}

/* ---- links ---- */

/* What IPv6 has set for the link: @conf is IFLA_INET6_CONF, an array of numbers. */
static void read_inet6(struct link *l, const struct rtattr *af)
{
	const struct rtattr *tb[IFLA_INET6_MAX + 1];
	uint32_t conf[DEVCONF_USE_OIF_ADDRS_ONLY + 1] = { 0 };
	size_t len;

	if (!af)
		return;
	netlink_attrs(netlink_data(af), netlink_len(af), tb, IFLA_INET6_MAX);
	if (!tb[IFLA_INET6_CONF])
		return;
	len = netlink_len(tb[IFLA_INET6_CONF]);
	memcpy(conf, netlink_data(tb[IFLA_INET6_CONF]), len < sizeof(conf) ? len : sizeof(conf));
	l->mtu6 = conf[DEVCONF_MTU6];
	l->prefer_temporary = (int32_t)conf[DEVCONF_USE_TEMPADDR] >= 2;
	l->oif_addrs_only = conf[DEVCONF_USE_OIF_ADDRS_ONLY] != 0;
}

static bool says_vrf(const struct rtattr *kind)
{
	return kind && netlink_len(kind) >= 3 && memcmp(netlink_data(kind), "vrf", 3) == 0;
}

static bool is_vrf(const struct rtattr *info)
{
	const struct rtattr *tb[IFLA_INFO_SLAVE_KIND + 1];

	if (!info)
		return false;
	netlink_attrs(netlink_data(info), netlink_len(info), tb, IFLA_INFO_SLAVE_KIND);
	return says_vrf(tb[IFLA_INFO_KIND]) || says_vrf(tb[IFLA_INFO_SLAVE_KIND]);
}

static void read_link(struct link *l, const struct ifinfomsg *info, const struct rtattr **tb)
{
	const struct rtattr *af[AF_INET6 + 1];
	size_t len = netlink_len(tb[IFLA_IFNAME]);

	l->pub.flags = info->ifi_flags;
	l->pub.type = info->ifi_type;
	l->pub.mtu = netlink_u32(tb[IFLA_MTU], l->pub.mtu);
	l->pub.enslaved = netlink_u32(tb[IFLA_MASTER], 0) != 0;
	l->pub.vrf = is_vrf(tb[IFLA_LINKINFO]);
	if (netlink_len(tb[IFLA_ADDRESS]) == sizeof(l->pub.mac))
		memcpy(l->pub.mac, netlink_data(tb[IFLA_ADDRESS]), sizeof(l->pub.mac));
	if (len) {
		len = len < IF_NAMESIZE ? len : IF_NAMESIZE - 1;
		memset(l->pub.name, 0, sizeof(l->pub.name));
		memcpy(l->pub.name, netlink_data(tb[IFLA_IFNAME]), len);
	}
	if (tb[IFLA_AF_SPEC]) {
		netlink_attrs(netlink_data(tb[IFLA_AF_SPEC]), netlink_len(tb[IFLA_AF_SPEC]), af,
			      AF_INET6);
		read_inet6(l, af[AF_INET6]);
	}
}

static void remove_link(struct hostnet_tables *t, int ifindex)
{
	struct addr a;

	for (uint32_t i = 0; i < t->addrs.count;) {
		a = addrs_all(&t->addrs)[i];
		if (a.ifindex != ifindex) {
			i++;
			continue;
		}
		addrs_remove(&t->addrs, &a);
		if (addr_usable(&a) && !addrs_find(&t->addrs, &a.local, ifindex))
			hostnet_event(t, &a, false);
	}
	neighbours_flush(&t->neighbours, ifindex);
	hostnet_flush_link(t, ifindex);
	hostnet_note(t, links_remove(&t->links, ifindex));
}

static void apply_link(struct hostnet_tables *t, const struct nlmsghdr *msg)
{
	const struct ifinfomsg *info = NLMSG_DATA(msg);
	const struct rtattr *tb[IFLA_AF_SPEC + 1];
	struct link *l, old;

	if (!netlink_msg_attrs(msg, sizeof(*info), tb, IFLA_AF_SPEC) || info->ifi_index <= 0)
		return;
	if (info->ifi_family == AF_INET6 && msg->nlmsg_type == RTM_NEWLINK) {
		l = links_find(&t->links, info->ifi_index);
		if (!l)
			return;
		old = *l;
		read_inet6(l, tb[IFLA_PROTINFO]);
		hostnet_note(t, memcmp(&old, l, sizeof(old)) != 0);
	}
	if (info->ifi_family != AF_UNSPEC) /* what a bridge says about its port is no link's state */
		return;
	if (msg->nlmsg_type == RTM_DELLINK) {
		remove_link(t, info->ifi_index);
		return;
	}
	l = links_get(&t->links, info->ifi_index);
	if (!l) {
		hostnet_note(t, -ENOMEM);
		return;
	}
	old = *l;
	read_link(l, info, tb);
	if (old.pub.mtu && old.pub.mtu != l->pub.mtu) { /* IPv6 hears of it later than we do */
		l->mtu6 = l->pub.mtu;
		hostnet_mtu_changed(t, info->ifi_index);
	}
	if ((old.pub.flags & IFF_UP) && !(l->pub.flags & IFF_UP))
		hostnet_flush_down(t, info->ifi_index);
	hostnet_note(t, memcmp(&old, l, sizeof(old)) != 0);
}

/* ---- addresses ---- */

static bool read_addr(struct addr *a, const struct nlmsghdr *msg)
{
	const struct ifaddrmsg *info = NLMSG_DATA(msg);
	const struct rtattr *tb[IFA_FLAGS + 1];
	int family;

	memset(a, 0, sizeof(*a));
	if (!netlink_msg_attrs(msg, sizeof(*info), tb, IFA_FLAGS))
		return false;
	family = info->ifa_family;
	if ((family != AF_INET && family != AF_INET6) || (int)info->ifa_index <= 0 ||
	    !netlink_addr(tb[IFA_ADDRESS], family, &a->prefix) ||
	    info->ifa_prefixlen > (family == AF_INET ? 32 : 128))
		return false;
	if (!netlink_addr(tb[IFA_LOCAL], family, &a->local))
		a->local = a->prefix;
	a->v4 = family == AF_INET;
	a->ifindex = (int)info->ifa_index;
	a->len = (uint8_t)(info->ifa_prefixlen + (a->v4 ? 96 : 0));
	a->scope = info->ifa_scope;
	a->flags = netlink_u32(tb[IFA_FLAGS], info->ifa_flags);
	routes_mask(&a->prefix, a->len);
	return true;
}

static void remove_addr(struct hostnet_tables *t, const struct addr *a)
{
	hostnet_note(t, addrs_remove(&t->addrs, a));
	if (!a->v4) {
		hostnet_prefsrc_gone(t, &a->local);
		return;
	}
	if (!addrs_find(&t->addrs, &a->local, 0))
		hostnet_flush_prefsrc(t, &a->local);
	if (!addrs_count(&t->addrs, a->ifindex, true))
		hostnet_flush_v4(t, a->ifindex);
}

static void apply_addr(struct hostnet_tables *t, const struct nlmsghdr *msg, bool dump)
{
	bool was, is;
	struct addr a;
	int ret;

	if (!read_addr(&a, msg))
		return;
	was = addrs_find(&t->addrs, &a.local, a.ifindex) != NULL;
	if (msg->nlmsg_type == RTM_NEWADDR) {
		ret = addrs_set(&t->addrs, &a);
		hostnet_note(t, ret);
		if (ret && !dump)
			t->addrs.order_unsure = true;
	} else {
		remove_addr(t, &a);
	}
	is = addrs_find(&t->addrs, &a.local, a.ifindex) != NULL;
	if (is != was)
		hostnet_event(t, &a, is);
}

/* ---- neighbours ---- */

static void apply_neighbour(struct hostnet_tables *t, const struct nlmsghdr *msg)
{
	const struct ndmsg *info = NLMSG_DATA(msg);
	const struct rtattr *tb[NDA_LLADDR + 1];
	struct neighbour n = { .ifindex = 0 };

	if (!netlink_msg_attrs(msg, sizeof(*info), tb, NDA_LLADDR))
		return;
	if ((info->ndm_family != AF_INET && info->ndm_family != AF_INET6) ||
	    (info->ndm_flags & NTF_PROXY) || !netlink_addr(tb[NDA_DST], info->ndm_family, &n.addr))
		return;
	n.ifindex = info->ndm_ifindex;
	if (msg->nlmsg_type == RTM_NEWNEIGH && (info->ndm_state & USABLE_STATES) &&
	    netlink_len(tb[NDA_LLADDR]) == sizeof(n.mac)) {
		memcpy(n.mac, netlink_data(tb[NDA_LLADDR]), sizeof(n.mac));
		n.stale = info->ndm_state & NUD_STALE;
		hostnet_note(t, neighbours_set(&t->neighbours, &n));
	} else {
		hostnet_note(t, neighbours_remove(&t->neighbours, n.ifindex, &n.addr));
	}
}

void hostnet_apply(void *ctx, const struct nlmsghdr *msg, bool dump)
{
	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		apply_link(ctx, msg);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		apply_addr(ctx, msg, dump);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		hostnet_apply_route(ctx, msg, dump);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		apply_neighbour(ctx, msg);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		hostnet_apply_rule(ctx, msg, dump);
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		hostnet_apply_object(ctx);
		break;
	case RTM_NEWADDRLABEL:
		hostnet_apply_label(ctx, msg);
		break;
	}
}
