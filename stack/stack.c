/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stack.c - the process-wide clockwork (see stack.h): start-up, the tick.
 */
#include "stack/stack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fds.h"
#include "base/kernel.h"
#include "base/log.h"
#include "base/slab.h"
#include "base/stats.h"
#include "stack/capture.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/groups.h"
#include "stack/hostnet.h"
#include "stack/hwstamp.h"
#include "stack/relatives.h"
#include "stack/sock.h"
#include "stack/sockdiag.h"
#include "stack/usermem.h"
#include "stack/wait.h"

struct stack stack;

/* Addresses come and go with the tick; the steering rules of "any" sockets follow. */
static void address_changed(const struct ipaddr *addr, int ifindex, bool on)
{
	(void)ifindex;
	local_address(addr, on);
}

int stack_init(char why[NIC_WHY_LEN])
{
	int err;

	if (stack_is_ready())
		return 0;
	clock_init();
	stats_init();
	err = usermem_init();
	if (!err)
		err = family_open();
	if (!err)
		err = hostnet_open(address_changed);
	if (err) {
		snprintf(why, NIC_WHY_LEN,
			 "cannot set up (%s): raise the limits on memory and descriptors",
			 strerrordesc_np(-err));
		return err;
	}
	wait_prepare();
	queue_reserve();
	flow_reserve();
	groups_reserve();
	epoll_reserve();
	__atomic_store_n(&stack.ready, true, __ATOMIC_RELEASE);
	return 0;
}

static uint64_t lease_end; /* clock_ns(); 0: it was taken off, and whoever did that cares for what follows */

void stack_renew_lease(uint64_t until)
{
	unsigned ifaces = __atomic_load_n(&stack.ifaces, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < ifaces; i++)
		if (!relaxed_get(stack.iface[i]->dead) && !relaxed_get(stack.iface[i]->paused))
			stack.iface[i]->nic->ops->set_lease(stack.iface[i]->nic, until);
	relaxed_set(lease_end, until);
}

static void settle(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind == FILE_SOCK && s->state == SOCK_ACTIVE)
		queue_settle(s, true);
}

/*
 * The program was busy, or stopped, for longer than the lease: what the kernel has received since is older than what will be
 * steered from now on, and is read first.
 */
static void renew(void)
{
	uint64_t now = clock_ns(), end = relaxed_get(lease_end);

	/* Rules in hardware have no lease: nothing went to the kernel. */
	if (__builtin_expect(end && now >= end, 0) && !relaxed_get(stack.hard_rules) &&
	    lock_try(&stack.lock)) {
		fdtable_each(settle);
		lock_release(&stack.lock);
	}
	stack_renew_lease(now + STACK_LEASE_NS);
}

/*
 * Links that went away, or changed their address: AF_XDP itself says nothing about that. The kernel has a removed
 * interface's traffic anyway, but its queues must not be polled for ever. Or the queues are gone, and the interface is there.
 */
static void follow_links(void)
{
	static uint32_t seen;
	uint32_t now = __atomic_load_n(&hostnet_generation, __ATOMIC_ACQUIRE);

	if (now == seen && !ifaces_broken())
		return;
	seen = now;
	ifaces_follow_links();
}

static void publish(void)
{
	for (unsigned i = 0; i < stack.engines; i++) {
		if (!lock_try(&stack.engine[i]->lock))
			continue;
		engine_publish(stack.engine[i]);
		lock_release(&stack.engine[i]->lock);
	}
}

void stack_tick_slow(uint64_t now)
{
	static uint64_t publish_due;

	relaxed_set(stack.tick_due, now + STACK_TICK_US * clock_ticks_per_us);
	relatives_tick();
	if (!stack_is_ready() || !relaxed_get(stack.owner))
		return;
	wait_is_over();
	stack_kick();
	family_listen();
	/* The lease first, and without a lock: it is what keeps the traffic coming (R6). */
	if (relaxed_get(stack.steered))
		renew();
	if (!lock_try(&stack.lock))
		return;
	sock_reap();
	hostnet_refresh();
	follow_links();
	groups_check();
	hwstamp_follow(now);
	capture_follow();
	if (now >= publish_due) {
		publish_due = now + 10 * STACK_TICK_US * clock_ticks_per_us;
		publish();
	}
	lock_release(&stack.lock);
}

void stack_kick_slow(void)
{
	unsigned engines = __atomic_load_n(&stack.engines, __ATOMIC_ACQUIRE);

	/* What was held before is seen below; what is held from now on sets it again. */
	(void)__atomic_exchange_n(&stack.holding, false, __ATOMIC_ACQ_REL);
	for (unsigned i = 0; i < engines; i++) {
		if (!relaxed_get(stack.engine[i]->held) || !lock_acquire(&stack.engine[i]->lock))
			continue;
		engine_kick(stack.engine[i]);
		lock_release(&stack.engine[i]->lock);
	}
}

#define LEAVING_US 1000

static bool lock_before(struct lock *l, uint64_t end)
{
	while (!lock_is_mine(l) && clock_ticks() < end) {
		if (lock_try(l))
			return true;
		clock_pause();
	}
	return false;
}

void stack_kick_leaving(void)
{
	unsigned engines = __atomic_load_n(&stack.engines, __ATOMIC_ACQUIRE);
	uint64_t end = clock_ticks() + LEAVING_US * clock_ticks_per_us;

	for (unsigned i = 0; i < engines; i++) {
		if (!relaxed_get(stack.engine[i]->held) || fdtable_is_foreign() ||
		    !lock_before(&stack.engine[i]->lock, end))
			continue;
		engine_kick(stack.engine[i]);
		lock_release(&stack.engine[i]->lock);
	}
}

bool stack_exclusive_begin(void)
{
	for (unsigned i = 0; i < stack.engines; i++) {
		if (lock_acquire(&stack.engine[i]->lock))
			continue;
		while (i-- > 0)
			lock_release(&stack.engine[i]->lock);
		return false;
	}
	return true;
}

void stack_exclusive_end(void)
{
	for (unsigned i = 0; i < stack.engines; i++)
		lock_release(&stack.engine[i]->lock);
}
