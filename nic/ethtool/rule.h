/* SPDX-License-Identifier: BSD-3-Clause */
/* rule.h - what is to be told to a NIC, worked out without asking it: RSS tables and ntuple rules. */
#ifndef NIC_ETHTOOL_RULE_H
#define NIC_ETHTOOL_RULE_H

#include <linux/ethtool.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"

/*
 * @before (@n entries) without the queues in the bit mask @taken, of @queues in all, into @after. Only entries that name
 * one of them are changed: each goes to the next of the other queues that the table has, or, where it has none, of all others. An
 * operator's own weights so stay as they are as far as possible. False: no queue is left.
 */
bool rule_shrink_rss(const uint32_t *before, unsigned n, uint64_t taken, unsigned queues,
		     uint32_t *after);

/* Is it what the driver sets up by itself for @queues queues? */
bool rule_default_rss(const uint32_t *table, unsigned n, unsigned queues);

/* UDP to @port (network order) of @addr ("any": whichever address of the family) goes to @queue. */
void rule_build(struct ethtool_rx_flow_spec *rule, bool v6, const struct ipaddr *addr,
		uint16_t port, uint32_t queue);

/* Does @there, read back from a driver, match and do what @ours does? The location is not compared. */
bool rule_same(const struct ethtool_rx_flow_spec *ours, const struct ethtool_rx_flow_spec *there);

#endif
