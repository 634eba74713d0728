/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sockopt.h - socket options: the kernel keeps them all; this says which of them the data path has to know, and which
 * of them only the kernel can honour (R5).
 */
#ifndef STACK_SOCKOPT_H
#define STACK_SOCKOPT_H

#include <sys/socket.h>

struct sock;

#define SOCKOPT_ALL (-4711) /* as a level: all options, whatever the name */

/*
 * Reads the options of the table in sockopt.c that setting @name at @level may have changed back from the kernel into @s. Returns NULL, or
 * the name of an option that is set (this one or another) and that the fast path cannot honour: the socket has to stay with
 * the kernel.
 */
const char *sockopt_read(struct sock *s, int fd, int level, int name);

/* The program has set it, and the kernel agreed: remembers what cannot be read back. @value is readable as the kernel has read it. */
void sockopt_note(struct sock *s, int level, int name, const void *value, socklen_t len);

/* SO_MEMINFO and SO_INCOMING_CPU: the kernel has put @len bytes into @value, and knows nothing of what went past it. */
void sockopt_amend(const struct sock *s, int name, void *value, socklen_t len);

#endif
