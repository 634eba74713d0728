/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock.h - cheap monotonic time.
 *
 * clock_ns() is CLOCK_MONOTONIC, the clock that bpf_ktime_get_ns() and the lease use. clock_ticks() is for
 * "has about N us passed?" on the data path: the time-stamp counter where there is one.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Ticks in a microsecond; set by clock_init(). */
extern uint64_t clock_ticks_per_us;

/* Calibrates the tick; takes about 1 ms the first time. */
void clock_init(void);

static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return clock_ns();
#endif
}

static inline void clock_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

#endif
