/* SPDX-License-Identifier: BSD-3-Clause */
/* spin.h - the first part of a wait: looking for a while instead of sleeping. */
#ifndef STACK_SPIN_H
#define STACK_SPIN_H

#include "stack/wait.h"

/*
 * Polls the queues for KBACCEL_SPIN microseconds, or without that in the middle of a stream for a moment. Parameters and
 * result as those of wait_for(); WAIT_TIMEOUT: nothing came in that time, or it is not worth looking.
 */
int spin(const struct wait_target *t, struct pollfd *fds, unsigned n, uint64_t deadline,
	 const sigset_t *mask);

#endif
