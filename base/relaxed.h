/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * relaxed.h - values that one thread writes while others look at them without a lock: hints ("is it worth taking the
 * lock?"), times, options, counters. The reader gets an old value or a new one, never half of one, and may draw no
 * conclusion about anything else. On x86 these are plain loads and stores.
 */
#ifndef BASE_RELAXED_H
#define BASE_RELAXED_H

#define relaxed_get(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define relaxed_set(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)

/*
 * Not one atomic step, and so without a locked instruction: of two additions at the same time one may be lost. For
 * what has one writer at a time, and for counters that are only displayed.
 */
#define relaxed_add(x, n) relaxed_set(x, relaxed_get(x) + (n))

#endif
