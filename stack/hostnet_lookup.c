/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_lookup.c - the tables -> how to reach a destination. In every doubt: through the shadow.
 */
#include <linux/rtnetlink.h>
#include <net/if_arp.h>

#include "stack/hostnet_source.h"
#include "stack/hostnet_tables.h"
#include "stack/pathmtu.h"

static bool is_special(const struct ipaddr *dst)
{
	if (ipaddr_is_any(dst) || ipaddr_is_multicast(dst) || ipaddr_is_loopback(dst))
		return true;
	return ipaddr_is_v4(dst) && (dst->b[12] == 0 || ipaddr_v4(dst) == htonl(INADDR_BROADCAST));
}

/* Do the tables show what the kernel would do for this family? */
static bool in_step(const struct hostnet_tables *t, int family)
{
	uint32_t doubt = HOSTNET_DIRTY_ALL | HOSTNET_DIRTY_RULES |
			 (family == HOSTNET_V4 ? HOSTNET_DIRTY_ROUTES_V4 : HOSTNET_DIRTY_ROUTES_V6);

	return !(t->dirty & doubt) && hostnet_rules_standard(t, family);
}

static bool link_ready(const struct link *l)
{
	return l && (l->pub.flags & IFF_UP) && (l->pub.flags & IFF_RUNNING) &&
	       l->pub.type == ARPHRD_ETHER && !l->pub.enslaved;
}

/* May a socket send from @source, which was given, by way of @oif? */
static bool source_fits(struct hostnet_tables *t, const struct ipaddr *source, bool v4, int oif)
{
	if (ipaddr_is_v4(source) != v4 || ipaddr_is_loopback(source))
		return false;
	return addrs_find(&t->addrs, source, ipaddr_is_linklocal6(source) ? oif : 0) != NULL;
}

static struct route *find_route(struct hostnet_tables *t, int family, const struct ipaddr *dst,
				int oif, bool *odd)
{
	struct route *r = routes_lookup(&t->routes[family][HOSTNET_MAIN_TABLE], dst, oif, odd);

	if (!r && family == HOSTNET_V4) /* IPv6 has no rule for this table */
		r = routes_lookup(&t->routes[family][HOSTNET_DEFAULT_TABLE], dst, oif, odd);
	return r;
}

static bool is_local_route(struct hostnet_tables *t, int family, const struct ipaddr *dst)
{
	bool odd = false;

	return routes_lookup(&t->routes[family][HOSTNET_LOCAL_TABLE], dst, 0, &odd) != NULL;
}

/* The link, the source and the neighbour of a route. */
static enum hostnet_verdict complete(struct hostnet_tables *t, struct route *r,
				     const struct ipaddr *dst, const struct ipaddr *source,
				     struct hostnet_hop *hop)
{
	const struct link *l = links_find(&t->links, r->oif);
	bool v4 = ipaddr_is_v4(dst), gateway = !ipaddr_is_any(&r->gateway);
	const struct neighbour *n;
	uint32_t path;

	/* an own address as a gateway means "on the link" */
	if (!link_ready(l) || (gateway && addrs_find(&t->addrs, &r->gateway, 0)))
		return HOSTNET_ODD_ROUTE;
	hop->source = *source;
	if (ipaddr_is_any(source) ? !hostnet_source(t, r, dst, &hop->source)
				  : !source_fits(t, source, v4, r->oif))
		return HOSTNET_ODD_ROUTE;
	n = neighbours_find(&t->neighbours, r->oif, gateway ? &r->gateway : dst);
	if (!n)
		return HOSTNET_NO_NEIGHBOUR;
	hop->ifindex = r->oif;
	hop->mtu = r->mtu && r->mtu < l->pub.mtu ? r->mtu : l->pub.mtu;
	if (!v4 && l->mtu6 && l->mtu6 < hop->mtu)
		hop->mtu = l->mtu6;
	path = pathmtu_of(dst);
	if (!path)
		return HOSTNET_ODD_ROUTE;
	if (path < hop->mtu)
		hop->mtu = path;
	memcpy(hop->mac, n->mac, sizeof(hop->mac));
	hop->gateway = gateway;
	hop->confirm = n->stale;
	return HOSTNET_OK;
}

enum hostnet_verdict hostnet_resolve(struct hostnet_tables *t, const struct ipaddr *dst,
				     const struct ipaddr *source, int oif, struct hostnet_hop *hop)
{
	int family = ipaddr_is_v4(dst) ? HOSTNET_V4 : HOSTNET_V6;
	bool odd = false;
	struct route *r;

	if (is_special(dst))
		return HOSTNET_LOCAL;
	if (!in_step(t, family))
		return HOSTNET_ODD_ROUTE;
	if (is_local_route(t, family, dst) || addrs_find(&t->addrs, dst, 0))
		return HOSTNET_LOCAL;
	if (family == HOSTNET_V6 && ipaddr_is_linklocal6(dst) && !oif)
		return HOSTNET_ODD_ROUTE;
	r = find_route(t, family, dst, oif, &odd);
	if (!r)
		return HOSTNET_NO_ROUTE;
	return odd ? HOSTNET_ODD_ROUTE : complete(t, r, dst, source, hop);
}

/* ip_eth_mc_map(), ipv6_eth_mc_map() */
static void group_mac(const struct ipaddr *dst, uint8_t *mac)
{
	static const uint8_t v4[] = { 0x01, 0x00, 0x5e }, v6[] = { 0x33, 0x33 };

	memcpy(mac, v6, sizeof(v6));
	memcpy(mac + 2, dst->b + 12, 4);
	if (!ipaddr_is_v4(dst))
		return;
	memcpy(mac, v4, sizeof(v4));
	mac[3] &= 0x7f;
}

/*
 * A route of its own for an IPv4 group, longer than the class, may have a gateway or metrics (net/ipv4/route.c
 * __mkroute_output()). IPv6 goes by the route ff00::/8 that each interface has in the local table.
 */
static bool group_route_odd(struct hostnet_tables *t, int family, const struct ipaddr *dst, int oif)
{
	bool odd = false;
	const struct route *r;

	if (family == HOSTNET_V6)
		return false;
	r = find_route(t, family, dst, oif, &odd);
	return odd || (r && r->len >= 96 + 4);
}

enum hostnet_verdict hostnet_resolve_group(struct hostnet_tables *t, const struct ipaddr *dst,
					   const struct ipaddr *source, int oif,
					   struct hostnet_hop *hop)
{
	const struct link *l = links_find(&t->links, oif);
	bool v4 = ipaddr_is_v4(dst), near = v4 && dst->b[12] == 224 && !dst->b[13] && !dst->b[14];
	int family = v4 ? HOSTNET_V4 : HOSTNET_V6;
	/* As if by a route made for it: near groups take a source of the link's scope (ip_route_output_key_hash_rcu()). */
	struct route r = { .oif = oif, .scope = near ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE };

	if (!in_step(t, family) || !link_ready(l) || !(l->pub.flags & IFF_MULTICAST) ||
	    (l->pub.flags & IFF_NOARP) || addrs_count(&t->addrs, oif, v4) == 0 ||
	    group_route_odd(t, family, dst, oif))
		return HOSTNET_ODD_ROUTE;
	hop->source = *source;
	if (ipaddr_is_any(source) ? !hostnet_source(t, &r, dst, &hop->source)
				  : !source_fits(t, source, v4, oif))
		return HOSTNET_ODD_ROUTE;
	hop->ifindex = oif;
	hop->mtu = !v4 && l->mtu6 && l->mtu6 < l->pub.mtu ? l->mtu6 : l->pub.mtu;
	hop->gateway = hop->confirm = false;
	group_mac(dst, hop->mac);
	return HOSTNET_OK;
}
