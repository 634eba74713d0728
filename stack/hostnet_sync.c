/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_sync.c - keeps the tables in step with the kernel: all of them are dumped at the start,
 * notifications are applied as they come, and what became doubtful is dumped again.
 *
 * The kernel announces that a link or address goes before it removes, silently, the routes that
 * hang on it. The removal is therefore repeated here (hostnet_route.c); but a dump under way at
 * that moment may still have shown those routes. Then, and whenever routes have to be dumped again,
 * that waits for some milliseconds, in which the family's datagrams go through the shadow. A dump
 * is also not repeated before ten times its duration passed: a route table of 100000 entries that
 * changes all the time must not eat the processor.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/clock.h"
#include "base/fds.h"
#include "base/log.h"
#include "stack/hostnet_tables.h"
#include "stack/pathmtu.h"

#define SETTLE_NS (10 * NSEC_PER_MSEC)
#define START_TRIES 4
#define POLL_BATCHES 256 /* in one call: a flood of notifications must not keep the caller */

#define DIRTY_SLOW (HOSTNET_DIRTY_ALL | HOSTNET_DIRTY_ROUTES_V4 | HOSTNET_DIRTY_ROUTES_V6)

static const uint8_t groups[] = {
	RTNLGRP_LINK,	    RTNLGRP_NEIGH,	 RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,	 RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,
	RTNLGRP_NEXTHOP,    RTNLGRP_IPV6_IFINFO,
};

static struct netlink nl = { .fd = -1 };
static bool broken;	    /* the socket failed: open another one */
static uint64_t next_ns;    /* no dump before */
static uint64_t settled_ns; /* no dump of routes before; 0: none is waiting */

/* Dumps one table; a family or table that the kernel was built without is empty. */
static int dump(struct hostnet_tables *t, uint16_t type, uint8_t family)
{
	int ret = netlink_dump(&nl, type, family, hostnet_apply, t);

	return ret == -EOPNOTSUPP || ret == -EAFNOSUPPORT || ret == -ENOENT ? 0 : ret;
}

/* The graver one of two results: an error before lost messages before an unsteady table. */
static int worse(int a, int b)
{
	if (a == 0 || (a == -EINTR && b))
		return b;
	return a == -ENOBUFS && b && b != -EINTR ? b : a;
}

static int dump_rules(struct hostnet_tables *t)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int ret = 0, one;

	t->dirty &= ~HOSTNET_DIRTY_RULES;
	for (int i = 0; i < HOSTNET_FAMILIES; i++) {
		t->rules[i] = 0;
		t->odd_rules[i] = false;
		one = netlink_dump(&nl, RTM_GETRULE, families[i], hostnet_apply, t);
		if (one == -EOPNOTSUPP ||
		    one == -EAFNOSUPPORT) { /* a kernel without policy routing */
			hostnet_rules_assume(t, i);
			one = 0;
		}
		ret = worse(ret, one);
	}
	return ret;
}

static int dump_routes(struct hostnet_tables *t, int family)
{
	t->dirty &= ~(family == HOSTNET_V4 ? HOSTNET_DIRTY_ROUTES_V4 : HOSTNET_DIRTY_ROUTES_V6);
	for (int table = 0; table < HOSTNET_TABLES; table++)
		routes_clear(&t->routes[family][table]);
	return dump(t, RTM_GETROUTE, family == HOSTNET_V4 ? AF_INET : AF_INET6);
}

/* An event for each usable address of @from that @other does not have. */
static void report_difference(struct hostnet_tables *t, struct addrs *from, struct addrs *other,
			      bool on)
{
	const struct addr *a;

	for (uint32_t i = 0; i < from->count; i++) {
		a = &addrs_all(from)[i];
		if (addr_usable(a) && addrs_find(from, &a->local, a->ifindex) == a &&
		    !addrs_find(other, &a->local, a->ifindex))
			hostnet_event(t, a, on);
	}
}

/*
 * Reads the addresses into a new table, whose order is the kernel's, and reports what differs from
 * the old one.
 */
static int dump_addrs(struct hostnet_tables *t)
{
	struct addrs old = t->addrs;
	int ret;

	t->addrs = (struct addrs){ .age = old.age + 1 ? old.age + 1 : 1 };
	t->dirty &= ~HOSTNET_DIRTY_ADDRS;
	t->quiet = true;
	ret = dump(t, RTM_GETADDR, AF_UNSPEC);
	t->quiet = false;
	report_difference(t, &old, &t->addrs, false);
	report_difference(t, &t->addrs, &old, true);
	addrs_free(&old);
	if (ret)
		t->dirty |= HOSTNET_DIRTY_ADDRS;
	return ret;
}

static int dump_all(struct hostnet_tables *t)
{
	int ret;

	t->dirty = 0;
	links_clear(&t->links);
	neighbours_clear(&t->neighbours);
	t->labels = 0;
	t->labels_odd = false;
	ret = dump_rules(t);
	ret = worse(ret, dump(t, RTM_GETADDRLABEL, AF_INET6));
	ret = worse(ret, dump(t, RTM_GETLINK, AF_UNSPEC));
	ret = worse(ret, dump_addrs(t));
	ret = worse(ret, dump_routes(t, HOSTNET_V4));
	ret = worse(ret, dump_routes(t, HOSTNET_V6));
	ret = worse(ret, dump(t, RTM_GETNEIGH, AF_UNSPEC));
	if (ret)
		t->dirty |= HOSTNET_DIRTY_ALL;
	return ret;
}

/* Dumps what @dirty says. */
static int dump_some(struct hostnet_tables *t, uint32_t dirty)
{
	int ret = 0;

	if (dirty & HOSTNET_DIRTY_ALL)
		return dump_all(t);
	if (dirty & HOSTNET_DIRTY_RULES)
		ret = worse(ret, dump_rules(t));
	if (dirty & HOSTNET_DIRTY_ADDRS)
		ret = worse(ret, dump_addrs(t));
	if (dirty & HOSTNET_DIRTY_ROUTES_V4)
		ret = worse(ret, dump_routes(t, HOSTNET_V4));
	if (dirty & HOSTNET_DIRTY_ROUTES_V6)
		ret = worse(ret, dump_routes(t, HOSTNET_V6));
	t->dirty |= ret == -EINTR ? dirty : ret ? HOSTNET_DIRTY_ALL : 0;
	return ret;
}

/* One round of dumps, with its bookkeeping. */
static int repair(struct hostnet_tables *t, uint32_t dirty)
{
	uint64_t begun = clock_ns(), ended;
	int ret = 0;

	if (broken) {
		netlink_close(&nl);
		ret = netlink_open(&nl, groups, sizeof(groups));
		broken = ret != 0;
	}
	t->flushed = false;
	if (!ret)
		ret = dump_some(t, dirty);
	if (ret && ret != -EINTR && ret != -ENOBUFS)
		broken = true;
	if (t->flushed) /* the dump may show routes that are gone */
		t->dirty |= HOSTNET_DIRTY_ROUTES_V4 | HOSTNET_DIRTY_ROUTES_V6;
	t->lost = broken;
	t->changed = true;
	settled_ns = 0;
	ended = clock_ns();
	next_ns = ended + 10 * (ended - begun);
	log_debug("hostnet: tables dumped again (%#x) in %u us: %d", dirty,
		  (unsigned)((ended - begun) / NSEC_PER_USEC), ret);
	return ret;
}

/* What of the doubtful may be dumped now? */
static uint32_t due(struct hostnet_tables *t)
{
	uint64_t now = clock_ns();
	uint32_t ready = t->dirty;

	if (!(t->dirty & DIRTY_SLOW))
		settled_ns = 0;
	else if (!settled_ns)
		settled_ns = now + SETTLE_NS;
	if (now < settled_ns)
		ready &= ~DIRTY_SLOW;
	return now < next_ns ? 0 : ready;
}

int hostnet_sync_start(struct hostnet_tables *t)
{
	int ret = netlink_open(&nl, groups, sizeof(groups));

	if (ret)
		return ret;
	pathmtu_open();
	broken = false;
	for (int i = 0; i < START_TRIES; i++) {
		ret = repair(t, HOSTNET_DIRTY_ALL);
		if (ret != -EINTR && ret != -ENOBUFS)
			break;
	}
	if (broken)
		netlink_close(&nl);
	return broken ? ret : 0;
}

void hostnet_sync_stop(struct hostnet_tables *t)
{
	netlink_close(&nl);
	links_free(&t->links);
	addrs_free(&t->addrs);
	neighbours_free(&t->neighbours);
	for (int family = 0; family < HOSTNET_FAMILIES; family++)
		for (int table = 0; table < HOSTNET_TABLES; table++)
			routes_free(&t->routes[family][table]);
	hostnet_mem_free(&t->events);
	hostnet_sync_forget(t);
}

int hostnet_fd(void)
{
	return nl.fd;
}

void hostnet_sync_forget(struct hostnet_tables *t)
{
	fds_close(nl.fd);
	nl = (struct netlink){ .fd = -1 };
	memset(t, 0, sizeof(*t));
	broken = false;
	next_ns = 0;
	settled_ns = 0;
}

void hostnet_sync_poll(struct hostnet_tables *t)
{
	uint32_t ready;
	int ret;

	for (int i = 0; i < POLL_BATCHES && !broken; i++) {
		ret = netlink_read(&nl, hostnet_apply, t);
		if (ret == 0)
			break;
		if (ret < 0) {
			t->dirty |= HOSTNET_DIRTY_ALL;
			t->changed = true;
			broken = ret != -ENOBUFS;
		}
	}
	if (pathmtu_read())
		t->changed = true;
	if (t->addrs.order_unsure)
		t->dirty |= HOSTNET_DIRTY_ADDRS;
	if (!t->dirty)
		return;
	ready = due(t);
	if (ready)
		repair(t, ready);
}
