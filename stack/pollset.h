/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pollset.h - poll() and select() over the kernel's descriptors and accelerated sockets together.
 */
#ifndef STACK_POLLSET_H
#define STACK_POLLSET_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/select.h>

/* Is any of them an accelerated socket, or an epoll set with one in it? Otherwise the kernel's answer is the whole answer. */
bool poll_is_fast(const struct pollfd *fds, nfds_t n);
bool select_is_fast(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex);

/* Of @n, above FD_SETSIZE, how many descriptors select() has to look at: up to the last open one of the program in the sets. */
int select_count(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex);

/* ppoll(2) with a deadline (wait.h; 0: do not wait). Number of descriptors with events, or -errno. */
int poll_wait(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *mask);

/* pselect(2) with a deadline; the sets may be NULL. Number of bits set, or -errno. */
int select_wait(int n, fd_set *rd, fd_set *wr, fd_set *ex, uint64_t deadline, const sigset_t *mask);

/* Memory for a large array, before the program forbids itself mmap(). */
void poll_confine(void);

#endif
