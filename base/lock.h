/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.h - the one kind of lock of the library: a futex word that holds the owner's thread id.
 *
 * Made for code that runs inside somebody else's program:
 *  - a signal handler of the program may interrupt a holder and call in again on the same thread: lock_acquire()
 *    then answers false instead of waiting for itself, and the caller takes the kernel path;
 *  - while the process has one thread, no atomic instruction is executed;
 *  - no lock is ever held across a blocking call or the program's own code (R9), so holders are gone within microseconds.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

struct lock {
	uint32_t word; /* 0: free; else the owner's thread id or another number of its own, with LOCK_WAITERS if somebody sleeps on it */
};

#define LOCK_WAITERS 0x80000000u

extern __thread uint32_t lock_tid __attribute__((tls_model("initial-exec")));

/* Reads the thread id once for each thread; lock_forget_tid() is for the child of a fork. */
uint32_t lock_tid_slow(void);

static inline uint32_t lock_self(void)
{
	return lock_tid ? lock_tid : lock_tid_slow();
}

static inline void lock_forget_tid(void)
{
	lock_tid = 0;
}

bool lock_acquire_slow(struct lock *l);
void lock_wake(struct lock *l);

/* Takes the lock if it is free. */
static inline bool lock_try(struct lock *l)
{
	uint32_t free_word = 0;

	if (__libc_single_threaded) {
		if (l->word)
			return false;
		l->word = lock_self();
		__atomic_signal_fence(__ATOMIC_ACQUIRE);
		return true;
	}
	return __atomic_compare_exchange_n(&l->word, &free_word, lock_self(), false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Takes the lock; false only if this very thread holds it already (a signal handler interrupted the holder). */
static inline bool lock_acquire(struct lock *l)
{
	return lock_try(l) || lock_acquire_slow(l);
}

static inline void lock_release(struct lock *l)
{
	if (__libc_single_threaded) {
		__atomic_signal_fence(__ATOMIC_RELEASE);
		l->word = 0;
		return;
	}
	if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) & LOCK_WAITERS)
		lock_wake(l);
}

static inline bool lock_is_mine(const struct lock *l)
{
	return (__atomic_load_n(&l->word, __ATOMIC_RELAXED) & ~LOCK_WAITERS) == lock_self();
}

/* In the child of a fork: holders are gone. */
static inline void lock_reset(struct lock *l)
{
	l->word = 0;
}

#endif
