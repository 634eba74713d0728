/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * privileges.c - calls by which a process gives up privileges. A forked worker that is about to do so opens its own queues
 * first, if its relatives have sockets in common with it (R7); later it could not. After seccomp it may even be killed for
 * the calls that it takes to open something, or to write a message.
 */
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "preload/preload.h"
#include "stack/stack.h"

/* What opens queues sets errno, and a call that succeeds leaves it as it was. */
static void last_chance(void)
{
	int saved = errno;

	stack_last_chance();
	errno = saved;
}

void seccomp_entered(void)
{
	last_chance();
	log_silence();
	relaxed_set(stack.confined, true);
}

EXPORT int setuid(uid_t uid)
{
	last_chance();
	return real.setuid(uid);
}

EXPORT int seteuid(uid_t uid)
{
	last_chance();
	return real.seteuid(uid);
}

EXPORT int setreuid(uid_t ruid, uid_t euid)
{
	last_chance();
	return real.setreuid(ruid, euid);
}

EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	last_chance();
	return real.setresuid(ruid, euid, suid);
}

/* In no header of libc. */
int capset(void *header, const void *data);

EXPORT int capset(void *header, const void *data)
{
	last_chance();
	return real.capset(header, data);
}

EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_SECCOMP)
		seccomp_entered();
	return real.prctl(option, a[0], a[1], a[2], a[3]);
}
