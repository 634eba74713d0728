/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sock_internal.h - between sock.c, its parts sock_follow.c and sock_show.c, and family.c. With stack.lock held.
 */
#ifndef STACK_SOCK_INTERNAL_H
#define STACK_SOCK_INTERNAL_H

#include "stack/sock.h"

/* Installs the rules for its addresses and groups as they are now, and takes the former ones off; or puts it on the kernel path. */
void sock_resteer(struct sock *s);

/* Takes the rule for its address off; those for groups stay. */
void sock_unsteer_address(struct sock *s);

/* sock_show.c: on the page of statistics. A socket gets its slot there when it turns out to be chosen. */
void sock_show_addresses(struct sock *s);
void sock_show_state(const struct sock *s);

#endif
