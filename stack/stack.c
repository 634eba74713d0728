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
#include "base/log.h"
#include "base/stats.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/hostnet.h"
#include "stack/sock.h"
#include "stack/usermem.h"
#include "stack/wait.h"

#define LEASE_NS NSEC_PER_SEC

struct stack stack;

/*
 * Which process drives the queues: the first of a family of forked ones that waits or receives (R7, R8). In memory
 * that all of them share; 0: nobody yet.
 */
static int *owner_pid;

/* This process is a fork's child that still uses its parent's counters and netlink socket. */
static bool reopen_due;

static int map_owner(void)
{
	void *mem = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	owner_pid = mem;
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
		err = map_owner();
	if (!err)
		err = hostnet_open(address_changed);
	if (err) {
		snprintf(why, NIC_WHY_LEN,
			 "cannot set up (%s): raise the limits on memory and descriptors",
			 strerrordesc_np(-err));
		return err;
	}
	wait_prepare();
	stack.ready = true;
	return 0;
}

static void renew_lease(uint64_t until)
{
	for (unsigned i = 0; i < stack.ifaces; i++)
		if (!stack.iface[i]->dead)
			stack.iface[i]->nic->ops->set_lease(stack.iface[i]->nic, until);
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

	stack.tick_due = now + STACK_TICK_US * clock_ticks_per_us;
	if (!stack.ready || !stack.owner)
		return;
	/* The lease first, and without a lock: it is what keeps the traffic coming (R6). */
	if (stack.steered)
		renew_lease(clock_ns() + LEASE_NS);
	if (!lock_try(&stack.lock))
		return;
	hostnet_refresh();
	if (now >= publish_due) {
		publish_due = now + 10 * STACK_TICK_US * clock_ticks_per_us;
		publish();
	}
	lock_release(&stack.lock);
}

bool stack_claim(void)
{
	int nobody = 0, me = getpid();

	if (stack.owner)
		return true;
	stack.owner = __atomic_compare_exchange_n(owner_pid, &nobody, me, false, __ATOMIC_ACQ_REL,
						  __ATOMIC_ACQUIRE) ||
		      nobody == me;
	if (stack.owner && reopen_due) {
		reopen_due = false;
		stats_reopen();
		hostnet_reopen();
	}
	if (!stack.owner)
		log_info("process %d of this family drives the queues: the sockets it shares with us "
			 "are on the kernel path here",
			 nobody);
	return stack.owner;
}

void stack_leave(void)
{
	if (stack.owner && stack.ready && *owner_pid == getpid())
		renew_lease(0);
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

void stack_fork_prepare(void)
{
	fork_locked = lock_acquire(&stack.lock);
	fork_exclusive = stack_exclusive_begin();
}

void stack_fork_parent(void)
{
	if (fork_exclusive)
		stack_exclusive_end();
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

/* The parent drives: in this process those sockets are plain kernel sockets. */
static void hand_to_kernel(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind == FILE_SOCK && (s->state == SOCK_PREPARED || s->state == SOCK_ACTIVE))
		s->state = SOCK_KERNEL;
}

void stack_forked(void)
{
	lock_forget_tid();
	lock_reset(&stack.lock);
	for (unsigned i = 0; i < stack.engines; i++)
		lock_reset(&stack.engine[i]->lock);
	wait_forked();
	epoll_forked();
	if (!stack.ready)
		return;
	fdtable_each(forget_queue);
	stack.owner = false;
	/* Most children run another program at once: what costs time waits until this one takes over. */
	reopen_due = true;
	if (*owner_pid) {
		stack.engines = 0;
		stack.ifaces = 0;
		stack.steered = stack.prepared = 0;
		fdtable_each(hand_to_kernel);
	}
}
