/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait.h - how a thread of the program waits inside the library: poll the queues for KBACCEL_SPIN, then sleep in ppoll().
 *
 * A sleeper polls everything that can end its wait at once: the kernel's descriptors, every engine's queue, and an
 * eventfd by which a thread that drained a queue on its behalf wakes it (R13). It sleeps 300 ms at a time, to renew the lease (R6).
 *
 * Signals: while a thread spins for longer than 50 us, signals are blocked and looked for every 50 us with the program's own mask, so
 * that a handler always runs inside a system call that says EINTR (R9), or right before the wait (spin.h).
 */
#ifndef STACK_WAIT_H
#define STACK_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "stack/stack.h"

#define WAIT_FOREVER UINT64_MAX
#define WAIT_EXTRA 260	  /* descriptors that wait_sleep() adds: engines and one eventfd */
#define WAIT_KERNEL_US 50 /* at the latest after so long the kernel's side is looked at */

struct sock;
struct epoll_set;

/* What a thread waits for; the first two may be NULL, both NULL: many sockets, woken for any. */
struct wait_target {
	const struct sock *sock;
	const struct epoll_set *set;
	bool (*ready)(void *arg); /* has it come? Looked at between polls */
	void *arg;
	bool mixed;	  /* the kernel's own files are among them: no 50 us late for those */
	bool kernel_only; /* no accelerated socket among them: leave the queues alone */
	bool no_restart; /* the kernel's call says EINTR after a stop (signal(7)), too, where no handler runs */
	/* Gives the call's references back when the thread is cancelled in its sleep (pthread_cancel(3)). */
	void (*release)(void *arg);
};

/*
 * Why a wait ended. Negative: -EINTR. With WAIT_READY the kernel's descriptors were looked at last of all and have
 * nothing; with WAIT_FED they were not.
 */
enum { WAIT_TIMEOUT = 0, WAIT_READY = 1, WAIT_KERNEL = 2, WAIT_FED = 3 };

/*
 * Waits until @t->ready, or one of the @n descriptors in @fds has an event (revents is filled in: WAIT_KERNEL), or @deadline
 * (clock_ns()), or a signal. @fds has room for WAIT_EXTRA more. @mask: signal mask meanwhile, or NULL.
 */
int wait_for(const struct wait_target *t, struct pollfd *fds, unsigned n, uint64_t deadline,
	     const sigset_t *mask);

/* Wakes the threads that sleep for @s. Called by whoever fed it. */
void wait_wake_sock(const struct sock *s);
/* ... for @set. */
void wait_wake_set(const struct epoll_set *set);

/* This thread is about to wait, or in between two sleeps of a wait: what comes is for it, too. */
extern __thread bool wait_attending __attribute__((tls_model("initial-exec")));

/* The clockwork, turned on the way into a wait, or within one. */
static inline void wait_tick(void)
{
	wait_attending = true;
	stack_tick();
	wait_attending = false;
}

/* By the clockwork: this thread is not in a wait, unless it is the wait that turns it. */
void wait_is_over(void);

/* Prepares one sleeper's eventfd, so that the first sleep needs none (R7). */
void wait_prepare(void);

/* Before seccomp leaves us what @next says: sleepers that could not be made later, signal handlers that could not be read. */
struct sandbox;
void wait_confine(const struct sandbox *next);

/* In the child of a fork. */
void wait_forked(void);

/* Deadline from a relative time in nanoseconds; saturates. */
uint64_t wait_deadline(uint64_t ns);

/* Would the kernel restart a call that a signal has just interrupted (SA_RESTART)? */
bool wait_restarts(void);

#endif
