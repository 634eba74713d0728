/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * claim_reap.c - undoing what processes that have ended left on a NIC: their rules, their queues' absence from the RSS table.
 *
 * Only what is as we left it is touched: a rule that matches and does something else, a table that has other entries, are
 * somebody's who has come after us.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nic/ethtool/claim_internal.h"
#include "nic/ethtool/rule.h"

/* Is there such a rule at @location, and not of somebody else? */
static bool is_at(const struct claim_view *v, uint32_t location,
		  const struct ethtool_rx_flow_spec *ours)
{
	struct ethtool_rx_flow_spec there;
	uint32_t context;

	return ethtool_read_rule(&v->dev, location, &there, &context) == 0 &&
	       rule_same(ours, &there);
}

/* It was being added when its process died. */
static int delete_sought(struct claim_view *v, const struct ethtool_rx_flow_spec *ours)
{
	int err = ethtool_list_rules(&v->dev, &v->rules);

	for (uint32_t i = 0; err == 0 && i < v->rules.count; i++)
		if (is_at(v, ethtool_location(&v->rules, i), ours))
			return ethtool_delete_rule(&v->dev, ethtool_location(&v->rules, i));
	return err;
}

static int delete_one(struct claim_view *v, struct record_rule *r)
{
	struct ethtool_rx_flow_spec ours;
	int err = 0;

	rule_build(&ours, r->v6, &r->addr, r->port, r->queue);
	if (r->state == RECORD_SOUGHT)
		err = delete_sought(v, &ours);
	else if (r->state == RECORD_THERE && is_at(v, r->location, &ours))
		err = ethtool_delete_rule(&v->dev, r->location);
	if (err == 0 || err == -ENODEV || err == -EOPNOTSUPP)
		r->state = RECORD_FREE;
	return r->state == RECORD_FREE ? 0 : err;
}

static void undo(struct record_found *found, void *context)
{
	struct claim_view *v = context;
	int err = 0;

	if (found->alive) {
		v->taken |= found->record->head.queues;
		return;
	}
	for (unsigned i = 0; err == 0 && i < found->record->head.limit; i++)
		if (found->record->rule[i].state != RECORD_FREE)
			err = delete_one(v, &found->record->rule[i]);
	if (err < 0) {
		/* Its queues are not to be given to anybody while rules lead there. */
		v->taken |= found->record->head.queues;
		v->err = v->err ? v->err : err;
		return;
	}
	record_remove(v->dir, found->name);
	v->undone++;
}

/* Are the entries those of @table? */
static bool is_table(const struct claim_view *v, const uint32_t *table)
{
	return v->rss.size == v->record.size &&
	       memcmp(v->rss.queue, table, v->rss.size * sizeof(table[0])) == 0;
}

static bool is_ours(const struct claim_view *v)
{
	return is_table(v, v->record.now) || is_table(v, v->record.last) ||
	       is_table(v, v->record.before);
}

/* @v->next, of as many entries as there are; recorded before it is done. */
static int write_table(struct claim_view *v)
{
	struct ethtool_rss *next = &v->next;
	size_t len = v->rss.size * sizeof(next->queue[0]);
	int queues = ethtool_queues(&v->dev), err;

	if (memcmp(v->rss.queue, next->queue, len) == 0)
		return 0;
	memcpy(v->record.last, v->rss.queue, len);
	memcpy(v->record.now, next->queue, len);
	err = record_write_rss(v->dir, &v->record);
	if (err < 0)
		return err;
	next->size = v->rss.size;
	/* As the driver would set it up: then it goes on doing so when the number of queues is changed. */
	if (rule_default_rss(next->queue, next->size, queues < 0 ? 0 : (unsigned)queues))
		next->size = 0;
	err = ethtool_write_rss(&v->dev, next);
	if (err == 0)
		memcpy(v->rss.queue, v->record.now, len);
	return err;
}

int claim_set_rss(struct claim_view *v, uint64_t taken)
{
	int queues = ethtool_queues(&v->dev);

	if (queues < 0)
		return queues;
	if (!rule_shrink_rss(v->record.before, v->record.size, taken, (unsigned)queues,
			     v->next.queue))
		return -ENOSPC;
	return write_table(v);
}

/* Rules that others have added by now would go with it. */
static int restore_ntuple(struct claim_view *v)
{
	if (!v->record.ntuple_was_off || ethtool_list_rules(&v->dev, &v->rules) < 0 ||
	    v->rules.count > 0)
		return 0;
	return ethtool_set_ntuple(&v->dev, false);
}

static int restore(struct claim_view *v)
{
	int err = ethtool_read_rss(&v->dev, 0, &v->rss);

	if (err < 0)
		return err == -EOPNOTSUPP ? 0 : err;
	/* Somebody has made another table. It is left alone, also by those that are still there. */
	if (!is_ours(v))
		return 0;
	err = claim_set_rss(v, v->taken);
	return err == -EINVAL ? 0 : err; /* there are fewer queues now */
}

int claim_reap_locked(struct claim_view *v)
{
	int err = record_each(v->dir, v->netns, v->ifindex, undo, v);

	if (err < 0)
		return err;
	if (!record_read_rss(v->dir, v->netns, v->ifindex, &v->record))
		return v->err;
	if (v->undone || !v->taken)
		err = restore(v);
	if (err == 0 && !v->taken)
		err = restore_ntuple(v);
	if (err == -ENODEV)
		err = 0;
	if (err == 0 && !v->taken)
		record_remove_rss(v->dir, v->netns, v->ifindex);
	return err < 0 ? err : v->err;
}

/* Files of an interface that is gone: what they tell of is gone, too. */
static void forget(struct record_found *found, void *context)
{
	struct claim_view *v = context;

	if (found->alive)
		return;
	record_remove(v->dir, found->name);
	v->undone++;
}

static int reap_one(struct claim_view *v, int ifindex)
{
	v->ifindex = ifindex;
	v->taken = 0;
	if (ethtool_find(&v->dev, ifindex) == 0)
		return claim_reap_locked(v);
	record_each(v->dir, v->netns, ifindex, forget, v);
	record_remove_rss(v->dir, v->netns, ifindex);
	return 0;
}

#define MAX_INTERFACES 256

static int reap_all(struct claim_view *v, unsigned *others)
{
	int ifindex[MAX_INTERFACES], err = 0, ret;
	unsigned n = record_interfaces(v->dir, v->netns, ifindex, MAX_INTERFACES, others);

	for (unsigned i = 0; i < n; i++) {
		ret = reap_one(v, ifindex[i]);
		err = err ? err : ret;
	}
	return err;
}

int claim_reap(const char *ifname, unsigned *others)
{
	struct claim_view *v;
	unsigned foreign = 0;
	int err;

	if (others)
		*others = 0;
	/* Nobody has ever taken a queue on most hosts. */
	if (!record_is_there())
		return 0;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	err = ethtool_open(&v->dev, ifname ? ifname : "");
	v->netns = ethtool_netns(&v->dev);
	v->dir = err < 0 ? err : record_lock();
	if (v->dir < 0)
		err = v->dir;
	else if (!ifname)
		err = reap_all(v, &foreign);
	else if ((err = ethtool_ifindex(&v->dev)) > 0)
		err = reap_one(v, err);
	if (others)
		*others = foreign;
	record_unlock(v->dir);
	ethtool_close(&v->dev);
	err = err < 0 ? err : (int)v->undone;
	free(v);
	return err;
}
