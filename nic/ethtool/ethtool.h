/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ethtool.h - what a NIC's own steering can be asked and told: RX queues, the RSS indirection table, ntuple rules. One
 * function for each SIOCETHTOOL command that we use; the kernel's side is net/ethtool/ioctl.c and the driver's ethtool_ops.
 *
 * The calls return -errno; what is the driver's own refusal and what the kernel's can not be told apart. ENOTSUPP (524), which some
 * drivers let out, becomes EOPNOTSUPP. Whatever changes something needs CAP_NET_ADMIN at the time of the call.
 */
#ifndef NIC_ETHTOOL_ETHTOOL_H
#define NIC_ETHTOOL_ETHTOOL_H

#include <linux/ethtool.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ETHTOOL_MAX_RSS 4096
#define ETHTOOL_MAX_RULES 8192

struct ethtool {
	int fd; /* a socket of the network namespace */
	char ifname[IF_NAMESIZE];
};

/* The RSS indirection table; as struct ethtool_rxfh_indir has it. */
struct ethtool_rss {
	uint32_t cmd;
	uint32_t size; /* entries */
	uint32_t queue[ETHTOOL_MAX_RSS];
};

/* The ntuple rules that are there. */
struct ethtool_rules {
	uint32_t count;
	uint32_t room;	   /* locations: 0 to room - 1 */
	bool driver_picks; /* the location is not ours to choose */
	struct {
		struct ethtool_rxnfc head;
		uint32_t rest[ETHTOOL_MAX_RULES];
	} list;
};

/* Where rule @i is. The kernel's list begins inside the structure's padding. */
static inline uint32_t ethtool_location(const struct ethtool_rules *rules, uint32_t i)
{
	uint32_t location;

	memcpy(&location,
	       (const char *)&rules->list + offsetof(struct ethtool_rxnfc, rule_locs) +
		       i * sizeof(location),
	       sizeof(location));
	return location;
}

/* 0, or -errno. */
int ethtool_open(struct ethtool *e, const char *ifname);
void ethtool_close(struct ethtool *e);

/* The interface's index (-errno), and the name of one with that index. */
int ethtool_ifindex(const struct ethtool *e);
int ethtool_find(struct ethtool *e, int ifindex);

/* Tells this network namespace from all others that there have been since the machine was started. */
uint64_t ethtool_netns(const struct ethtool *e);

/* RX queues in use, of which RSS and rules may name each; -errno. */
int ethtool_queues(const struct ethtool *e);

/* Table of RSS context @context; 0 is the interface's own. */
int ethtool_read_rss(const struct ethtool *e, uint32_t context, struct ethtool_rss *rss);

/* Of size 0: the driver's default, queue i % n for entry i. */
int ethtool_write_rss(const struct ethtool *e, struct ethtool_rss *rss);

/* Are ntuple rules switched on? */
int ethtool_ntuple(const struct ethtool *e, bool *on);
int ethtool_set_ntuple(const struct ethtool *e, bool on);

/* Fills all of @rules. */
int ethtool_list_rules(const struct ethtool *e, struct ethtool_rules *rules);

/* @context: what a rule with FLOW_RSS spreads by. */
int ethtool_read_rule(const struct ethtool *e, uint32_t location, struct ethtool_rx_flow_spec *rule,
		      uint32_t *context);

/* At rule->location, which is written back where the driver has picked it. A rule that is there is replaced by some drivers. */
int ethtool_add_rule(const struct ethtool *e, struct ethtool_rx_flow_spec *rule);
int ethtool_delete_rule(const struct ethtool *e, uint32_t location);

#endif
