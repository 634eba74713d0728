/* SPDX-License-Identifier: BSD-3-Clause */
/* claim_internal.h - between claim.c, claim_rules.c and claim_reap.c. */
#ifndef NIC_ETHTOOL_CLAIM_INTERNAL_H
#define NIC_ETHTOOL_CLAIM_INTERNAL_H

#include <sys/queue.h>

#include "nic/ethtool/claim.h"
#include "nic/ethtool/ethtool.h"
#include "nic/ethtool/record.h"

#define CLAIM_LOCALS 256

struct claim {
	struct ethtool dev;
	uint64_t netns;
	int ifindex;
	int record_fd; /* locked as long as somebody has it open */
	struct record *record;
	void (*log)(int level, const char *text);
	const bool *confined;
	unsigned complaints;
	unsigned locals;
	struct ipaddr local[CLAIM_LOCALS]; /* the host's addresses */
	struct ethtool_rules rules;	   /* scratch: those on the NIC */
	LIST_ENTRY(claim) open;
};

/* Everything that is looked at or changed under the record's lock; too big for a stack that is not ours. */
struct claim_view {
	struct ethtool dev;
	uint64_t netns;
	int ifindex;
	int dir;
	int err;	 /* the first one */
	unsigned undone; /* processes */
	uint64_t taken;	 /* queues that living processes have */
	struct ethtool_rss rss, next;
	struct ethtool_rules rules;
	struct record_rss record;
};

/* claim_reap.c. With the lock: undoes what dead processes left on view->dev, whose queues are free then. -errno: not all of it. */
int claim_reap_locked(struct claim_view *view);

/* Makes the RSS table one without @taken. */
int claim_set_rss(struct claim_view *view, uint64_t taken);

/* claim_rules.c. Adds one rule to @c and the NIC; -EINVAL or -EOPNOTSUPP: the driver does not take such a one. */
int claim_add_rule(struct claim *c, bool v6, const struct ipaddr *addr, uint16_t port);

/* Takes the rule off the NIC and out of the record. */
int claim_drop_rule(struct claim *c, struct record_rule *r);

#endif
