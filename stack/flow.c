/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow.c - counted steering rules (contracts in stack.h). Several sockets may share one rule (SO_REUSEPORT); the
 * backend hears of it once. The same rule on other interfaces is another one. The caller holds stack.lock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/sandbox.h"
#include "base/slab.h"
#include "stack/sock.h"
#include "stack/stack.h"

#define BUCKETS 4096

struct flow_entry {
	struct flow flow;
	struct flow_entry *next;
};

static struct flow_entry *bucket[BUCKETS];
static struct slab slab = SLAB(struct flow_entry, next, 0);

void flow_reserve(void)
{
	slab_reserve(&slab, 1024);
}

static struct flow_entry **bucket_of(const struct nic_flow *r)
{
	uint32_t h = ipaddr_hash(&r->local) ^ (ipaddr_hash(&r->remote) * 31) ^
		     (((uint32_t)r->local_port << 16 | r->remote_port) * 0x9e3779b1u);

	return &bucket[(h ^ h >> 16) % BUCKETS];
}

struct nic_flow flow_rule(const struct sock *s)
{
	struct nic_flow rule = { .local = s->local,
				 .remote = s->remote,
				 .local_port = s->local_port,
				 .remote_port = s->remote_port };

	/* Only then may another process have a socket that a datagram of this rule is meant for. */
	if (s->reuseaddr || s->reuseport || s->bound_if)
		rule.flags = NIC_FLOW_SHARED;
	if (s->bound_if)
		rule.flags |= NIC_FLOW_DEVICE;
	if (ipaddr_is_any(&s->local))
		rule.families = s->family == AF_INET ? NIC_FLOW_V4
				: s->v6only	     ? NIC_FLOW_V6
						     : NIC_FLOW_V4 | NIC_FLOW_V6;
	return rule;
}

static bool same(const struct nic_flow *a, const struct nic_flow *b)
{
	return ipaddr_equal(&a->local, &b->local) && ipaddr_equal(&a->remote, &b->remote) &&
	       a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       a->families == b->families && a->flags == b->flags;
}

/* Takes @f off the interfaces in @mask. */
static void uninstall(struct flow *f, uint32_t mask)
{
	/* The rules of an inherited socket are its owner's. */
	for (unsigned i = 0; stack.owner && i < stack.ifaces; i++)
		if (mask & (1u << i))
			stack.iface[i]->nic->ops->steer(stack.iface[i]->nic, &f->rule, false);
}

/* @s (NULL: it is a group) is no user of rules on the interfaces in @mask. */
static void disown(const struct sock *s, uint32_t mask)
{
	for (unsigned i = 0; s && s->cookie && stack.owner && i < stack.ifaces; i++)
		if (mask & (1u << i))
			stack.iface[i]->nic->ops->owns(stack.iface[i]->nic, -1, s->cookie, false);
}

static void explain(const struct nic *nic, int err, char why[NIC_WHY_LEN])
{
	if (nic->steer_why)
		snprintf(why, NIC_WHY_LEN, "%s: no steering rule: %s", nic->ifname, nic->steer_why);
	else if (err == -EACCES)
		snprintf(why, NIC_WHY_LEN,
			 "%s: the policy of kbacceld does not give this user the port: add a line for it, or run "
			 "with privileges",
			 nic->ifname);
	else if (err == -EPERM)
		snprintf(why, NIC_WHY_LEN,
			 "%s: the program's seccomp filter does not let the library show the socket to kbacceld: "
			 "allow getsockopt() and getsockname(), or bind before",
			 nic->ifname);
	else
		snprintf(why, NIC_WHY_LEN,
			 "%s: no steering rule (%s): too many sockets are accelerated; narrow KBACCEL_PORTS",
			 nic->ifname, strerrordesc_np(-err));
}

/* -1: to look at it, as whoever opened the queues for us has to, takes calls that the program's filter forbids. */
static int shown_fd(int fd)
{
	return sandbox_forbids(SYS_getsockopt) || sandbox_forbids(SYS_getsockname) ? -1 : fd;
}

/* Only on a shared port does it matter that there is no room for it. */
static bool own(const struct flow *f, const struct sock *s, char why[NIC_WHY_LEN])
{
	uint32_t added = 0;

	for (unsigned i = 0; s && s->cookie && i < stack.ifaces; i++) {
		struct nic *nic = stack.iface[i]->nic;
		int err;

		if (!(f->ifaces & (1u << i)))
			continue;
		err = nic->ops->owns(nic, shown_fd(s->fd), s->cookie, true);
		if (err && (err != -ENOSPC || (f->rule.flags & NIC_FLOW_SHARED))) {
			explain(nic, err, why);
			disown(s, added);
			return false;
		}
		added |= err ? 0 : 1u << i;
	}
	return true;
}

/* Once the calls that it takes are not allowed any more there is what there is. */
static int expect(struct nic *nic, const struct nic_flow *rule)
{
	if (!nic->ops->expect || stack_is_confined() || sandbox_forbids(SYS_ioctl) ||
	    sandbox_forbids(SYS_nanosleep))
		return 0;
	return nic->ops->expect(nic, rule);
}

int flow_admit(const struct sock *s, int fd, uint32_t mask, char why[NIC_WHY_LEN])
{
	struct nic_flow rule = flow_rule(s);
	int err = 0;

	for (unsigned i = 0; err == 0 && s->cookie && i < stack.ifaces; i++) {
		struct nic *nic = stack.iface[i]->nic;

		if (!(mask & (1u << i)))
			continue;
		err = expect(nic, &rule);
		if (err < 0) {
			explain(nic, err, why);
			continue;
		}
		err = nic->ops->owns(nic, shown_fd(fd), s->cookie, true);
		if (err == 0)
			nic->ops->owns(nic, -1, s->cookie, false);
		else if (err == -ENOSPC)
			err = 0;
		else
			explain(nic, err, why);
	}
	return err;
}

static int install(struct flow *f, uint32_t mask, char why[NIC_WHY_LEN])
{
	uint32_t added = 0;

	for (unsigned i = 0; i < stack.ifaces; i++) {
		struct nic *nic = stack.iface[i]->nic;
		int err;

		if (!(mask & (1u << i)))
			continue;
		err = expect(nic, &f->rule);
		if (err == 0)
			err = nic->ops->steer(nic, &f->rule, true);
		if (err) {
			explain(nic, err, why);
			uninstall(f, added);
			return err;
		}
		added |= 1u << i;
	}
	return 0;
}

void flow_forget(void)
{
	struct flow_entry *f, *next;

	for (unsigned i = 0; i < BUCKETS; i++) {
		for (f = bucket[i]; f; f = next) {
			next = f->next;
			slab_put(&slab, f);
		}
		bucket[i] = NULL;
	}
}

/* A rule with one user more. */
static struct flow *enter(const struct nic_flow *rule, uint32_t mask, char why[NIC_WHY_LEN])
{
	struct flow_entry **head = bucket_of(rule), *f = *head;

	while (f && (f->flow.ifaces != mask || !same(&f->flow.rule, rule)))
		f = f->next;
	if (f) {
		f->flow.users++;
		return &f->flow;
	}
	f = slab_get(&slab);
	if (!f) {
		snprintf(why, NIC_WHY_LEN, "no memory for a steering rule");
		return NULL;
	}
	memset(f, 0, sizeof(*f));
	f->flow = (struct flow){ .rule = *rule, .ifaces = mask, .users = 1 };
	if (install(&f->flow, mask, why)) {
		slab_put(&slab, f);
		return NULL;
	}
	f->next = *head;
	*head = f;
	return &f->flow;
}

static void leave(struct flow *flow)
{
	struct flow_entry **p = bucket_of(&flow->rule);

	if (--flow->users)
		return;
	uninstall(flow, flow->ifaces);
	while (&(*p)->flow != flow)
		p = &(*p)->next;
	*p = (*p)->next;
	slab_put(&slab, (struct flow_entry *)flow);
}

struct flow *flow_get(const struct nic_flow *rule, uint32_t mask, const struct sock *s,
		      char why[NIC_WHY_LEN])
{
	struct flow *f = enter(rule, mask, why);

	if (!f || own(f, s, why))
		return f;
	leave(f);
	return NULL;
}

void flow_put(struct flow *f, const struct sock *s)
{
	disown(s, f->ifaces);
	leave(f);
}
