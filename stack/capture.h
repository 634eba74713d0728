/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture.h - copies of the fast path's frames for `kbaccel capture` (base/capture.h). Without one it costs a look at a pointer for each
 * burst.
 */
#ifndef STACK_CAPTURE_H
#define STACK_CAPTURE_H

#include "base/capture.h"
#include "base/relaxed.h"
#include "nic/nic.h"

extern struct capture_ring *capture_ring; /* NULL: nobody captures */

/* Has one begun or ended? With stack.lock held, by the tick. */
void capture_follow(void);

/* In the child of a fork: what is mapped is the parent's. */
void capture_forked(void);

void capture_frames_slow(const struct nic_queue *q, const struct nic_frame *frames, unsigned n,
			 enum capture_direction direction);

/* @n frames of @q. With the engine's lock held. */
static inline __attribute__((always_inline)) void capture_frames(const struct nic_queue *q,
								 const struct nic_frame *frames,
								 unsigned n,
								 enum capture_direction direction)
{
	if (__builtin_expect(relaxed_get(capture_ring) != NULL, 0))
		capture_frames_slow(q, frames, n, direction);
}

#endif
