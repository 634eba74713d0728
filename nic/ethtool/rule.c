/* SPDX-License-Identifier: BSD-3-Clause */
/* rule.c - see rule.h. */
#include "nic/ethtool/rule.h"

#include <string.h>

#define MAX_QUEUES 64

static bool has(uint64_t mask, uint32_t queue)
{
	return queue < MAX_QUEUES && (mask >> queue & 1);
}

/* The queues that entries may be given to, into @others. */
static unsigned find_others(const uint32_t *before, unsigned n, uint64_t taken, unsigned queues,
			    uint32_t *others)
{
	uint64_t named = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		if (before[i] < MAX_QUEUES)
			named |= 1ull << before[i];
	if ((named & ~taken) == 0)
		named = ~0ull;
	for (uint32_t q = 0; q < queues && q < MAX_QUEUES; q++)
		if (has(named & ~taken, q))
			others[count++] = q;
	return count;
}

bool rule_shrink_rss(const uint32_t *before, unsigned n, uint64_t taken, unsigned queues,
		     uint32_t *after)
{
	uint32_t others[MAX_QUEUES];
	unsigned count = find_others(before, n, taken, queues, others), next = 0;

	for (unsigned i = 0; i < n; i++) {
		after[i] = before[i];
		if (!has(taken, before[i]))
			continue;
		if (count == 0)
			return false;
		after[i] = others[next++ % count];
	}
	return count > 0;
}

bool rule_default_rss(const uint32_t *table, unsigned n, unsigned queues)
{
	for (unsigned i = 0; i < n; i++)
		if (queues == 0 || table[i] != i % queues)
			return false;
	return true;
}

void rule_build(struct ethtool_rx_flow_spec *rule, bool v6, const struct ipaddr *addr,
		uint16_t port, uint32_t queue)
{
	bool any = ipaddr_is_any(addr);

	memset(rule, 0, sizeof(*rule));
	rule->ring_cookie = queue;
	if (v6) {
		rule->flow_type = UDP_V6_FLOW;
		rule->h_u.udp_ip6_spec.pdst = port;
		rule->m_u.udp_ip6_spec.pdst = 0xffff;
		memcpy(rule->h_u.udp_ip6_spec.ip6dst, addr->b, 16);
		memset(rule->m_u.udp_ip6_spec.ip6dst, any ? 0 : 0xff, 16);
		return;
	}
	rule->flow_type = UDP_V4_FLOW;
	rule->h_u.udp_ip4_spec.pdst = port;
	rule->m_u.udp_ip4_spec.pdst = 0xffff;
	rule->h_u.udp_ip4_spec.ip4dst = any ? 0 : ipaddr_v4(addr);
	rule->m_u.udp_ip4_spec.ip4dst = any ? 0 : 0xffffffff;
}

/* What the driver is not asked to look at it may return as it likes, but for the masks. */
static bool same4(const struct ethtool_rx_flow_spec *a, const struct ethtool_rx_flow_spec *b)
{
	const struct ethtool_tcpip4_spec *mask = &a->m_u.udp_ip4_spec, *other = &b->m_u.udp_ip4_spec;

	return mask->ip4dst == other->ip4dst && mask->pdst == other->pdst &&
	       mask->ip4src == other->ip4src && mask->psrc == other->psrc &&
	       a->h_u.udp_ip4_spec.pdst == b->h_u.udp_ip4_spec.pdst &&
	       a->h_u.udp_ip4_spec.ip4dst == (b->h_u.udp_ip4_spec.ip4dst & other->ip4dst);
}

static bool same6(const struct ethtool_rx_flow_spec *a, const struct ethtool_rx_flow_spec *b)
{
	const struct ethtool_tcpip6_spec *mask = &a->m_u.udp_ip6_spec, *other = &b->m_u.udp_ip6_spec;

	if (memcmp(mask->ip6dst, other->ip6dst, 16) != 0 ||
	    memcmp(mask->ip6src, other->ip6src, 16) != 0 || mask->pdst != other->pdst ||
	    mask->psrc != other->psrc || a->h_u.udp_ip6_spec.pdst != b->h_u.udp_ip6_spec.pdst)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (a->h_u.udp_ip6_spec.ip6dst[i] !=
		    (b->h_u.udp_ip6_spec.ip6dst[i] & mask->ip6dst[i]))
			return false;
	return true;
}

bool rule_same(const struct ethtool_rx_flow_spec *ours, const struct ethtool_rx_flow_spec *there)
{
	if (ours->flow_type != there->flow_type || ours->ring_cookie != there->ring_cookie)
		return false;
	return ours->flow_type == UDP_V6_FLOW ? same6(ours, there) : same4(ours, there);
}
