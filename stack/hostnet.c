/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet.c - see hostnet.h: the calls of the contract, their lock, the generation, and the
 * reporting of addresses.
 *
 * The lock is a word that names its owner, so that a signal handler of the host program which
 * interrupts the owner finds out instead of waiting for itself. A look-up never waits long: in
 * doubt the datagram goes through the shadow. Addresses are reported without the lock, in order, by
 * one thread at a time.
 */
#define _GNU_SOURCE
#include "stack/hostnet.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/sandbox.h"
#include "stack/hostnet_tables.h"

#define BRIEF_TRIES 200 /* some microseconds: other look-ups take no longer */
#define WAIT_NS 20000	/* between tries of those who must have the lock */

uint32_t hostnet_generation;

static struct hostnet_tables tables;
static hostnet_addr_fn report;
static bool is_open;
static uintptr_t owner; /* of the lock: a thread's own(), or 0 */
static bool delivering;

/* A number of this thread: no other one has a variable here. */
static uintptr_t own(void)
{
	static __thread char here __attribute__((tls_model("initial-exec")));

	return (uintptr_t)&here;
}

static bool lock_try(void)
{
	uintptr_t nobody = 0;

	return __atomic_compare_exchange_n(&owner, &nobody, own(), false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static bool lock_is_mine(void)
{
	return __atomic_load_n(&owner, __ATOMIC_RELAXED) == own();
}

static bool lock_brief(void)
{
	for (int i = 0; i < BRIEF_TRIES; i++) {
		if (lock_try())
			return true;
		if (lock_is_mine())
			return false;
		clock_pause();
	}
	return false;
}

/* Waits for the lock; false only for a signal handler that interrupted its owner. */
static bool lock_wait(void)
{
	struct timespec ts = { 0, WAIT_NS };

	while (!lock_brief()) {
		if (lock_is_mine())
			return false;
		own_call6(SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
	}
	return true;
}

static void unlock(void)
{
	if (tables.changed) {
		tables.changed = false;
		__atomic_store_n(&hostnet_generation, hostnet_generation + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&owner, 0, __ATOMIC_RELEASE);
}

static bool next_event(struct hostnet_event *e)
{
	bool some;

	if (!lock_wait())
		return false;
	some = tables.event_count != 0;
	if (some) {
		*e = ((struct hostnet_event *)tables.events.base)[tables.event_first++];
		if (!--tables.event_count)
			tables.event_first = 0;
	}
	unlock();
	return some;
}

/*
 * Reports what came and went, unless another thread (or the frame that we interrupt) is about it
 * already.
 */
static void deliver(void)
{
	struct hostnet_event e;

	while (__atomic_load_n(&tables.event_count, __ATOMIC_RELAXED)) {
		if (__atomic_exchange_n(&delivering, true, __ATOMIC_ACQUIRE))
			return;
		while (next_event(&e))
			if (report)
				report(&e.addr, e.ifindex, e.on);
		__atomic_store_n(&delivering, false, __ATOMIC_RELEASE);
		if (lock_is_mine()) /* a signal handler: the frame below goes on with it */
			return;
	}
}

int hostnet_open(hostnet_addr_fn fn)
{
	int ret = 0;

	if (!lock_wait())
		return -EBUSY;
	report = fn;
	if (!is_open) {
		ret = hostnet_sync_start(&tables);
		if (ret)
			hostnet_sync_stop(&tables);
		else
			is_open = true;
		tables.changed = true;
	}
	unlock();
	deliver();
	return ret;
}

void hostnet_close(void)
{
	if (!lock_wait())
		return;
	is_open = false;
	hostnet_sync_stop(&tables);
	tables.changed = true;
	unlock();
}

int hostnet_reopen(void)
{
	/* a thread that held the lock did not come along, and its change will not be finished */
	if (__atomic_load_n(&owner, __ATOMIC_RELAXED)) {
		hostnet_sync_forget(&tables);
		is_open = false;
		__atomic_store_n(&owner, 0, __ATOMIC_RELEASE);
	}
	delivering = false;
	hostnet_close();
	return hostnet_open(report);
}

void hostnet_confine(void)
{
	if (!lock_wait())
		return;
	hostnet_mem_confine();
	unlock();
}

void hostnet_refresh(void)
{
	if (!is_open || !lock_brief())
		return;
	if (is_open)
		hostnet_sync_poll(&tables);
	unlock();
	deliver();
}

enum hostnet_verdict hostnet_lookup(const struct ipaddr *dst, const struct ipaddr *source, int oif,
				    struct hostnet_hop *hop)
{
	enum hostnet_verdict verdict = HOSTNET_ODD_ROUTE;

	if (!lock_brief())
		return verdict;
	if (is_open && !tables.lost)
		verdict = hostnet_resolve(&tables, dst, source, oif, hop);
	unlock();
	return verdict;
}

enum hostnet_verdict hostnet_lookup_group(const struct ipaddr *dst, const struct ipaddr *source,
					  int oif, struct hostnet_hop *hop)
{
	enum hostnet_verdict verdict = HOSTNET_ODD_ROUTE;

	if (!lock_brief())
		return verdict;
	if (is_open && !tables.lost)
		verdict = hostnet_resolve_group(&tables, dst, source, oif, hop);
	unlock();
	return verdict;
}

bool hostnet_is_local(const struct ipaddr *addr, int *ifindex)
{
	const struct addr *a;
	bool found;

	if (!lock_wait())
		return false;
	a = addrs_find(&tables.addrs, addr, 0);
	found = a != NULL;
	if (found && ifindex)
		*ifindex = a->ifindex;
	unlock();
	return found;
}

/* Marks the link that a route leads to, unless it leads to neighbours only that every link has. */
static void mark_family(const struct route *r, void *arg)
{
	struct link *l = links_find(&tables.links, r->oif);
	const struct ipaddr *dst = &r->dst;

	(void)arg;
	if (!l || r->type != RTN_UNICAST || ipaddr_is_multicast(dst))
		return;
	if (!ipaddr_is_v4(dst))
		l->pub.has_v6 |= !ipaddr_is_linklocal6(dst);
	else
		l->pub.has_v4 |= r->len < 96 + 16 || dst->b[12] != 169 || dst->b[13] != 254;
}

unsigned hostnet_links(struct hostnet_link *links, unsigned max)
{
	unsigned n = 0;

	if (!lock_wait())
		return 0;
	for (uint32_t i = 0; i < tables.links.count; i++)
		links_all(&tables.links)[i].pub.has_v4 = links_all(&tables.links)[i].pub.has_v6 =
			false;
	routes_each(&tables.routes[HOSTNET_V4][HOSTNET_MAIN_TABLE], mark_family, NULL);
	routes_each(&tables.routes[HOSTNET_V6][HOSTNET_MAIN_TABLE], mark_family, NULL);
	for (; n < max && n < tables.links.count; n++)
		links[n] = links_all(&tables.links)[n].pub;
	unlock();
	return n;
}

void hostnet_forked(void)
{
	if (__atomic_load_n(&owner, __ATOMIC_RELAXED))
		hostnet_reopen();
}
