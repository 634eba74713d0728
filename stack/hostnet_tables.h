/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_tables.h - inside of hostnet: the mirrored tables, what fills them and what reads them.
 *
 *     hostnet.c         lock, generation, calls of the contract
 *     hostnet_sync.c    dumps and notifications: when the tables are read, and when again
 *     hostnet_apply.c   one message of the kernel -> the tables (hostnet_route.c, hostnet_rules.c)
 *     hostnet_links.c, hostnet_addrs.c, routes.c, neighbours.c    the tables
 *     hostnet_lookup.c  the tables -> a hop (hostnet_source.c: its source address)
 *
 * Everything here runs under hostnet.c's lock, makes system calls directly, and allocates no memory
 * but by mapping it.
 */
#ifndef STACK_HOSTNET_TABLES_H
#define STACK_HOSTNET_TABLES_H

#include <linux/netlink.h>

#include "stack/hostnet.h"
#include "stack/hostnet_mem.h"
#include "stack/neighbours.h"
#include "stack/netlink.h"
#include "stack/routes.h"

/* ---- links ---- */

struct link {
	struct hostnet_link pub;
	uint32_t mtu6;	       /* what IPv6 uses; 0: the same */
	bool prefer_temporary; /* use_tempaddr >= 2 */
	bool oif_addrs_only;   /* use_oif_addrs_only */
};

struct links {
	struct hostnet_mem all;	  /* struct link[count] */
	struct hostnet_mem index; /* uint32_t[mask + 1]: place in all + 1, hashed by ifindex */
	uint32_t count, mask;
};

struct link *links_find(const struct links *t, int ifindex);

/* The link's entry, a new one if need be; NULL: no memory. */
struct link *links_get(struct links *t, int ifindex);
bool links_remove(struct links *t, int ifindex);
void links_clear(struct links *t);
void links_free(struct links *t);

static inline struct link *links_all(const struct links *t)
{
	return t->all.base;
}

/* ---- local addresses ---- */

struct addr {
	struct ipaddr local;
	struct ipaddr prefix; /* masked to len; of the peer's address if there is one */
	int ifindex;
	uint32_t flags; /* IFA_F_* */
	uint8_t len;	/* IPv4: 96..128 */
	uint8_t scope;	/* RT_SCOPE_* */
	bool v4;
};

struct addrs {
	struct hostnet_mem all;	  /* struct addr[count], those of one link in the kernel's order */
	struct hostnet_mem index; /* uint32_t[mask + 1]: place in all + 1, hashed by local address */
	uint32_t count, mask;
	bool indexed;	   /* the index is up to date */
	bool order_unsure; /* an address came: where in the kernel's list it is, a dump will tell */
	uint32_t age;	   /* changes with every change; never 0 */
};

static inline struct addr *addrs_all(const struct addrs *t)
{
	return t->all.base;
}

/* Can it be used now? (Not while duplicate address detection runs.) */
bool addr_usable(const struct addr *a);

/* A usable entry of that address on @ifindex, or on any link for 0; NULL: none. */
const struct addr *addrs_find(struct addrs *t, const struct ipaddr *local, int ifindex);

/* 1: something changed, 0: it was so already, or -ENOMEM. */
int addrs_set(struct addrs *t, const struct addr *a);
bool addrs_remove(struct addrs *t, const struct addr *a);

/* How many addresses of a family has the link? */
unsigned addrs_count(const struct addrs *t, int ifindex, bool v4);
void addrs_clear(struct addrs *t);
void addrs_free(struct addrs *t);

/* ---- all tables ---- */

enum { HOSTNET_V4, HOSTNET_V6, HOSTNET_FAMILIES };
enum { HOSTNET_LOCAL_TABLE, HOSTNET_MAIN_TABLE, HOSTNET_DEFAULT_TABLE, HOSTNET_TABLES };

/* What does not fit any more and is to be dumped again. */
#define HOSTNET_DIRTY_RULES 0x1u
#define HOSTNET_DIRTY_ADDRS 0x2u
#define HOSTNET_DIRTY_ROUTES_V4 0x4u
#define HOSTNET_DIRTY_ROUTES_V6 0x8u
#define HOSTNET_DIRTY_ALL 0x10u

/* An address came or went; for the function that hostnet_open() was given. */
struct hostnet_event {
	struct ipaddr addr;
	int ifindex;
	bool on;
};

struct hostnet_tables {
	struct links links;
	struct addrs addrs;
	struct routes routes[HOSTNET_FAMILIES][HOSTNET_TABLES];
	struct neighbours neighbours;
	uint8_t rules[HOSTNET_FAMILIES];  /* which of the standard rules are there, one bit each */
	bool odd_rules[HOSTNET_FAMILIES]; /* others are there too */
	uint32_t labels;		  /* entries of the table of RFC 6724 labels */
	bool labels_odd;		  /* one of them is not a default one */
	bool objects;			  /* routes made from nexthop objects were seen */
	bool flushed; /* routes were removed that the kernel removes silently; see hostnet_sync.c */
	bool lost;    /* nothing is heard of the kernel any more: what stands here may be wrong */
	bool changed; /* something that a look-up could notice */
	bool quiet;   /* no events: the difference is taken at the end of the dump */
	uint32_t dirty;		   /* HOSTNET_DIRTY_* */
	struct hostnet_mem events; /* struct hostnet_event[event_count], from event_first on */
	uint32_t event_first, event_count;
};

/* Applies one message; ctx is the struct hostnet_tables. */
void hostnet_apply(void *ctx, const struct nlmsghdr *msg, bool dump);
void hostnet_apply_route(struct hostnet_tables *t, const struct nlmsghdr *msg, bool dump);
void hostnet_apply_object(struct hostnet_tables *t);
void hostnet_apply_rule(struct hostnet_tables *t, const struct nlmsghdr *msg, bool dump);
void hostnet_apply_label(struct hostnet_tables *t, const struct nlmsghdr *msg);

/* A table changed; a negative @ret is an error that leaves it incomplete. */
void hostnet_note(struct hostnet_tables *t, int ret);

/* IPv6 then changes, silently, routes that have an MTU, or that source: such are dumped again. */
void hostnet_mtu_changed(struct hostnet_tables *t, int ifindex);
void hostnet_prefsrc_gone(struct hostnet_tables *t, const struct ipaddr *addr);

/* The routes that the kernel removes without a word when ... */
void hostnet_flush_down(struct hostnet_tables *t, int ifindex); /* a link goes down */
void hostnet_flush_link(struct hostnet_tables *t, int ifindex); /* a link disappears */
void hostnet_flush_v4(struct hostnet_tables *t, int ifindex);	/* its last IPv4 address goes */
void hostnet_flush_prefsrc(struct hostnet_tables *t, const struct ipaddr *addr);

/* Notes that an address came or went. */
void hostnet_event(struct hostnet_tables *t, const struct addr *a, bool on);

/* Are the policy rules of that family the standard ones? */
bool hostnet_rules_standard(const struct hostnet_tables *t, int family);
void hostnet_rules_assume(struct hostnet_tables *t, int family); /* there is nothing but them */

/* hostnet_lookup() without the lock. */
enum hostnet_verdict hostnet_resolve(struct hostnet_tables *t, const struct ipaddr *dst,
				     const struct ipaddr *source, int oif, struct hostnet_hop *hop);

enum hostnet_verdict hostnet_resolve_group(struct hostnet_tables *t, const struct ipaddr *dst,
					   const struct ipaddr *source, int oif,
					   struct hostnet_hop *hop);

/* Opens the socket and reads all tables. 0 or -errno. */
int hostnet_sync_start(struct hostnet_tables *t);
void hostnet_sync_stop(struct hostnet_tables *t);

/*
 * The same as stop, for tables that may be in the middle of a change: their memory is given up, not
 * freed.
 */
void hostnet_sync_forget(struct hostnet_tables *t);

/* Reads notifications; dumps what became doubtful. */
void hostnet_sync_poll(struct hostnet_tables *t);

#endif
