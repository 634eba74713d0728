/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_rules.c - policy rules and RFC 6724 labels. Neither is mirrored: it is only noticed
 * whether they are what every host has.
 */
#include <linux/fib_rules.h>
#include <linux/if_addrlabel.h>

#include "stack/hostnet_source.h"
#include "stack/hostnet_tables.h"

/* The bit of a rule that every host has; 0 for any other. */
static uint8_t standard_rule(const struct fib_rule_hdr *rule, const struct rtattr **tb, unsigned max)
{
	static const struct {
		uint32_t priority, table;
	} standard[] = { { 0, RT_TABLE_LOCAL },
			 { 32766, RT_TABLE_MAIN },
			 { 32767, RT_TABLE_DEFAULT } };
	uint32_t table = netlink_u32(tb[FRA_TABLE], rule->table);

	if (rule->action != FR_ACT_TO_TBL || rule->src_len || rule->dst_len || rule->tos ||
	    (rule->flags & FIB_RULE_INVERT) || netlink_u32(tb[FRA_SUPPRESS_PREFIXLEN], ~0u) != ~0u)
		return 0;
	for (unsigned i = 1; i <= max; i++)
		if (tb[i] && i != FRA_PRIORITY && i != FRA_TABLE && i != FRA_PROTOCOL &&
		    i != FRA_SUPPRESS_PREFIXLEN)
			return 0;
	for (unsigned i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
		if (netlink_u32(tb[FRA_PRIORITY], 0) == standard[i].priority &&
		    table == standard[i].table)
			return (uint8_t)(1u << i);
	return 0;
}

void hostnet_apply_rule(struct hostnet_tables *t, const struct nlmsghdr *msg, bool dump)
{
	enum { MOST = 63 }; /* whatever kernels to come may ask of a packet: it is not standard */
	const struct fib_rule_hdr *rule = NLMSG_DATA(msg);
	const struct rtattr *tb[MOST + 1];
	uint8_t bit;
	int family;

	if (!netlink_msg_attrs(msg, sizeof(*rule), tb, MOST) ||
	    (rule->family != AF_INET && rule->family != AF_INET6))
		return;
	if (!dump) { /* rules are few: all of them are read again */
		t->dirty |= HOSTNET_DIRTY_RULES;
		t->changed = true;
		return;
	}
	family = rule->family == AF_INET ? HOSTNET_V4 : HOSTNET_V6;
	bit = standard_rule(rule, tb, MOST);
	t->rules[family] |= bit;
	t->odd_rules[family] |= !bit;
}

/* IPv6 has no rule for the default table. */
static const uint8_t expected[HOSTNET_FAMILIES] = { [HOSTNET_V4] = 7, [HOSTNET_V6] = 3 };

bool hostnet_rules_standard(const struct hostnet_tables *t, int family)
{
	return !t->odd_rules[family] && t->rules[family] == expected[family];
}

void hostnet_rules_assume(struct hostnet_tables *t, int family)
{
	t->odd_rules[family] = false;
	t->rules[family] = expected[family];
}

void hostnet_apply_label(struct hostnet_tables *t, const struct nlmsghdr *msg)
{
	const struct ifaddrlblmsg *info = NLMSG_DATA(msg);
	const struct rtattr *tb[IFAL_LABEL + 1];
	struct ipaddr prefix;

	if (!netlink_msg_attrs(msg, sizeof(*info), tb, IFAL_LABEL))
		return;
	if (!netlink_addr(tb[IFAL_ADDRESS], AF_INET6, &prefix) || info->ifal_index ||
	    !hostnet_label_default(&prefix, info->ifal_prefixlen, netlink_u32(tb[IFAL_LABEL], ~0u)))
		t->labels_odd = true;
	t->labels++;
}
