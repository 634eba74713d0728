/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record.h - files about what we have changed on a NIC and would outlive us (R6), so that whoever comes next can undo it.
 *
 * Two kinds in RECORD_DIR, named after network namespace and interface:
 *
 *   NETNS-IFINDEX-PID-N.queues  one for each process that has queues of its own, or several that were forked from one another: the
 *                               queues, and the rules. Mapped by them, so that a store is all that it takes to record a rule;
 *                               locked (flock) as long as one of them lives.
 *   NETNS-IFINDEX.rss           while there is any of those: what the RSS table was before, and what we made of it.
 *
 * Everything that changes a NIC's RSS table, and all creating and removing of files, happens under one lock.
 */
#ifndef NIC_ETHTOOL_RECORD_H
#define NIC_ETHTOOL_RECORD_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"
#include "nic/ethtool/ethtool.h"

#define RECORD_DIR "/run/kbaccel"
#define RECORD_RULES 1024

enum record_state {
	RECORD_FREE,
	RECORD_SOUGHT, /* being added: it may be there, at a location that is not known yet */
	RECORD_THERE,
	RECORD_SPLIT, /* not on the NIC: "any" address, which this one takes a rule for each address of the host for */
};

struct record_rule {
	struct ipaddr addr; /* "any": of the family */
	uint16_t port;	    /* network order */
	uint8_t v6;
	uint8_t state; /* enum record_state */
	uint32_t location;
	uint32_t queue;
	uint32_t users; /* flows that are steered by it */
	uint32_t used; /* when it last had none any more, by the head's clock; 0: it has never had one */
};

struct record_head {
	char magic[8];
	uint32_t version;
	int32_t ifindex;
	uint64_t netns;
	uint64_t queues; /* bit mask */
	int32_t pid;
	uint32_t limit; /* rules from here on are free */
	uint32_t clock;
	uint32_t zero;
};

struct record {
	struct record_head head;
	struct record_rule rule[RECORD_RULES];
};

struct record_rss {
	char magic[8];
	uint32_t version;
	int32_t ifindex;
	uint64_t netns;
	uint32_t ntuple_was_off;
	uint32_t size;
	/* As we found it; as we have made it; and what we made before that, which may be there still. */
	uint32_t before[ETHTOOL_MAX_RSS], now[ETHTOOL_MAX_RSS], last[ETHTOOL_MAX_RSS];
};

/* Is there a directory that could have any? */
bool record_is_there(void);

/* The directory, made if it is not there, with the lock; -errno: EACCES no right to it, ETIMEDOUT somebody has the lock. */
int record_lock(void);
void record_unlock(int dir);

/*
 * A new file, mapped, for the namespace, interface and queues of @what (nothing else of which is looked at); its locked descriptor,
 * whose number is not below @above. -errno.
 */
int record_create(int dir, const struct record_head *what, int above, struct record **out);
void record_unmap(struct record *r);

/* What record_each() hands over. */
struct record_found {
	const char *name;
	uint64_t netns;
	int ifindex;
	bool alive;
	struct record *record; /* mapped; also that of the living */
};

/* Each process's file of @netns and @ifindex (0: all). @fn may call record_remove(). -errno of the directory. */
int record_each(int dir, uint64_t netns, int ifindex,
		void (*fn)(struct record_found *found, void *context), void *context);
void record_remove(int dir, const char *name);

/* False: there is none (or none that can be trusted). */
bool record_read_rss(int dir, uint64_t netns, int ifindex, struct record_rss *rss);

/* All of it or nothing. 0 or -errno. */
int record_write_rss(int dir, struct record_rss *rss);
void record_remove_rss(int dir, uint64_t netns, int ifindex);

/* The indices of @netns's interfaces that there are files of; how many. @others: files of other namespaces. */
unsigned record_interfaces(int dir, uint64_t netns, int *ifindex, unsigned max, unsigned *others);

#endif
