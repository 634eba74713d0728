/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sockopt.h - socket options: the kernel keeps them all; this says which of them the data path has to know, and which
 * of them only the kernel can honour (R5).
 */
#ifndef STACK_SOCKOPT_H
#define STACK_SOCKOPT_H

struct sock;

/*
 * Reads every option of the table in sockopt.c back from the kernel into @s. Returns NULL, or the name of an option that is set and that
 * the fast path cannot honour: the socket has to stay with the kernel.
 */
const char *sockopt_read(struct sock *s, int fd);

#endif
