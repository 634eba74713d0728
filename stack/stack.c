/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stack.c - the process-wide clockwork (see stack.h): start-up, the tick, ownership across fork.
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
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/groups.h"
#include "stack/hostnet.h"
#include "stack/sock.h"
#include "stack/sockdiag.h"
#include "stack/usermem.h"
#include "stack/wait.h"

#define LEASE_NS NSEC_PER_SEC

struct stack stack;

/*
 * Which process of a family of forked ones drives the queues (R8): the first that waits or receives, later whoever
 * does so when that one is gone. In memory that all of them share.
 */
static struct family {
	int owner;     /* pid; 0: nobody yet, or it has left */
	int contended; /* another one wants to receive on a socket that they share */
} *family;

static unsigned engines_open; /* in the child of a fork: stack.engines, once it drives them */


static int map_family(void)
{
	void *mem = mmap(NULL, sizeof(*family), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	family = mem;
	return 0;
}

/* Addresses come and go with the tick; the steering rules of "any" sockets follow. */
static void address_changed(const struct ipaddr *addr, int ifindex, bool on)
{
	(void)ifindex;
	local_address(addr, on);
}

int stack_init(char why[NIC_WHY_LEN])
{
	int err;

	if (stack.ready)
		return 0;
	clock_init();
	stats_init();
	err = usermem_init();
	if (!err)
		err = map_family();
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
	stack.ready = true;
	return 0;
}

static void renew_lease(uint64_t until)
{
	for (unsigned i = 0; i < stack.ifaces; i++)
		if (!stack.iface[i]->dead && !stack.iface[i]->paused)
			stack.iface[i]->nic->ops->set_lease(stack.iface[i]->nic, until);
}

/*
 * Links that went away, or changed their address: AF_XDP itself says nothing about that. The kernel has a removed
 * interface's traffic anyway, but its queues must not be polled for ever.
 */
static void follow_links(void)
{
	static uint32_t seen;
	uint32_t now = __atomic_load_n(&hostnet_generation, __ATOMIC_ACQUIRE);

	if (now == seen)
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

/* Another process receives on sockets that it inherited from us, or we from it: those are the kernel's from now on. */
static void yield_shared(void)
{
	if (!lock_try(&stack.lock))
		return;
	__atomic_store_n(&family->contended, 0, __ATOMIC_RELEASE);
	fdtable_each(sock_yield);
	lock_release(&stack.lock);
}

void stack_tick_slow(uint64_t now)
{
	static uint64_t publish_due;

	stack.tick_due = now + STACK_TICK_US * clock_ticks_per_us;
	if (!stack.ready || !stack.owner)
		return;
	if (__builtin_expect(__atomic_load_n(&family->contended, __ATOMIC_ACQUIRE), 0))
		yield_shared();
	/* The lease first, and without a lock: it is what keeps the traffic coming (R6). */
	if (stack.steered)
		renew_lease(clock_ns() + LEASE_NS);
	if (!lock_try(&stack.lock))
		return;
	sock_reap();
	hostnet_refresh();
	follow_links();
	groups_check();
	if (now >= publish_due) {
		publish_due = now + 10 * STACK_TICK_US * clock_ticks_per_us;
		publish();
	}
	lock_release(&stack.lock);
}

/* Also true of a zombie, which kill(pid, 0) would still find: a pidfd becomes readable when its process ends. */
static bool is_gone(int pid)
{
	struct pollfd p = { .events = POLLIN };
	bool gone;

	p.fd = (int)rawcall6(SYS_pidfd_open, pid, 0, 0, 0, 0, 0);
	if (p.fd < 0)
		return p.fd == -ESRCH;
	gone = kernel_ppoll(&p, 1, (struct timespec){ 0, 0 }, NULL) == 1;
	rawcall6(SYS_close, p.fd, 0, 0, 0, 0, 0);
	return gone;
}

/* What the child of a fork put off (stack_forked()). */
static void take_over(void)
{
	if (!stack.borrowed)
		return;
	stack.engines = engines_open;
	stack.borrowed = false;
	stats_reopen();
	hostnet_reopen();
}

/* Somebody else's rings: not even to be looked at. */
static void keep_off(void)
{
	if (stack.engines)
		engines_open = stack.engines;
	stack.engines = 0;
}

bool stack_claim(void)
{
	int owner = __atomic_load_n(&family->owner, __ATOMIC_ACQUIRE), me = fdtable_owner;

	if (stack.owner)
		return true;
	if (owner && owner != me && !is_gone(owner)) {
		keep_off();
		return false;
	}
	stack.owner = owner == me || __atomic_compare_exchange_n(&family->owner, &owner, me, false,
								 __ATOMIC_ACQ_REL,
								 __ATOMIC_ACQUIRE);
	if (stack.owner)
		take_over();
	else
		keep_off();
	return stack.owner;
}

static bool claim_failed;

bool stack_claim_to_send(void)
{
	if (claim_failed || !stack.ready || !lock_try(&stack.lock))
		return false;
	claim_failed = !stack_claim();
	lock_release(&stack.lock);
	return !claim_failed;
}

/*
 * Two processes that receive on one socket share its datagrams, and only the kernel can share them out. The map that
 * holds the lease is shared, too: steering stops at once, the owner finds out at its next tick.
 */
void stack_contend(void)
{
	__atomic_store_n(&family->contended, 1, __ATOMIC_RELEASE);
	renew_lease(0);
}

void stack_leave(void)
{
	if (!stack.ready || !stack.owner || family->owner != fdtable_owner)
		return;
	renew_lease(0);
	__atomic_store_n(&family->owner, 0, __ATOMIC_RELEASE);
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

static bool fork_locked, fork_exclusive;

static void mark_shared(int fd, struct file *f)
{
	(void)fd;
	if (f->kind == FILE_SOCK)
		((struct sock *)f)->shared = true;
}

void stack_fork_prepare(void)
{
	fork_locked = lock_acquire(&stack.lock);
	epoll_fork_prepare();
	fork_exclusive = stack_exclusive_begin();
}

void stack_fork_parent(void)
{
	if (fork_exclusive)
		stack_exclusive_end();
	epoll_fork_parent();
	if (stack.ready)
		fdtable_each(mark_shared);
	if (fork_locked)
		lock_release(&stack.lock);
}

/* What was queued stays the parent's: both would deliver it otherwise. */
static void forget_queue(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK)
		return;
	lock_reset(&s->lock);
	lock_reset(&s->tx_lock);
	s->head = NULL;
	s->tail = &s->head;
	s->count = 0;
	s->charged = 0;
}

/* The parent drives: here the socket has to be activated again, which will fail while the parent lives. */
static void back_to_prepared(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK || (s->state != SOCK_PREPARED && s->state != SOCK_ACTIVE))
		return;
	s->state = SOCK_PREPARED;
	stack.prepared++;
}

void stack_forked(void)
{
	lock_forget_tid();
	fdtable_set_owner();
	slab_forked();
	hostnet_forked();
	sockdiag_forked();
	lock_reset(&stack.lock);
	for (unsigned i = 0; i < stack.engines; i++)
		lock_reset(&stack.engine[i]->lock);
	wait_forked();
	epoll_forked();
	if (!stack.ready)
		return;
	fdtable_each(forget_queue);
	stack.owner = false;
	claim_failed = false;
	/* Most children run another program at once: what costs time waits until this one takes over. */
	stack.borrowed = true;
	lock_self();
	fdtable_each(mark_shared);
	engines_open = stack.engines ? stack.engines : engines_open;
	if (family->owner) {
		stack.engines = 0;
		stack.steered = stack.prepared = stack.stamp_wanted = 0;
		fdtable_each(back_to_prepared);
	} else if (stack.prepared) {
		/* A daemon on its way: what it takes to serve is to be had now, before it drops privileges (R7). */
		take_over();
	}
}
