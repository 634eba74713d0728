/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * relatives.h - is this process the last one that has the sockets which it shared by fork()?
 *
 * A rule in hardware (NIC_F_HARD_RULES) takes a socket's datagrams for one process, whatever the process does next: there is no lease
 * that ends it, and no other process can take it off. So a socket that others may have is steered only while there are none.
 * A process counts until it ends or executes another program.
 *
 * stack.lock is held unless said otherwise.
 */
#ifndef STACK_RELATIVES_H
#define STACK_RELATIVES_H

#include <stdbool.h>

/* Before a fork, and in the child. */
void relatives_prepare(void);
void relatives_forked(void);

/* May others have @s, and is it too early to ask again? Without the lock. */
struct sock;
bool relatives_undecided(struct sock *s);

/* Have others @s, and can they not share its steering? Then it stays with the kernel for now, and says why. */
bool relatives_have(struct sock *s);

/* With the tick, without the lock: sockets that had to wait are steered once the others are gone, and no longer if there are any. */
void relatives_tick(void);

/* Waits a moment for a parent that is about to leave: a daemon's. */
void relatives_wait(void);

#endif
