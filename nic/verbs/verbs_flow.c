/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_flow.c - which rules there are to be: flows of the stack, times the addresses of the host.
 *
 * A rule names one local address, so a flow with an "any" local address is a rule for each that the host has. Flows that differ
 * in families only may want the same rule: rules are counted. Rules are either all in the NIC or, after
 * set_lease(0), none; those that could not be put back then are tried again with the lease.
 *
 * The lease is renewed by any thread at any time, everything else is serialised by the caller: the lock is between the two. A
 * signal handler that finds it held by its own thread fails after a while.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/relaxed.h"
#include "nic/verbs/verbs.h"

/* Behind ipaddr.h: libc's and the kernel's headers agree in this order only. */
#include "nic/steer_rule.h"

#define LOCK_MS                                                                                    \
	50 /* longer than all rules take; whoever still waits then has interrupted the holder */

static bool try_lock(struct verbs_nic *v)
{
	return !__atomic_exchange_n(&v->locked, true, __ATOMIC_ACQUIRE);
}

/* Hardly ever waits, and then without a system call: a filter of the program may forbid it. */
static bool wait_lock(struct verbs_nic *v)
{
	uint64_t end = 0;

	while (!try_lock(v)) {
		if (!end)
			end = clock_ns() + LOCK_MS * NSEC_PER_MSEC;
		else if (clock_ns() > end)
			return false;
		clock_pause();
	}
	return true;
}

static void unlock(struct verbs_nic *v)
{
	__atomic_store_n(&v->locked, false, __ATOMIC_RELEASE);
}

/* ---- rules ---- */

static struct verbs_rule **find_rule(struct verbs_nic *v, const struct steer_key *key)
{
	struct verbs_rule **p = &v->rules[steer_hash_key(key) % VERBS_RULE_BUCKETS];

	while (*p && !steer_same_key(&(*p)->key, key))
		p = &(*p)->next;
	return p;
}

/* One user more. A rule that is not put into the NIC at the moment is put there with the next lease. */
static int rule_get(struct verbs_nic *v, const struct steer_key *key)
{
	struct verbs_rule **p = find_rule(v, key), *rule = *p;
	int err;

	if (rule) {
		rule->users++;
		return 0;
	}
	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return verbs_why_rule(v, ENOMEM, false);
	rule->key = *key;
	rule->users = 1;
	err = v->in_force ? verbs_rule_put(v, rule) : 0;
	if (err < 0) {
		free(rule);
		return err;
	}
	*p = rule;
	return 0;
}

static void rule_put(struct verbs_nic *v, const struct steer_key *key)
{
	struct verbs_rule **p = find_rule(v, key), *rule = *p;

	if (!rule || --rule->users)
		return;
	/* Under seccomp it stays in the NIC, for who wants it again. */
	if (rule->flow && relaxed_get(v->nic.sealed))
		return;
	verbs_rule_take(v, rule);
	*p = rule->next;
	free(rule);
}

/* ---- flows ---- */

static bool is_any(const struct nic_flow *flow)
{
	return ipaddr_is_any(&flow->local);
}

/* The rule of @flow for the local address @local; false: there is none. */
static bool make_key(const struct verbs_nic *v, const struct nic_flow *flow,
		     const struct ipaddr *local, struct steer_key *key)
{
	bool remote = !ipaddr_is_any(&flow->remote), v4 = ipaddr_is_v4(local);

	if (remote && ipaddr_is_v4(&flow->remote) != v4)
		return false;
	if (is_any(flow) && !remote && !(flow->families & (v4 ? NIC_FLOW_V4 : NIC_FLOW_V6)))
		return false;
	if (!v4 && v->no_v6)
		return false;
	*key = (struct steer_key){ .local = { local->q[0], local->q[1] },
				   .remote = { flow->remote.q[0], flow->remote.q[1] },
				   .local_port = flow->local_port,
				   .remote_port = remote ? flow->remote_port : 0 };
	return true;
}

static void drop_rules(struct verbs_nic *v, const struct nic_flow *flow, unsigned first)
{
	struct steer_key key;

	for (unsigned i = 0; i < first; i++)
		if (make_key(v, flow, &v->locals[i], &key))
			rule_put(v, &key);
}

/* A NIC that steers only IPv4 still serves a socket of both families: the shadow has the rest. */
static bool goes_without_v6(struct verbs_nic *v, const struct nic_flow *flow,
			    const struct ipaddr *local)
{
	if (ipaddr_is_v4(local) || !(flow->families & NIC_FLOW_V4))
		return false;
	v->no_v6 = true;
	if (v->log)
		v->log(LOG_LEVEL_INFO, v->nic.steer_why);
	return true;
}

static int add_any(struct verbs_nic *v, const struct nic_flow *flow)
{
	struct steer_key key;
	int err;

	for (unsigned i = 0; i < v->local_count; i++) {
		if (!make_key(v, flow, &v->locals[i], &key))
			continue;
		err = rule_get(v, &key);
		if (err == -EOPNOTSUPP && goes_without_v6(v, flow, &v->locals[i]))
			continue;
		if (err < 0) {
			drop_rules(v, flow, i);
			return err;
		}
	}
	return 0;
}

static int add_rules(struct verbs_nic *v, const struct nic_flow *flow)
{
	struct steer_key key;

	if (is_any(flow))
		return add_any(v, flow);
	if (!make_key(v, flow, &flow->local, &key))
		return verbs_why_rule(v, EOPNOTSUPP, !ipaddr_is_v4(&flow->local));
	return rule_get(v, &key);
}

static void remove_rules(struct verbs_nic *v, const struct nic_flow *flow)
{
	struct steer_key key;

	if (is_any(flow))
		drop_rules(v, flow, v->local_count);
	else if (make_key(v, flow, &flow->local, &key))
		rule_put(v, &key);
}

static bool same_flow(const struct nic_flow *a, const struct nic_flow *b)
{
	return ipaddr_equal(&a->local, &b->local) && ipaddr_equal(&a->remote, &b->remote) &&
	       a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       a->families == b->families && a->flags == b->flags;
}

static int add_flow(struct verbs_nic *v, const struct nic_flow *flow)
{
	struct verbs_want *w = malloc(sizeof(*w));
	int err = w ? add_rules(v, flow) : verbs_why_rule(v, ENOMEM, false);

	if (err < 0) {
		free(w);
		return err;
	}
	w->flow = *flow;
	w->next = v->wants;
	v->wants = w;
	return 0;
}

static int remove_flow(struct verbs_nic *v, const struct nic_flow *flow)
{
	struct verbs_want **p = &v->wants, *w;

	while ((w = *p) && !same_flow(&w->flow, flow))
		p = &w->next;
	if (!w)
		return -ENOENT;
	remove_rules(v, flow);
	*p = w->next;
	free(w);
	return 0;
}

static int check_flow(struct verbs_nic *v, const struct nic_flow *flow)
{
	bool remote = !ipaddr_is_any(&flow->remote);

	v->nic.steer_why = NULL;
	if (!ipaddr_is_multicast(&flow->local) && (flow->flags & NIC_FLOW_SHARED)) {
		v->nic.steer_why =
			"a rule in the NIC takes what other sockets of the port should get: do without "
			"SO_REUSEADDR, SO_REUSEPORT and SO_BINDTODEVICE, or KBACCEL_NIC=xdp";
		return -EOPNOTSUPP;
	}
	if (ipaddr_is_multicast(&flow->remote))
		return -EOPNOTSUPP;
	if (is_any(flow) ? !remote && !(flow->families & (NIC_FLOW_V4 | NIC_FLOW_V6))
			 : remote && ipaddr_is_v4(&flow->local) != ipaddr_is_v4(&flow->remote))
		return -EINVAL;
	return 0;
}

int verbs_steer(struct nic *nic, const struct nic_flow *flow, bool on)
{
	struct verbs_nic *v = verbs_nic_of(nic);
	int err = v->lost ? -ENODEV : check_flow(v, flow);

	if (err < 0)
		return on ? err : -ENOENT;
	if (!wait_lock(v))
		return -EBUSY;
	err = on ? add_flow(v, flow) : remove_flow(v, flow);
	unlock(v);
	return err;
}

/* Whose a datagram is nobody asks: flows of shared ports are refused. */
int verbs_owns(struct nic *nic, int fd, uint64_t cookie, bool on)
{
	(void)nic, (void)fd, (void)cookie, (void)on;
	return 0;
}

/* ---- addresses ---- */

/* A rule that the NIC does not take is left out; its datagrams come through the shadow. */
static void flows_of_local(struct verbs_nic *v, const struct ipaddr *addr, bool on)
{
	struct steer_key key;

	for (struct verbs_want *w = v->wants; w; w = w->next) {
		if (!is_any(&w->flow) || !make_key(v, &w->flow, addr, &key))
			continue;
		if (!on) {
			rule_put(v, &key);
		} else if (rule_get(v, &key) < 0) {
			if (v->log && v->nic.steer_why)
				v->log(LOG_LEVEL_INFO, v->nic.steer_why);
		}
	}
}

static int local_on(struct verbs_nic *v, const struct ipaddr *addr, unsigned at)
{
	if (at < v->local_count)
		return 0;
	if (v->local_count == VERBS_MAX_LOCALS)
		return -ENOSPC;
	v->locals[v->local_count++] = *addr;
	flows_of_local(v, addr, true);
	return 0;
}

static int local_off(struct verbs_nic *v, const struct ipaddr *addr, unsigned at)
{
	if (at == v->local_count)
		return -ENOENT;
	flows_of_local(v, addr, false);
	v->locals[at] = v->locals[--v->local_count];
	return 0;
}

int verbs_set_local(struct nic *nic, const struct ipaddr *addr, bool on)
{
	struct verbs_nic *v = verbs_nic_of(nic);
	unsigned at = 0;
	int err;

	if (v->lost || ipaddr_is_multicast(addr) || ipaddr_is_any(addr) || ipaddr_is_loopback(addr))
		return on ? 0 : -ENOENT;
	if (!wait_lock(v))
		return -EBUSY;
	steer_host_local(v->host, addr, on);
	while (at < v->local_count && !ipaddr_equal(&v->locals[at], addr))
		at++;
	err = on ? local_on(v, addr, at) : local_off(v, addr, at);
	unlock(v);
	return err;
}

/* ---- all rules ---- */

static void take_all(struct verbs_nic *v)
{
	for (unsigned i = 0; i < VERBS_RULE_BUCKETS; i++)
		for (struct verbs_rule *r = v->rules[i]; r; r = r->next)
			verbs_rule_take(v, r);
}

static void put_all(struct verbs_nic *v)
{
	bool good = true;

	for (unsigned i = 0; i < VERBS_RULE_BUCKETS; i++)
		for (struct verbs_rule *r = v->rules[i]; r; r = r->next)
			good &= verbs_rule_put(v, r) == 0;
	if (!good && !v->incomplete && v->log && v->nic.steer_why)
		v->log(LOG_LEVEL_WARN, v->nic.steer_why);
	v->incomplete = !good;
}

void verbs_set_mac(struct nic *nic, const uint8_t mac[6])
{
	struct verbs_nic *v = verbs_nic_of(nic);

	if (v->lost || relaxed_get(nic->sealed) || !wait_lock(v))
		return;
	memcpy(nic->mac, mac, sizeof(nic->mac));
	if (v->in_force) {
		take_all(v);
		put_all(v);
	}
	unlock(v);
}

void verbs_set_lease(struct nic *nic, uint64_t until_ns)
{
	struct verbs_nic *v = verbs_nic_of(nic);
	bool on = until_ns != 0;

	if (v->lost || relaxed_get(nic->sealed))
		return;
	if (relaxed_get(v->in_force) == on &&
	    (!on || !relaxed_get(v->incomplete) || until_ns < relaxed_get(v->retry_at)))
		return;
	/* It is tried again within 10 ms; the end of steering is not. */
	if (!(on ? try_lock(v) : wait_lock(v)))
		return;
	relaxed_set(v->in_force, on);
	relaxed_set(v->retry_at, until_ns + NSEC_PER_SEC);
	if (on)
		put_all(v);
	else
		take_all(v);
	unlock(v);
}

void verbs_forget_rules(struct verbs_nic *v)
{
	struct verbs_want *w;

	while ((w = v->wants)) {
		v->wants = w->next;
		free(w);
	}
	for (unsigned i = 0; i < VERBS_RULE_BUCKETS; i++) {
		struct verbs_rule *r;

		while ((r = v->rules[i])) {
			v->rules[i] = r->next;
			free(r);
		}
	}
}

void verbs_steer_none(struct nic *nic)
{
	struct verbs_nic *v = verbs_nic_of(nic);

	if (v->lost || !wait_lock(v))
		return;
	take_all(v);
	verbs_forget_rules(v);
	unlock(v);
}
