/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adopt.h - UDP sockets that the program did not make: inherited over exec (inetd's descriptor 0, socket activation with
 * LISTEN_FDS, a program that re-executes itself).
 *
 * They are known from the start, but nothing is opened for them before the first call that
 * receives, waits or sends on them: most programs that inherit a socket, such as those that a server runs by
 * system(), never touch it. Others may have the same socket, so it is treated as shared (family.c).
 * What comes by SCM_RIGHTS is not adopted: whoever sent it may well go on reading.
 */
#ifndef STACK_ADOPT_H
#define STACK_ADOPT_H

#include <stdbool.h>

#include "base/relaxed.h"

struct sock;

/* Sockets that nobody has touched yet. */
extern unsigned adopt_waiting;

/* At the start of the program: all that it has inherited. */
void adopt_inherited(void);

/* The first call on @s: binds it on our side as bind() would. True: the stack has a say in it now. */
bool adopt_now(struct sock *s, int fd);

/* The same if @fd names such a socket. */
void adopt_named(int fd);

/* @s is closed. */
void adopt_never(struct sock *s);

static inline bool adopt_any(void)
{
	return __builtin_expect(relaxed_get(adopt_waiting) != 0, 0);
}

#endif
