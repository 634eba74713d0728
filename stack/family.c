/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * family.c - processes forked from one another: who drives which queues (R7, R8). Contracts in stack.h.
 *
 * What a process has opened, its children inherit: the first of them that waits or receives drives it, later whoever does so
 * when that one is gone (a daemon's child goes on where its parent has prepared). While the driver lives, a
 * relative opens a seat of its own on the same interfaces: queues and steering rules of its own.
 *
 * A socket that several of them receive on is steered to those that are waiting for it at the time, among whom the steering
 * program chooses by flow: whoever returns to its program with nothing left in its queue switches its own rule off
 * (family_received(), family_waited()), so that a datagram never waits for a worker that is busy while another one is
 * idle. With nobody waiting the kernel's socket keeps it for the first that asks. A process that may not open
 * anything leaves the shared sockets to the kernel, for all of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/slab.h"
#include "base/stats.h"
#include "stack/capture.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/groups.h"
#include "stack/hostnet.h"
#include "stack/relatives.h"
#include "stack/sock_internal.h"
#include "stack/sockdiag.h"
#include "stack/stack.h"
#include "stack/wait.h"

/* In memory that all who inherited the same queues share. */
static struct family {
	int owner;	 /* pid of the process that drives them; 0: nobody yet, or it has left */
	uint32_t claims; /* how many have driven them so far */
} * family;

#define MAX_RECEIVERS 256
#define MAX_CLAIMS 65536

/* In memory that all descendants share, whatever queues they have. */
static struct clan {
	uint32_t yields; /* how often one of them could not share the sockets that they have in common */
	uint32_t changes;	   /* of receiver[] */
	uint32_t claims;	   /* given out so far */
	uint8_t taken[MAX_CLAIMS]; /* by their numbers, from the beginning again after the last */
	int receiver[MAX_RECEIVERS]; /* pids of those that have received on a shared socket; 0: free */
} * clan;
static uint32_t yields_seen, changes_seen;
static bool registered; /* we are in receiver[] */

/* After a fork others are expected to receive, too, until so many waits have ended without a sign of it. */
#define CAUTION 3
static unsigned caution;

bool family_sharing;
unsigned family_asleep;

static unsigned engines_open; /* in the child of a fork: stack.engines, once it drives them */
static bool has_relatives;    /* a fork has happened */
static bool forked;	      /* this process is the child of one that had us */
static bool queues_lost; /* ... and what it has inherited can not be driven from here (NIC_F_NO_INHERIT) */
static bool seat_refused; /* tried in vain; privileges do not come back */

static void *map_shared(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

int family_open(void)
{
	family = map_shared(sizeof(*family));
	clan = map_shared(sizeof(*clan));
	return family && clan ? 0 : -ENOMEM;
}

uint32_t family_new_claim(void)
{
	uint32_t n = __atomic_fetch_add(&clan->claims, 1, __ATOMIC_RELAXED) % MAX_CLAIMS;

	__atomic_store_n(&clan->taken[n], 0, __ATOMIC_RELEASE);
	return n + 1;
}

bool family_claim(uint32_t claim)
{
	return !__atomic_exchange_n(&clan->taken[claim - 1], 1, __ATOMIC_ACQ_REL);
}

bool family_claimed(uint32_t claim)
{
	return __atomic_load_n(&clan->taken[claim - 1], __ATOMIC_ACQUIRE);
}

bool family_others_receive(void)
{
	/* Then a socket is steered only while there are no others (relatives.h). */
	if (stack.hard_rules)
		return false;
	for (unsigned i = 0; i < MAX_RECEIVERS; i++)
		if (clan->receiver[i] && clan->receiver[i] != fdtable_owner)
			return true;
	return false;
}

/* What came before steering was switched on (queue_settle()). */
static bool shadow_has_older(struct sock *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return relaxed_get(s->settle_until) &&
	       kernel_ppoll(&p, 1, (struct timespec){ 0, 0 }, NULL) == 1;
}

/* With an empty queue: what is in it has to be read here. What came while the rule was switched off is taken in. */
static void rest(struct sock *s)
{
	if (s->state != SOCK_ACTIVE || !s->shared || sock_readable(s))
		return;
	/* With nobody else there in order: what the rings have would get into our queue, and be read first. */
	if (shadow_has_older(s) && !family_others_receive())
		return;
	sock_rest(s);
	stack_drain();
}

/* Those that rest() may concern: of the many that a process may have these are few. */
static LIST_HEAD(, sock) shared_active = LIST_HEAD_INITIALIZER(shared_active);

void family_steered(struct sock *s)
{
	if (!s->shared || s->listed)
		return;
	LIST_INSERT_HEAD(&shared_active, s, of_shared);
	s->listed = true;
}

void family_unsteered(struct sock *s)
{
	if (s->listed)
		LIST_REMOVE(s, of_shared);
	s->listed = false;
}

static void rest_all(void)
{
	struct sock *s, *next;

	for (s = LIST_FIRST(&shared_active); s; s = next) {
		next = LIST_NEXT(s, of_shared);
		rest(s);
	}
}

static void calm_down(void)
{
	if (caution && --caution == 0)
		relaxed_set(family_sharing, family_others_receive());
}

void family_received_slow(struct sock *s)
{
	if (!lock_try(&stack.lock))
		return;
	rest(s);
	calm_down();
	lock_release(&stack.lock);
}

void family_waited_slow(void)
{
	if (!lock_try(&stack.lock))
		return;
	rest_all();
	calm_down();
	lock_release(&stack.lock);
}

static void find_others(void)
{
	relaxed_set(changes_seen, __atomic_load_n(&clan->changes, __ATOMIC_ACQUIRE));
	relaxed_set(family_sharing, caution || family_others_receive());
	/* Who is about to wait does so at the end. */
	if (!relaxed_get(family_asleep) && !wait_attending)
		rest_all();
}

/* Others have come that receive on the same sockets, or one could not share with us. */
void family_listen(void)
{
	uint32_t yields = __atomic_load_n(&clan->yields, __ATOMIC_ACQUIRE);
	uint32_t changes = __atomic_load_n(&clan->changes, __ATOMIC_ACQUIRE);

	if (__builtin_expect(
		    yields == relaxed_get(yields_seen) && changes == relaxed_get(changes_seen), 1) ||
	    !lock_try(&stack.lock))
		return;
	if (yields != yields_seen)
		fdtable_each(sock_yield);
	relaxed_set(yields_seen, yields);
	if (changes != changes_seen)
		find_others();
	lock_release(&stack.lock);
}

/* Also true of a zombie, which kill(pid, 0) would still find: a pidfd becomes readable when its process ends. */
static bool is_gone(int pid)
{
	struct pollfd p = { .events = POLLIN };
	bool gone;

	/* Where it is forbidden to ask it lives. */
	p.fd = (int)own_call6(SYS_pidfd_open, pid, 0, 0, 0, 0, 0);
	if (p.fd < 0)
		return p.fd == -ESRCH;
	gone = kernel_ppoll(&p, 1, (struct timespec){ 0, 0 }, NULL) == 1;
	own_call6(SYS_close, p.fd, 0, 0, 0, 0, 0);
	return gone;
}

/* The rules in the inherited table are those of the other process's interface. */
static void unruled(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK)
		return;
	s->flow = NULL;
	groups_forget_flows(s);
}

static void show(int fd, struct file *f)
{
	(void)fd;
	if (f->kind == FILE_SOCK)
		sock_show_state((struct sock *)f);
}

/* The page has the states of the other process's sockets. */
static void reopen_stats(void)
{
	stats_reopen();
	capture_forked();
	fdtable_each(show);
}

/* What the child of a fork put off (stack_forked()). */
static void take_over(void)
{
	if (!stack.borrowed)
		return;
	__atomic_store_n(&stack.engines, engines_open, __ATOMIC_RELEASE);
	relaxed_set(stack.borrowed, false);
	reopen_stats();
	hostnet_reopen();
}

/* Somebody else's rings: not even to be looked at. */
static void keep_off(void)
{
	if (stack.engines)
		engines_open = stack.engines;
	relaxed_set(stack.engines, 0);
}

/* Queues of our own beside the owner's. False: we may not open any. */
static bool sit_apart(bool shared)
{
	char why[NIC_WHY_LEN] = "no memory";
	struct family *own = stack_is_confined() ? NULL : map_shared(sizeof(*own));

	/* The owner may have gone to something else with its steering on. It will be told by the next tick. */
	if (shared)
		stack_renew_lease(0);
	/* Before the new queues get their places on the page. */
	if (own && stack.borrowed)
		reopen_stats();
	if (!own || ifaces_reopen(why) < 0) {
		log_info("no queues of its own for this process beside its parent's: %s", why);
		if (own)
			munmap(own, sizeof(*own));
		seat_refused = true;
		return false;
	}
	fdtable_each(unruled);
	flow_forget();
	engines_open = 0;
	queues_lost = false;
	own->owner = fdtable_owner;
	family = own;
	relaxed_set(stack.owner, true);
	if (stack.borrowed) {
		relaxed_set(stack.borrowed, false);
		hostnet_reopen();
	}
	return true;
}

/* Whoever drove the queues before us may have died with rules in force, and with frames. */
static void clear_up(void)
{
	if (__atomic_fetch_add(&family->claims, 1, __ATOMIC_RELAXED) == 0)
		return;
	fdtable_each(unruled);
	flow_forget();
	for (unsigned i = 0; i < stack.ifaces; i++) {
		stack.iface[i]->nic->ops->steer_none(stack.iface[i]->nic);
		for (unsigned k = 0; k < stack.iface[i]->engines; k++)
			engine_recover(stack.iface[i]->engine[k]);
	}
}

bool stack_claim(bool shared)
{
	int owner = __atomic_load_n(&family->owner, __ATOMIC_ACQUIRE), me = fdtable_owner;

	if (stack.owner)
		return true;
	if (queues_lost)
		return !seat_refused && sit_apart(shared);
	if (stack.borrowed && stack_is_confined())
		return false; /* what is inherited cannot be taken over (take_over()) */
	if (owner && owner != me && !is_gone(owner)) {
		keep_off();
		return !seat_refused && sit_apart(shared);
	}
	relaxed_set(stack.owner,
		    owner == me || __atomic_compare_exchange_n(&family->owner, &owner, me, false,
							       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (!stack.owner) {
		keep_off();
		return !seat_refused && sit_apart(shared);
	}
	clear_up();
	take_over();
	return true;
}

/* A place in receiver[], also that of one who has died. */
static bool take_place(int *place)
{
	int pid = __atomic_load_n(place, __ATOMIC_RELAXED);

	if (pid && pid != fdtable_owner && !is_gone(pid))
		return false;
	return __atomic_compare_exchange_n(place, &pid, fdtable_owner, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

void family_receives(void)
{
	if (registered)
		return;
	for (unsigned i = 0; i < MAX_RECEIVERS && !registered; i++)
		registered = take_place(&clan->receiver[i]);
	__atomic_add_fetch(&clan->changes, 1, __ATOMIC_RELEASE);
	find_others();
}

static void deregister(void)
{
	for (unsigned i = 0; registered && i < MAX_RECEIVERS; i++)
		if (clan->receiver[i] == fdtable_owner)
			__atomic_store_n(&clan->receiver[i], 0, __ATOMIC_RELEASE);
	if (registered)
		__atomic_add_fetch(&clan->changes, 1, __ATOMIC_RELEASE);
	registered = false;
}

void stack_claim_early(void)
{
	if (!stack.owner && (queues_lost || (family->owner && family->owner != fdtable_owner)))
		stack_claim(false);
}

/* Rules in hardware take a privilege that the process is about to lose. */
static void steer_early(int fd, struct file *f)
{
	(void)fd;
	if (f->kind == FILE_SOCK)
		sock_activate((struct sock *)f);
}

/*
 * A process that was never forked needs none of its own: what is open serves whoever comes first. Of forked ones each may be
 * a worker.
 */
void stack_last_chance_slow(bool any)
{
	/* A parent that is confined before its children have begun takes what it has opened; they open their own. */
	bool worker = forked ||
		      (any && (family->owner ? family->owner != fdtable_owner : has_relatives));

	if ((!worker && !relaxed_get(stack.hard_rules)) || !relaxed_get(stack.prepared) ||
	    !lock_try(&stack.lock))
		return;
	if (worker)
		stack_claim(false);
	if (stack.hard_rules && forked)
		relatives_wait();
	lock_release(&stack.lock);
	if (relaxed_get(stack.hard_rules))
		fdtable_each(steer_early);
}

static bool claim_failed;

bool stack_claim_to_send(void)
{
	bool claimed;

	if (relaxed_get(claim_failed) || !stack_is_ready() || !lock_try(&stack.lock))
		return false;
	claimed = stack_claim(false);
	relaxed_set(claim_failed, !claimed);
	lock_release(&stack.lock);
	return claimed;
}

/*
 * Two processes that receive on one socket share its datagrams, and where they can not have a seat each only the kernel can share
 * them out. The map that holds the lease is inherited: steering stops at once, the others find out at their next tick.
 */
void stack_contend(void)
{
	__atomic_add_fetch(&clan->yields, 1, __ATOMIC_RELEASE);
	stack_renew_lease(0);
}

void stack_leave(void)
{
	if (!stack_is_ready())
		return;
	stack_kick();
	deregister();
	/* Without the lock: other threads go on receiving while the process ends. */
	if (!relaxed_get(stack.owner) ||
	    __atomic_load_n(&family->owner, __ATOMIC_ACQUIRE) != fdtable_owner)
		return;
	stack_renew_lease(0);
	__atomic_store_n(&family->owner, 0, __ATOMIC_RELEASE);
}

static void be_cautious(void)
{
	has_relatives = true;
	if (stack.hard_rules)
		return;
	caution = CAUTION;
	relaxed_set(family_sharing, true);
}

static bool fork_locked, fork_exclusive;

static void not_served(int fd, struct file *f)
{
	(void)fd;
	if (f->kind == FILE_SOCK)
		relaxed_set(((struct sock *)f)->served, false);
}

static void mark_shared(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK)
		return;
	relaxed_set(s->shared, true);
	if (s->state == SOCK_ACTIVE)
		family_steered(s);
}

/* Who will receive on it now, this process or its child? Until one of them does, the kernel keeps its datagrams. */
static void share(int fd, struct file *f)
{
	mark_shared(fd, f);
	if (f->kind != FILE_SOCK)
		return;
	sock_rest((struct sock *)f);
	be_cautious();
}

static void share_queue(int fd, struct file *f)
{
	(void)fd;
	if (f->kind == FILE_SOCK)
		queue_share((struct sock *)f);
}

void stack_fork_prepare(void)
{
	fork_locked = lock_acquire(&stack.lock);
	if (stack_is_ready() && fork_locked) {
		if (stack.hard_rules)
			relatives_prepare();
		fdtable_each(share);
		stack_drain();
		fdtable_each(share_queue);
	}
	epoll_fork_prepare();
	fork_exclusive = stack_exclusive_begin();
}

void stack_fork_parent(void)
{
	if (fork_exclusive)
		stack_exclusive_end();
	epoll_fork_parent();
	if (fork_locked)
		lock_release(&stack.lock);
}

static void inherit_queue(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK)
		return;
	lock_reset(&s->lock);
	lock_reset(&s->tx_lock);
	queue_inherit(s);
}

/* What would keep the parent's queues and rules alive behind it goes at once. */
static void lose_queues(void)
{
	for (unsigned i = 0; i < stack.ifaces; i++) {
		struct nic *nic = stack.iface[i]->nic;

		if (!(nic->flags & NIC_F_NO_INHERIT))
			continue;
		nic_forked(nic);
		queues_lost = true;
	}
	if (queues_lost)
		stack.engines = engines_open = 0;
}

/* The parent drives: here the socket has to be activated again, which will fail while the parent lives. */
static void back_to_prepared(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK || (s->state != SOCK_PREPARED && s->state != SOCK_ACTIVE))
		return;
	family_unsteered(s);
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
	fdtable_each(inherit_queue);
	stack.owner = false;
	forked = true;
	family_asleep = 0;
	claim_failed = seat_refused = registered = family_sharing = false;
	/* Most children run another program at once: what costs time waits until this one takes over. */
	stack.borrowed = true;
	lock_self();
	fdtable_each(mark_shared);
	fdtable_each(not_served);
	be_cautious();
	engines_open = stack.engines ? stack.engines : engines_open;
	lose_queues();
	relatives_forked();
	if (family->owner || queues_lost) {
		stack.engines = 0;
		stack.steered = stack.prepared = stack.stamp_wanted = 0;
		fdtable_each(back_to_prepared);
	} else if (stack.prepared && !stack_is_confined()) {
		/* A daemon on its way: what it takes to serve is to be had now, before it drops privileges (R7). */
		take_over();
	}
}
