/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * claim.c - see claim.h: choosing queues, taking them out of the RSS table, giving them back.
 *
 * To close is to die: the process lets go of its record and then looks for dead ones' like anybody else, so that there is one way
 * only in which things are undone.
 */
#define _GNU_SOURCE
#include "nic/ethtool/claim.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/rawcall.h"
#include "base/relaxed.h"
#include "nic/ethtool/claim_internal.h"
#include "nic/ethtool/rule.h"

/* A port of nobody's (discard), and an address of nobody's (RFC 5737), to see what the driver takes. */
#define PROBE_PORT 9
#define PROBE_ADDRESS 0xc0000201u

/* Of this process: to be given back when it ends. */
static LIST_HEAD(, claim) open_claims = LIST_HEAD_INITIALIZER(open_claims);

__attribute__((format(printf, 3, 4))) static int fail(char *why, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, NIC_WHY_LEN, format, ap);
	va_end(ap);
	return err;
}

/* ---- what there is ---- */

static uint64_t ring_of(const struct ethtool_rx_flow_spec *rule)
{
	uint64_t ring = ethtool_get_flow_spec_ring(rule->ring_cookie);

	if (rule->ring_cookie == RX_CLS_FLOW_DISC || rule->ring_cookie == RX_CLS_FLOW_WAKE ||
	    ethtool_get_flow_spec_ring_vf(rule->ring_cookie) || ring >= NIC_MAX_QUEUES)
		return 0;
	return 1ull << ring;
}

/* Queues of an RSS context; all, if it can not be read. The scratch table is used. */
static uint64_t context_queues(struct claim_view *v, uint32_t context, uint64_t offset)
{
	uint64_t mask = 0;

	if (ethtool_read_rss(&v->dev, context, &v->next) < 0)
		return ~0ull;
	for (uint32_t i = 0; i < v->next.size; i++)
		if (v->next.queue[i] + offset < NIC_MAX_QUEUES)
			mask |= 1ull << (v->next.queue[i] + offset);
	return mask;
}

/* Queues that rules lead to, whoever's. */
static int find_ruled(struct claim_view *v, uint64_t *ruled)
{
	struct ethtool_rx_flow_spec rule;
	uint32_t context;
	int err = ethtool_list_rules(&v->dev, &v->rules);

	*ruled = 0;
	for (uint32_t i = 0; err == 0 && i < v->rules.count; i++) {
		if (ethtool_read_rule(&v->dev, ethtool_location(&v->rules, i), &rule, &context) < 0)
			continue;
		if (rule.flow_type & FLOW_RSS)
			*ruled |= context_queues(v, context,
						 ethtool_get_flow_spec_ring(rule.ring_cookie));
		else
			*ruled |= ring_of(&rule);
	}
	return err;
}

/* The last ones that are free, @wish->want at most; one at least is left for all other traffic. */
static uint64_t choose(const struct claim_wish *wish, uint64_t taken, uint64_t others)
{
	uint64_t chosen = 0;
	unsigned left = wish->queues - (unsigned)__builtin_popcountll(taken), n = 0;

	for (unsigned q = wish->queues; q-- > 0 && n < wish->want && left > 1;)
		if (!((taken | wish->busy | others) >> q & 1)) {
			chosen |= 1ull << q;
			n++;
			left--;
		}
	return chosen;
}

/* Reads tables and rules. */
static int look(struct claim_view *v, const struct claim_wish *wish, uint64_t *ruled, char *why)
{
	const char *ifname = wish->ifname;
	int err;

	if (wish->queues < 2)
		return fail(why, -EOPNOTSUPP, "%s has one RX queue", ifname);
	err = find_ruled(v, ruled);
	if (err == -EOPNOTSUPP)
		return fail(why, err, "the driver of %s has no steering rules (ntuple)", ifname);
	if (err < 0)
		return fail(why, err, "can not list the steering rules of %s (%s)", ifname,
			    strerror(-err));
	err = ethtool_queues(&v->dev);
	if (err >= 0)
		err = ethtool_read_rss(&v->dev, 0, &v->rss);
	if (err == -EOPNOTSUPP)
		return fail(why, err, "the driver of %s has no RSS table to take a queue out of",
			    ifname);
	if (err < 0)
		return fail(why, err, "can not read the RSS table of %s (%s)", ifname,
			    strerror(-err));
	return 0;
}

/* ---- taking ---- */

/* Rules are switched off on some drivers as they come. Others have no such switch, and rules all the same. */
static int switch_ntuple(struct claim_view *v, const struct claim_wish *wish, char *why)
{
	bool on = true;
	int err = ethtool_ntuple(&v->dev, &on);

	v->record.ntuple_was_off |= err == 0 && !on;
	if (err < 0 || on)
		return 0;
	err = record_write_rss(v->dir, &v->record);
	if (err == 0)
		err = ethtool_set_ntuple(&v->dev, true);
	if (err == 0 || err == -EOPNOTSUPP || err == -EINVAL)
		return 0;
	return fail(why, err,
		    "can not switch on the steering rules of %s (%s): `ethtool -K %s ntuple on`",
		    wish->ifname, strerror(-err), wish->ifname);
}

/* What the RSS table is without anybody's claim: as recorded, unless somebody has changed it since. */
static void find_before(struct claim_view *v)
{
	struct record_rss *r = &v->record;
	size_t len = v->rss.size * sizeof(v->rss.queue[0]);
	bool known = record_read_rss(v->dir, v->netns, v->ifindex, r);

	if (known && r->size == v->rss.size &&
	    (memcmp(r->now, v->rss.queue, len) == 0 || memcmp(r->last, v->rss.queue, len) == 0))
		return;
	if (!known)
		memset(r, 0, sizeof(*r));
	r->netns = v->netns;
	r->ifindex = v->ifindex;
	r->size = v->rss.size;
	memcpy(r->before, v->rss.queue, len);
	memcpy(r->now, v->rss.queue, len);
	memcpy(r->last, v->rss.queue, len);
}

static int make_record(struct claim *c, struct claim_view *v, uint64_t queues, char *why)
{
	struct record_head what = { .netns = v->netns, .ifindex = v->ifindex, .queues = queues };

	c->record_fd = record_create(v->dir, &what, c->dev.fd, &c->record);
	if (c->record_fd < 0)
		return fail(why, c->record_fd, "can not record it in " RECORD_DIR " (%s)",
			    strerror(-c->record_fd));
	return 0;
}

/* One rule of either shape, and off again: then it is known now and not with the first socket whether there can be any. */
static int probe(struct claim *c, char *why)
{
	const struct ipaddr any = { .q = { 0, 0 } }, nobody = ipaddr_from_v4(htonl(PROBE_ADDRESS));
	int err = claim_add_rule(c, false, &any, htons(PROBE_PORT));

	if (err == -EINVAL || err == -EOPNOTSUPP)
		err = claim_add_rule(c, false, &nobody, htons(PROBE_PORT));
	if (err < 0)
		return fail(why, err, "%s takes no steering rule for a UDP port (%s)",
			    c->dev.ifname, strerror(-err));
	for (unsigned i = 0; i < c->record->head.limit; i++)
		if (c->record->rule[i].state == RECORD_THERE)
			claim_drop_rule(c, &c->record->rule[i]);
	return 0;
}

static int take(struct claim *c, struct claim_view *v, const struct claim_wish *wish, char *why)
{
	uint64_t ruled, queues;
	int err = look(v, wish, &ruled, why);

	if (err < 0)
		return err;
	queues = choose(wish, v->taken, ruled);
	if (!queues)
		return fail(
			why, -EBUSY,
			"no RX queue of %s is free: others have them, or rules lead to them (`ethtool -n %s`)",
			wish->ifname, wish->ifname);
	find_before(v);
	err = make_record(c, v, queues, why);
	if (err == 0)
		err = switch_ntuple(v, wish, why);
	if (err < 0)
		return err;
	err = claim_set_rss(v, v->taken | queues);
	if (err < 0)
		return fail(why, err, "%s does not take another RSS table (%s)", wish->ifname,
			    strerror(-err));
	return probe(c, why);
}

/* Whoever looks next at the files finds them dead. */
static void let_go(struct claim *c)
{
	record_unmap(c->record);
	c->record = NULL;
	if (c->record_fd >= 0)
		rawcall6(SYS_close, c->record_fd, 0, 0, 0, 0, 0);
	c->record_fd = -1;
}

static int open_locked(struct claim *c, struct claim_view *v, const struct claim_wish *wish,
		       char *why)
{
	int err = claim_reap_locked(v);

	if (err < 0)
		return fail(
			why, err,
			"can not undo what a process left on %s that has ended (%s): `kbaccel clean`",
			wish->ifname, strerror(-err));
	err = take(c, v, wish, why);
	if (err == 0 || c->record_fd < 0)
		return err;
	let_go(c);
	v->taken = 0;
	claim_reap_locked(v);
	return err;
}

static int why_lock(int err, char *why)
{
	if (err == -ETIMEDOUT)
		return fail(why, err, "another process holds " RECORD_DIR);
	return fail(why, err,
		    "no right to keep a record in " RECORD_DIR
		    " of what is changed (%s): run as root, or "
		    "RuntimeDirectory=kbaccel in the unit",
		    strerror(-err));
}

int claim_open(const struct claim_wish *wish, struct claim **out, char why[NIC_WHY_LEN])
{
	struct claim_view *v = calloc(1, sizeof(*v));
	struct claim *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (!v || !c) {
		fail(why, err, "out of memory");
		goto out;
	}
	c->record_fd = -1;
	c->log = wish->log;
	c->confined = wish->confined;
	err = ethtool_open(&c->dev, wish->ifname);
	if (err < 0) {
		fail(why, err, "no socket to ask about %s with: %s", wish->ifname, strerror(-err));
		goto out;
	}
	v->dev = c->dev;
	c->ifindex = v->ifindex = ethtool_ifindex(&c->dev);
	c->netns = v->netns = ethtool_netns(&c->dev);
	v->dir = record_lock();
	err = v->dir < 0 ? why_lock(v->dir, why) : open_locked(c, v, wish, why);
	record_unlock(v->dir);
	if (err < 0) {
		ethtool_close(&c->dev);
		goto out;
	}
	LIST_INSERT_HEAD(&open_claims, c, open);
	*out = c;
	c = NULL;
out:
	free(v);
	free(c);
	return err;
}

uint64_t claim_queues(const struct claim *c)
{
	return c->record->head.queues;
}

void claim_abandon(struct claim *c)
{
	LIST_REMOVE(c, open);
	let_go(c);
	ethtool_close(&c->dev);
	free(c);
}

void claim_close(struct claim *c)
{
	bool confined = relaxed_get(*c->confined);
	char ifname[IF_NAMESIZE];

	memcpy(ifname, c->dev.ifname, sizeof(ifname));
	claim_abandon(c);
	if (!confined)
		claim_reap(ifname, NULL);
}

/*
 * When the program ends in an orderly way. Its threads may go on to the last moment, so nothing that they use is freed; what
 * has been forked from it and lives has the record open, too, and then nothing is undone.
 */
static __attribute__((destructor)) void end_of_process(void)
{
	struct claim *c;

	LIST_FOREACH(c, &open_claims, open) {
		if (relaxed_get(*c->confined))
			continue;
		if (c->record_fd >= 0)
			rawcall6(SYS_close, c->record_fd, 0, 0, 0, 0, 0);
		c->record_fd = -1;
		claim_reap(c->dev.ifname, NULL);
	}
}

int claim_possible(const struct claim_wish *wish, char why[NIC_WHY_LEN])
{
	struct claim_view *v = calloc(1, sizeof(*v));
	uint64_t ruled;
	int err = v ? ethtool_open(&v->dev, wish->ifname) : -ENOMEM;

	if (err < 0) {
		free(v);
		return fail(why, err, "%s", strerror(-err));
	}
	err = look(v, wish, &ruled, why);
	if (err == 0 && !choose(wish, 0, ruled))
		err = fail(why, -EBUSY,
			   "steering rules lead to all RX queues of %s (`ethtool -n %s`)",
			   wish->ifname, wish->ifname);
	ethtool_close(&v->dev);
	free(v);
	return err;
}
