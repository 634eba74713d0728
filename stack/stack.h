/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stack.h - the process-wide part: which interfaces are open, what is steered to them, and the clockwork that every
 * entry into the library turns (lease, notifications, statistics).
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/relaxed.h"
#include "base/sandbox.h"
#include "nic/nic.h"
#include "stack/engine.h"

#define STACK_MAX_IFACES 16
#define STACK_MAX_ENGINES 256

/* An open interface. Never closed before the process ends, only marked dead: pointers to it stay good. */
struct iface {
	struct nic *nic;
	unsigned engines;
	struct engine *engine[NIC_MAX_QUEUES];
	bool dead; /* read without the lock by senders and the tick, as ->paused */
	bool port; /* of a bridge, bond or VRF, when it was opened; it was named then */
	bool paused; /* it has become one: its frames are another interface's, or in another routing table */
	int refused;	   /* dead, and this interface of the same name can not take its place */
	uint64_t retry_at; /* clock_ns() when that is tried again; 0: it is not */
};

/* A steering rule in force, on all interfaces that the sockets using it need; counted. */
struct flow {
	struct nic_flow rule;
	unsigned users;
	uint32_t ifaces; /* bit i: on stack.iface[i] */
};

struct stack {
	struct lock lock; /* opening interfaces, flows, demultiplexer writers */
	bool ready; /* stack_init() is done (stack_is_ready()); the lock's, but read without it, as all below */
	unsigned ifaces;
	struct iface *iface[STACK_MAX_IFACES];
	unsigned engines;
	struct engine *engine[STACK_MAX_ENGINES];
	unsigned prepared;     /* sockets that the next wait or receive activates */
	unsigned steered;      /* active sockets */
	unsigned stamp_wanted; /* sockets that want receive timestamps */
	uint64_t last_burst; /* clock_ticks() when frames came last, by any engine: whoever drained it writes this */
	uint64_t last_gap; /* and how long before that they had come */
	uint64_t tick_due; /* clock_ticks(): when stack_tick_slow() is due; written by whoever turns it */
	bool hard_rules; /* some interface has NIC_F_HARD_RULES */
	bool owner;	 /* this process drives the queues (R8) */
	bool holding;	 /* some engine may hold frames for a later kick (KBACCEL_TX_BATCH) */
	bool borrowed; /* the child of a fork, still with its parent's counters and netlink socket */
};

extern struct stack stack;

static inline bool stack_is_ready(void)
{
	return __atomic_load_n(&stack.ready, __ATOMIC_ACQUIRE);
}

/* The program's seccomp filter forbids what it takes to open something: it is open by then, or stays the kernel's. */
static inline bool stack_is_confined(void)
{
	return __builtin_expect(relaxed_get(sandbox.entered), 0) && !relaxed_get(sandbox.opens);
}

#define STACK_CONFINED                                                                             \
	"the program has entered seccomp, and its filter does not let anything be opened any more: bind before that"

/* Prepares clock, statistics and netlink; once. 0 or -errno, @why says what to do. */
int stack_init(char why[NIC_WHY_LEN]);

/*
 * Opens what a socket bound to @local needs: @bound_if, or KBACCEL_INTERFACE, or the interface with that address, or all with a
 * route. Returns a bit mask of stack.iface[], or 0 with @why filled in.
 */
uint32_t stack_open_ifaces(const struct ipaddr *local, int bound_if, char why[NIC_WHY_LEN]);

/* A local address came or went: tells all interfaces. stack.lock held. */
void local_address(const struct ipaddr *addr, bool on);

/*
 * After a change of links: marks interfaces dead that are gone, or whose queues are, opens those that are there again by the same name, pauses those
 * that became ports, takes over new MAC addresses. stack.lock held.
 */
void ifaces_follow_links(void);

/* Has the backend of one of them given up (nic->broken), or is it time to try again? Then ifaces_follow_links() is due. */
bool ifaces_broken(void);

/*
 * In the child of a fork: opens all interfaces again, for queues and rules of its own, and gives up the inherited ones. 0, or
 * -errno with @why, and all is as it was.
 */
int ifaces_reopen(char why[NIC_WHY_LEN]);

/* The open interface with this index, or NULL. */
struct iface *stack_iface(int ifindex);

/* What is to be steered to @s by its addresses and options. */
struct sock;
struct nic_flow flow_rule(const struct sock *s);

/*
 * Installs @rule on the interfaces in @mask (or counts one more user), for the socket @s (NULL: for a group,
 * where none is asked for). NULL: @why. flow_put() ends one use, by the same socket.
 */
void flow_reserve(void);
struct flow *flow_get(const struct nic_flow *rule, uint32_t mask, const struct sock *s,
		      char why[NIC_WHY_LEN]);
void flow_put(struct flow *f, const struct sock *s);

/*
 * Names @s, whose descriptor is @fd, to the interfaces in @mask before there is a rule: whoever has opened the queues for a process
 * without privileges has to see the socket, while system calls are still allowed (R7). 0, or -errno with @why.
 */
int flow_admit(const struct sock *s, int fd, uint32_t mask, char why[NIC_WHY_LEN]);

/* Drops all rules, which were those of interfaces that are ours no longer. */
void flow_forget(void);

/* All engines' locks, for writers of the demultiplexer. False: re-entered by a signal handler; do nothing. */
bool stack_exclusive_begin(void);
void stack_exclusive_end(void);

/* Within this time of the last entry the steering holds (R6). */
#define STACK_LEASE_NS NSEC_PER_SEC

#define STACK_TICK_US 10000

void stack_tick_slow(uint64_t now);

/* Turned by every entry into the library: cheap unless 10 ms have passed. */
static inline uint64_t stack_tick(void)
{
	uint64_t now = clock_ticks();

	if (__builtin_expect(now >= relaxed_get(stack.tick_due), 0))
		stack_tick_slow(now);
	return now;
}

/* The program has been told that a path is narrower than it was: let the next call know, too. */
static inline void stack_path_changed(void)
{
	relaxed_set(stack.tick_due, 0);
}

/* Drains one burst of each engine that nobody else is draining. Returns how many frames came. */
static inline unsigned stack_poll(void)
{
	unsigned n = 0, engines = __atomic_load_n(&stack.engines, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < engines; i++)
		n += engine_poll(stack.engine[i]);
	return n;
}

/* What senders have left to a later kick (KBACCEL_TX_BATCH) is sent. */
void stack_kick_slow(void);

static inline void stack_kick(void)
{
	if (__builtin_expect(config.tx_batch > 1, 0))
		stack_kick_slow();
}

/* The same before a wait that is not for our sockets, which may be a long one. */
static inline void stack_kick_held(void)
{
	if (__builtin_expect(relaxed_get(stack.holding), 0))
		stack_kick_slow();
}

/*
 * The same before the process ends or executes another program, maybe in a signal handler: it waits for nobody for
 * longer than a burst takes, since who has an engine may wait for what the handler interrupted. In a child that
 * shares or has copied the parent's memory it does nothing.
 */
void stack_kick_leaving(void);

/* Steering works until then (CLOCK_MONOTONIC ns), on all open interfaces; 0: not from now on. */
void stack_renew_lease(uint64_t until);

/* family.c. Prepares ownership; 0 or -errno. With the tick: does a relative need what we have? */
int family_open(void);
void family_listen(void);

/*
 * This process drives its queues from now on (R8): those that it opened or inherited, or, while a relative drives these, new
 * ones of its own. @shared: for a socket that the other one may have, too. False: neither is possible. stack.lock held.
 */
bool stack_claim(bool shared);

/*
 * The process is about to lose privileges: a forked one that may have to receive takes its queues now; with @any one that has
 * forked, too. Rules in hardware are put in force.
 */
void stack_last_chance_slow(bool any);

static inline void stack_last_chance(void)
{
	if (__builtin_expect(stack_is_ready() &&
				     (!relaxed_get(stack.owner) || relaxed_get(stack.hard_rules)),
			     0))
		stack_last_chance_slow(false);
}

/*
 * The process goes on with the capabilities @left. If it could open interfaces so far, will not be able to any more, and has none
 * open, those that sockets with the chosen ports and addresses may need are opened now (R7).
 */
void stack_open_early_slow(uint64_t left);

static inline void stack_open_early(uint64_t left)
{
	if (config_active() && !__atomic_load_n(&stack.ifaces, __ATOMIC_ACQUIRE))
		stack_open_early_slow(left);
}

/*
 * The program is about to enter seccomp, and @next is what it will be allowed: prepares what could not be had later. Then, once it
 * has, sockets that cannot be accelerated any more go to the kernel path, and @message says why.
 */
void stack_confine(const struct sandbox *next, struct log_line *message);
void stack_confined(const struct log_line *message);

/* Tells the interfaces what the program's filter is: rules in hardware stay as they are if it forbids what changes them. */
void ifaces_seal(const struct sandbox *s);

/* This process receives on a socket that it shares with relatives. stack.lock held. */
void family_receives(void);

/* The steering of @s has been switched on; it goes off. stack.lock held. */
void family_steered(struct sock *s);
void family_unsteered(struct sock *s);

/* Others receive on sockets of ours, too; changed under stack.lock. */
extern bool family_sharing;

/* ... as the processes themselves have said; not in the moments after a fork. stack.lock held. */
bool family_others_receive(void);

/*
 * For datagrams that were queued before a fork, and so are in several processes: a new number (0: none, too early), is it ours to
 * read (once only), has somebody read it?
 */
uint32_t family_new_claim(void);
bool family_claim(uint32_t claim);
bool family_claimed(uint32_t claim);

/* Threads in a wait, which are there for what comes. One that has jumped out of it counts until its next wait ends. */
extern unsigned family_asleep;

void family_received_slow(struct sock *s);
void family_waited_slow(void);

/* At the end of a receive on @s, of any other wait: what is to come is for those who are waiting. */
static inline void family_received(struct sock *s)
{
	if (__builtin_expect(relaxed_get(family_sharing), 0))
		family_received_slow(s);
}

static inline void family_waited(void)
{
	if (__builtin_expect(relaxed_get(family_sharing), 0))
		family_waited_slow();
}

/* The same while there are the privileges for it (R7), if it is clear already that a relative drives the inherited ones. */
void stack_claim_early(void);

/* The same for a sender; asked once, since it may go on through the shadow. */
bool stack_claim_to_send(void);

/* This process wants to receive on an inherited socket and has no queues: it becomes the kernel's for all who have it. */
void stack_contend(void);

/* The process ends: everything passes to the kernel at once, not only when the lease runs out. */
void stack_leave(void);

/* Around fork(): the child must not inherit a lock or a half-changed structure. */
void stack_fork_prepare(void);
void stack_fork_parent(void);

/*
 * Takes in what the queues hold by now: before a socket changes, since the kernel decides by the state in which a
 * datagram arrives. And sends what is held: before a fork it must not be in two hands, nor in those of a parent that is about to go.
 */
static inline void stack_drain(void)
{
	stack_kick();
	for (int i = 0; i < 64 && stack_poll(); i++)
		;
}

/* In the child of a fork: locks, queues and statistics of its own; rings stay with the parent (R8). */
void stack_forked(void);

#endif
