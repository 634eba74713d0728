/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * init.c - start and end of the library in a process.
 *
 * Without KBACCEL_PORTS nothing is set up: every call costs one look at a counter. Calls that arrive before the constructor (from other
 * libraries' constructors, from an allocator) find that counter zero, too, and go to the kernel.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "base/config.h"
#include "base/log.h"
#include "base/real.h"
#include "stack/adopt.h"
#include "stack/fdtable.h"
#include "stack/stack.h"

static void child_forked(void)
{
	stack_forked();
}

static __attribute__((constructor)) void library_start(void)
{
	real_init();
	log_init();
	fdtable_set_owner();
	config_init(getauxval(AT_SECURE) != 0);
	if (!config_active())
		return;
	pthread_atfork(stack_fork_prepare, stack_fork_parent, child_forked);
	at_quick_exit(stack_kick_leaving);
	adopt_inherited();
}

static __attribute__((destructor)) void library_end(void)
{
	stack_leave();
}
