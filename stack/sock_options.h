/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sock_options.h - between sock.c, sock_options.c, sock_follow.c and reuse.c: options that keep a socket on the kernel path. All with stack.lock held.
 */
#ifndef STACK_SOCK_OPTIONS_H
#define STACK_SOCK_OPTIONS_H

#include "stack/sock.h"

/* To the kernel path, until @option is taken back. */
void sock_refuse_option(struct sock *s, const char *option);

/* The option that stood in the way was taken back. */
void sock_readmit(struct sock *s, int fd);

/* An option that stands in the way and that sockopt_read() does not see, or NULL. */
const char *sock_hidden_option(struct sock *s, int fd);

/* The same of those that it depends on the socket's interfaces. */
const char *sock_interface_option(const struct sock *s, int fd);

/* What chooses in the reuseport group of @s, NULL: the hash. */
const char *sock_group_option(const struct sock *s);

#endif
