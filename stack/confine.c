/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * confine.c - the program enters seccomp (R7; contracts in stack.h). What its filter will forbid is made or read before that. If it
 * forbids what the data path cannot do without, the sockets go to the kernel path: nothing may be worse than without us (R4).
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/hostnet.h"
#include "stack/pollset.h"
#include "stack/sock.h"
#include "stack/stack.h"
#include "stack/wait.h"

#define LACKS "the program's seccomp filter does not let the library call %s(): allow it"

/* It may be shared with relatives that have changed it since. */
static void read_flags(int fd, struct file *f)
{
	int flags;

	if (f->kind != FILE_SOCK || (flags = kernel_fcntl(fd, F_GETFL, 0)) < 0)
		return;
	relaxed_set(((struct sock *)f)->nonblock, (flags & O_NONBLOCK) != 0);
}

bool sock_is_nonblocking(const struct sock *s, int fd)
{
	int flags = kernel_fcntl(fd, F_GETFL, 0);

	return flags < 0 ? relaxed_get(s->nonblock) : flags & O_NONBLOCK;
}

void stack_confine(const struct sandbox *next, struct log_line *message)
{
	const char *lacks = sandbox_lacks(next);

	message->len = 0;
	stack_kick();
	wait_confine(next);
	if (!stack_is_ready())
		return;
	if (!relaxed_get(stack.owner) || relaxed_get(stack.hard_rules))
		stack_last_chance_slow(true);
	ifaces_seal(next);
	fdtable_each(read_flags);
	if (sandbox_forbids_in(next, SYS_eventfd2))
		epoll_confine();
	if (sandbox_forbids_in(next, SYS_mmap)) {
		poll_confine();
		hostnet_confine();
	}
	if (lacks)
		log_prepare(message, LOG_LEVEL_WARN,
			    "accelerated sockets go to the kernel path: " LACKS, lacks);
}

static void give_up(int fd, struct file *f)
{
	(void)fd;
	if (f->kind == FILE_SOCK)
		sock_refuse((struct sock *)f, LACKS, sandbox_lacks(&sandbox));
}

void stack_confined(const struct log_line *message)
{
	if (!sandbox_lacks(&sandbox))
		return;
	if (log_is_silenced())
		log_put(message);
	fdtable_each(give_up);
}
