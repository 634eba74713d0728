/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine.h - one RX/TX queue pair, one lwIP instance, one lock.
 *
 * Whoever is inside the library and finds the lock free drives the engine: it drains a burst of frames, lwIP
 * validates them and finds their sockets, the sockets' queues take them, and the threads and epoll sets that wait for those
 * sockets are told. A thread that finds the lock taken leaves the work to the holder. There is no thread of ours.
 *
 * Lock order, outermost first: stack.lock, epoll_membership; then engine, a socket's lock, a set's lock or the sleepers' lock,
 * hostnet's, slabs. epoll_membership and the engines' locks are never held together but around a fork. A sender takes
 * a socket's tx_lock by trying only.
 */
#ifndef STACK_ENGINE_H
#define STACK_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "nic/nic.h"
#include "stack/dgram.h"
#include "stack/slots.h"

struct sock;
struct iface;
struct hostnet_hop;

struct engine {
	struct lock lock;
	bool dead; /* the queue is gone (interface deleted, reset): no more polling; set by whoever notices */
	bool tight; /* few free frames: datagrams are set aside instead of queued by reference */
	struct nic_queue *queue;
	struct iface *iface;
	unsigned frames;		 /* in the pool when nothing is in flight */
	struct sock *fed[2 * NIC_BURST]; /* sockets that got something in this burst */
	unsigned feds;
	/* Frames on the TX ring that the NIC has not been told of: how many, since when (clock_ticks()), whose the last one is. */
	unsigned held;
	uint64_t held_since;
	const struct sock *held_for;
	struct dgram *returned; /* frames that readers have given back (lock-free stack) */
	uint64_t stamp;		/* of this burst, as dgram.stamp */
	bool stamping; /* frames carry hardware stamps, and the driver's are switched on (hwstamp.h) */
	struct lwip_instance lwip;
	struct lwip_port *port; /* lwIP's interface and PCBs of this engine (lwip_port.h) */
	struct stats_queue *stats;
};

/* Opens an engine over @queue. NULL without memory. */
struct engine *engine_open(struct nic_queue *queue, struct iface *iface);
void engine_close(struct engine *e);

/* The queue was driven by a process that is gone: what that one had of its frames is to be had again. */
void engine_recover(struct engine *e);

/* Receives one burst if nobody else is at it. Returns the number of frames. */
unsigned engine_poll(struct engine *e);

/* Makes the NIC send what is on the TX ring. In copy mode that is a system call for each kick. The lock is held. */
void engine_kick(struct engine *e);

/*
 * Leaves the frame of @s that has just been put on the ring to a later kick (hold.h): the next engine_poll() that finds nothing in
 * the queue of @s or the frame 50 us old, or the sleep before which it is to go out in any case. @now: clock_ticks(). The lock is held.
 */
static inline void engine_hold(struct engine *e, const struct sock *s, uint64_t now)
{
	if (!e->held)
		e->held_since = now;
	e->held_for = s;
	relaxed_set(e->held, e->held + 1);
}

/*
 * Gives the frames of a chain of consumed datagrams (all of this engine) back: they are the NIC's with the next
 * engine_reclaim(), many at a time.
 */
void engine_return(struct engine *e, struct dgram *chain);

/* What was given back goes to the pool. The lock is held; part of each engine_poll(), and for senders that find the pool empty. */
void engine_reclaim(struct engine *e);

/* Called by lwip_port.c for each datagram that found its socket; takes @d over. */
void engine_deliver(struct engine *e, struct sock *s, struct dgram *d);

/* The same for a further socket that hears a multicast datagram: it gets a copy, @d stays the caller's. */
void engine_deliver_copy(struct engine *e, struct sock *s, struct dgram *d);

/* Copies the counters that only the queue knows to the statistics page. */
void engine_publish(struct engine *e);

#endif
