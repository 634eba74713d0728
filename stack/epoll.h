/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll.h - epoll sets with accelerated sockets in them.
 *
 * The program's epoll descriptor stays the kernel's, with all its members, shadows included: errors, hang-ups, writability, kernel-path
 * datagrams and every other kind of file are reported by the kernel itself. What is added here is
 * the readiness that the kernel cannot see: datagrams in our queues. A set keeps an item for each accelerated
 * member, and a list of the items that became readable; epoll_wait() reports both sides in one pass, one event
 * for each member.
 *
 * Level, edge and one-shot follow fs/eventpoll.c: a level-triggered item stays on the list while it is readable, an
 * edge-triggered one is put there by each arrival and leaves when reported, a one-shot one is disarmed on both sides.
 */
#ifndef STACK_EPOLL_H
#define STACK_EPOLL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct sock;
struct epoll_set;

/* Takes address space while that is allowed (R7). */
void epoll_reserve(void);

/* The program made an epoll descriptor. */
void epoll_created(int epfd);
void epoll_destroy(struct epoll_set *ep);

/* The set was not seen when it was made: it may have members, and another process may share it. */
void epoll_found(struct epoll_set *ep);

/* epoll_ctl() on a set that we know. @s / @child: what @fd is, if it is ours; both NULL: a member of the kernel's alone. 0 or -errno. */
int epoll_control(struct epoll_set *ep, int epfd, int op, int fd, struct epoll_event *event,
		  struct sock *s, struct epoll_set *child);

/* The same after the kernel did it, with the program's own data. */
void epoll_changed(struct epoll_set *ep, int op, int fd, const struct epoll_event *event,
		   struct sock *s, struct epoll_set *child);

/*
 * @s itself is gone: its items are, too. Not before: a member outlives the descriptor it was added by while another one
 * names the same open file (epoll(7), Q6).
 */
void epoll_sock_gone(struct sock *s);

/* @s became accelerated, or is no longer. */
void epoll_sock_changed(struct sock *s);

/* @s got datagrams: its items become ready, waiters of their sets are woken. Called with an engine's lock held. */
void epoll_feed(struct sock *s);

/*
 * @s sent a datagram past the kernel: edge-triggered members that want EPOLLOUT get an edge, as they do when the kernel frees
 * the buffer of a datagram (net/core/sock.c sock_wfree()). Only called with @s->write_edges.
 */
void epoll_sent(struct sock *s);

/* Does the set, or one nested in it, hold an accelerated socket? Otherwise the kernel's answer is the whole answer. */
bool epoll_is_fast(struct epoll_set *ep);

/* Would an accelerated member be reported now? For poll() and select() on the set, and for sets around it. */
bool epoll_readable(struct epoll_set *ep);

/* Sockets in it are about to be waited for: steering on. */
void epoll_activate(struct epoll_set *ep);

/* epoll_pwait2() on a fast set. @deadline as in wait.h. Number of events or -errno. */
int epoll_wait_set(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		   uint64_t deadline, const sigset_t *mask);

/*
 * The same on a set without accelerated sockets, in a process with threads: the kernel waits, but comes back should another thread
 * add such a socket.
 */
int epoll_wait_kernel(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		      uint64_t deadline, const sigset_t *mask);

/* May the kernel name a member of this set by a word of ours? Then what it reports has to be translated. */
bool epoll_has_items(const struct epoll_set *ep);

/* Would the kernel report errors that are not to be reported? */
bool epoll_has_ghosts(const struct epoll_set *ep);

/* Translates what the kernel reported, when the program's own call did it: @n as it was returned. Returns what is left. */
int epoll_translate(struct epoll_set *ep, struct epoll_event *events, int n);

/* Calls threads back that wait in the kernel: the set has become fast. */
void epoll_kick_waiters(struct epoll_set *ep);

/* What that takes, before the program forbids itself eventfd(). */
void epoll_confine(void);

/* Around a fork, and in its child. */
void epoll_fork_prepare(void);
void epoll_fork_parent(void);
void epoll_forked(void);

#endif
