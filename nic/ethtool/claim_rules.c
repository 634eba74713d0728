/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * claim_rules.c - the rules of one claim. They live in its record, so that the processes that have it in common, one after the
 * other, see the same.
 *
 * Drivers differ in what they take: some only rules that all look at the same fields, some none without an address. So there are
 * two shapes for each port, with and without the local address, and where one is refused the other is tried: for a bound socket its
 * address, or all addresses; for a wildcard all addresses, or one rule for each that the host has.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/log.h"
#include "base/rawcall.h"
#include "nic/ethtool/claim_internal.h"
#include "nic/ethtool/rule.h"

#define MAX_IDLE 256
#define MAX_COMPLAINTS 8
#define BUSY_TRIES 5

static const struct ipaddr any;

/* ---- the record ---- */

static struct record_rule *find(const struct claim *c, bool v6, const struct ipaddr *addr,
				uint16_t port)
{
	for (unsigned i = 0; i < c->record->head.limit; i++) {
		struct record_rule *r = &c->record->rule[i];

		if (r->state != RECORD_FREE && r->port == port && r->v6 == v6 &&
		    ipaddr_equal(&r->addr, addr))
			return r;
	}
	return NULL;
}

/* The rule that brings datagrams to @addr and @port here, or NULL. */
static struct record_rule *cover(const struct claim *c, bool v6, const struct ipaddr *addr,
				 uint16_t port)
{
	struct record_rule *r = find(c, v6, &any, port);

	if (r && (r->state == RECORD_THERE || ipaddr_is_any(addr)))
		return r;
	r = find(c, v6, addr, port);
	return r && r->state == RECORD_THERE ? r : NULL;
}

static struct record_rule *find_free(const struct claim *c)
{
	uint32_t *limit = &c->record->head.limit;

	for (unsigned i = 0; i < *limit; i++)
		if (c->record->rule[i].state == RECORD_FREE)
			return &c->record->rule[i];
	if (*limit == RECORD_RULES)
		return NULL;
	return &c->record->rule[(*limit)++];
}

/* Has it done its work, and is nobody there any more who needs it? */
static bool is_idle(const struct claim *c, const struct record_rule *r)
{
	const struct record_rule *split;

	if (r->state != RECORD_THERE || r->users)
		return false;
	if (r->used)
		return true;
	split = ipaddr_is_any(&r->addr) ? NULL : find(c, r->v6, &any, r->port);
	return split && split->state == RECORD_SPLIT && !split->users && split->used;
}

static struct record_rule *oldest_idle(const struct claim *c, unsigned *count)
{
	struct record_rule *oldest = NULL;

	*count = 0;
	for (unsigned i = 0; i < c->record->head.limit; i++) {
		struct record_rule *r = &c->record->rule[i];

		if (!is_idle(c, r))
			continue;
		++*count;
		if (!oldest || r->used < oldest->used)
			oldest = r;
	}
	return oldest;
}

/* ---- the NIC ---- */

int claim_drop_rule(struct claim *c, struct record_rule *r)
{
	int err = r->state == RECORD_THERE ? ethtool_delete_rule(&c->dev, r->location) : 0;

	/* Without privileges it stays where it is, and does no harm. */
	if (err == -EPERM || err == -EACCES || err == -EBUSY)
		return err;
	r->state = RECORD_FREE;
	return 0;
}

static bool is_listed(const struct ethtool_rules *rules, uint32_t location)
{
	for (uint32_t i = 0; i < rules->count; i++)
		if (ethtool_location(rules, i) == location)
			return true;
	return false;
}

/* The last free place: the first ones have precedence on many NICs, and what an operator adds takes it over ours. */
static int pick_location(struct claim *c, uint32_t *location)
{
	int err = ethtool_list_rules(&c->dev, &c->rules);

	if (err < 0)
		return err;
	*location = RX_CLS_LOC_ANY;
	if (c->rules.driver_picks)
		return 0;
	for (uint32_t at = c->rules.room; at-- > 0;)
		if (!is_listed(&c->rules, at)) {
			*location = at;
			return 0;
		}
	return -ENOSPC;
}

static uint32_t queue_of(const struct claim *c, uint16_t port)
{
	unsigned n = ntohs(port) % (unsigned)__builtin_popcountll(c->record->head.queues);
	uint64_t queues = c->record->head.queues;

	while (n-- > 0)
		queues &= queues - 1;
	return (uint32_t)__builtin_ctzll(queues);
}

/* Some drivers refuse while they reset. */
static int insert(const struct claim *c, struct ethtool_rx_flow_spec *rule)
{
	static const struct timespec nap = { 0, 20000000 };
	int err = ethtool_add_rule(&c->dev, rule);

	for (int i = 1; err == -EBUSY && i < BUSY_TRIES; i++) {
		rawcall6(SYS_nanosleep, (long)&nap, 0, 0, 0, 0, 0);
		err = ethtool_add_rule(&c->dev, rule);
	}
	return err;
}

static int add_once(struct claim *c, bool v6, const struct ipaddr *addr, uint16_t port)
{
	struct record_rule *r = find_free(c);
	struct ethtool_rx_flow_spec rule;
	uint32_t location;
	int err = r ? pick_location(c, &location) : -ENOSPC;

	if (err < 0)
		return err;
	*r = (struct record_rule){ .addr = *addr, .port = port, .v6 = v6, .queue = queue_of(c, port) };
	rule_build(&rule, v6, addr, port, r->queue);
	rule.location = location;
	__atomic_store_n(&r->state, RECORD_SOUGHT, __ATOMIC_SEQ_CST);
	err = insert(c, &rule);
	r->location = rule.location;
	__atomic_store_n(&r->state, err < 0 ? RECORD_FREE : RECORD_THERE, __ATOMIC_SEQ_CST);
	return err;
}

int claim_add_rule(struct claim *c, bool v6, const struct ipaddr *addr, uint16_t port)
{
	unsigned idle;
	struct record_rule *oldest = oldest_idle(c, &idle);
	int err;

	if (idle > MAX_IDLE)
		claim_drop_rule(c, oldest);
	err = add_once(c, v6, addr, port);
	while (err == -ENOSPC && (oldest = oldest_idle(c, &idle)) && claim_drop_rule(c, oldest) == 0)
		err = add_once(c, v6, addr, port);
	return err;
}

/* ---- flows ---- */

static bool is_refusal(int err)
{
	return err == -EINVAL || err == -EOPNOTSUPP;
}

/* A rule for each address. One that was refused leaves what comes to that address to the kernel. */
static int split(struct claim *c, bool v6, uint16_t port)
{
	struct record_rule *whole = find(c, v6, &any, port);
	int err, first = 0;
	bool some = false;

	for (unsigned i = 0; i < c->locals; i++) {
		if (ipaddr_is_v4(&c->local[i]) == v6 || ipaddr_is_loopback(&c->local[i]))
			continue;
		err = find(c, v6, &c->local[i], port) ? 0
						      : claim_add_rule(c, v6, &c->local[i], port);
		some |= err == 0;
		first = first ? first : err;
	}
	if (!some)
		return first ? first : -EOPNOTSUPP;
	if (!whole)
		whole = find_free(c);
	if (!whole)
		return -ENOSPC;
	if (whole->state == RECORD_FREE)
		*whole = (struct record_rule){ .port = port, .v6 = v6, .state = RECORD_SPLIT };
	return 0;
}

static int expect_any(struct claim *c, bool v6, uint16_t port)
{
	const struct record_rule *r = find(c, v6, &any, port);
	int err;

	if (r && r->state == RECORD_THERE)
		return 0;
	err = r ? -EINVAL : claim_add_rule(c, v6, &any, port);
	return is_refusal(err) ? split(c, v6, port) : err;
}

static int expect_one(struct claim *c, bool v6, const struct ipaddr *addr, uint16_t port)
{
	int err;

	if (cover(c, v6, addr, port))
		return 0;
	err = claim_add_rule(c, v6, addr, port);
	if (is_refusal(err))
		err = claim_add_rule(c, v6, &any, port);
	return err;
}

static void complain(struct claim *c, bool v6, uint16_t port, int err)
{
	char text[160];

	if (!c->log || c->complaints++ >= MAX_COMPLAINTS)
		return;
	snprintf(text, sizeof(text),
		 "%s: no steering rule for %s to UDP port %u (%s): they stay on the kernel path",
		 c->dev.ifname, v6 ? "IPv6 datagrams" : "IPv4 datagrams", ntohs(port),
		 strerror(-err));
	c->log(LOG_LEVEL_WARN, text);
}

int claim_expect(struct claim *c, const struct nic_flow *flow)
{
	uint16_t port = flow->local_port;
	int err4 = 0, err6 = 0;

	if (!ipaddr_is_any(&flow->local))
		return expect_one(c, !ipaddr_is_v4(&flow->local), &flow->local, port);
	if (flow->families & NIC_FLOW_V4)
		err4 = expect_any(c, false, port);
	if (flow->families & NIC_FLOW_V6)
		err6 = expect_any(c, true, port);
	if (err4 < 0 && (err6 < 0 || !(flow->families & NIC_FLOW_V6)))
		return err4;
	if (err6 < 0 && !(flow->families & NIC_FLOW_V4))
		return err6;
	if (err4 < 0 || err6 < 0)
		complain(c, err6 < 0, port, err4 < 0 ? err4 : err6);
	return 0;
}

static bool use(struct claim *c, bool v6, const struct nic_flow *flow, bool on)
{
	struct record_rule *r = cover(c, v6, &flow->local, flow->local_port);

	if (!r)
		return false;
	if (on) {
		r->users++;
	} else if (r->users && --r->users == 0) {
		r->used = ++c->record->head.clock;
	}
	return true;
}

int claim_steer(struct claim *c, const struct nic_flow *flow, bool on)
{
	bool some = false;

	if (!ipaddr_is_any(&flow->local))
		return use(c, !ipaddr_is_v4(&flow->local), flow, on) ? 0 : -EOPNOTSUPP;
	if (flow->families & NIC_FLOW_V4)
		some |= use(c, false, flow, on);
	if (flow->families & NIC_FLOW_V6)
		some |= use(c, true, flow, on);
	return some ? 0 : -EOPNOTSUPP;
}

void claim_steer_none(struct claim *c)
{
	for (unsigned i = 0; i < c->record->head.limit; i++) {
		struct record_rule *r = &c->record->rule[i];

		if (r->users)
			r->used = ++c->record->head.clock;
		r->users = 0;
	}
}

void claim_local(struct claim *c, const struct ipaddr *addr, bool on)
{
	unsigned i = 0;

	while (i < c->locals && !ipaddr_equal(&c->local[i], addr))
		i++;
	if (on && i == c->locals && i < CLAIM_LOCALS)
		c->local[c->locals++] = *addr;
	else if (!on && i < c->locals)
		c->local[i] = c->local[--c->locals];
}
