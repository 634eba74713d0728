/* SPDX-License-Identifier: BSD-3-Clause */
/* lock.c - the contended side of lock.h. */
#define _GNU_SOURCE
#include "base/lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/sandbox.h"

#define SPINS 200
#define LOWEST_MADE_UP                                                                             \
	0x40000000u /* no thread has a number like that; for where gettid() is forbidden */

__thread uint32_t lock_tid;

uint32_t lock_tid_slow(void)
{
	static uint32_t made_up = LOWEST_MADE_UP;
	long tid = own_call6(SYS_gettid, 0, 0, 0, 0, 0, 0);

	return lock_tid = tid > 0 ? (uint32_t)tid
				  : __atomic_fetch_add(&made_up, 1, __ATOMIC_RELAXED);
}

static bool take_free(struct lock *l, uint32_t as)
{
	uint32_t seen = __atomic_load_n(&l->word, __ATOMIC_RELAXED);

	return seen == 0 && __atomic_compare_exchange_n(&l->word, &seen, as, false,
							__ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/*
 * Whoever slept takes the lock with LOCK_WAITERS set: it cannot know whether others still sleep. The wait is
 * bounded, since a holder that was cancelled by a longjmp out of a signal handler must not hang the rest for good
 * without their looking again.
 */
bool lock_acquire_slow(struct lock *l)
{
	static const struct {
		long sec, nsec;
	} nap = { 0, 50 * NSEC_PER_MSEC };
	uint32_t self = lock_self(), seen;

	if (lock_is_mine(l))
		return false;
	for (int i = 0; i < SPINS; i++) {
		if (take_free(l, self))
			return true;
		clock_pause();
	}
	while (!take_free(l, self | LOCK_WAITERS)) {
		seen = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
		if (!seen)
			continue;
		if (!(seen & LOCK_WAITERS) &&
		    !__atomic_compare_exchange_n(&l->word, &seen, seen | LOCK_WAITERS, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		own_call6(SYS_futex, (long)&l->word, FUTEX_WAIT_PRIVATE,
			  (long)(seen | LOCK_WAITERS), (long)&nap, 0, 0);
	}
	return true;
}

void lock_wake(struct lock *l)
{
	own_call6(SYS_futex, (long)&l->word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
