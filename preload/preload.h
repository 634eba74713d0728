/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload.h - shared by the files that define the intercepted calls.
 *
 * Each call is a few lines: look the descriptor up; if it is not an accelerated socket, the next definition of
 * the call answers; otherwise the stack does, and its -errno becomes the program's errno. This is the only layer
 * that sets errno, and a call that succeeds leaves it as it was.
 */
#ifndef PRELOAD_PRELOAD_H
#define PRELOAD_PRELOAD_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/real.h"
#include "stack/adopt.h"
#include "stack/fdtable.h"
#include "stack/sock.h"
#include "stack/stack.h"

#define EXPORT __attribute__((visibility("default")))
#define EXPORT_ALIAS(name) __attribute__((visibility("default"), alias(#name)))

/*
 * A call on a descriptor that is not ours has to cost a few instructions and a jump (R12): the rest of each call stands in a
 * function of its own, so that no register is saved for it.
 */
#define SLOW __attribute__((noinline))

/* And nothing that we have left on a ring has to wait for the call. If so, fast_sock() sees to that. */
static inline bool is_kernels_fd(int fd)
{
	return __builtin_expect(!fdtable_peek(fd) && !relaxed_get(stack.holding), 1);
}

/* glibc's answer to a fortified call whose buffer is too small: it ends the program. */
extern void __chk_fail(void) __attribute__((noreturn));

/* The socket of @fd if the stack has a say in it, with a reference; else NULL. */
static inline struct sock *fast_sock(int fd)
{
	struct sock *s = fdtable_sock(fd);

	if (s && (sock_is_fast(s) || (relaxed_get(s->inherited) && adopt_now(s, fd))))
		return s;
	if (s)
		sock_put(s);
	stack_kick_held();
	return NULL;
}

/*
 * After a call that was interrupted and that the kernel would restart: nothing is held, a pending cancellation is acted on,
 * and the caller begins again with whatever the number names by now.
 */
static inline bool begin_again(struct sock *s, ssize_t r)
{
	if (__builtin_expect(r != -ERESTART, 1))
		return false;
	sock_put(s);
	pthread_testcancel();
	return true;
}

/* Ends a call on @s: the stack's answer @r in libc's form. @saved: errno when the call began. */
static inline ssize_t finish(struct sock *s, ssize_t r, int saved)
{
	sock_put(s);
	errno = r < 0 ? (int)-r : saved;
	return r < 0 ? -1 : r;
}

/*
 * privileges.c: seccomp(2) by number. False: @number is another call, or one that installs no filter; else *@r is its result, and
 * errno.
 */
bool seccomp_by_number(long number, const long args[6], long *r);

#endif
