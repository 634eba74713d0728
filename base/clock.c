/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.c - calibration of the tick of clock.h. */
#include "base/clock.h"

uint64_t clock_ticks_per_us = 1000;

void clock_init(void)
{
#if defined(__x86_64__)
	uint64_t t0 = clock_ns(), c0 = clock_ticks(), t1, c1;

	do {
		clock_pause();
		t1 = clock_ns();
		c1 = clock_ticks();
	} while (t1 - t0 < NSEC_PER_MSEC);
	if (c1 - c0 >= NSEC_PER_USEC)
		clock_ticks_per_us = (c1 - c0) * NSEC_PER_USEC / (t1 - t0);
#endif
}
