/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recv_plain.c - the shortest way of a datagram to the program (contract in sock.h): no vector, no control messages, no waiting. What
 * is out of the ordinary in any way goes through recv.c, which does the same for all there is.
 */
#include <errno.h>

#include "base/clock.h"
#include "stack/sock.h"
#include "stack/stack.h"
#include "stack/usermem.h"

/* What does not change what a receive of one waiting datagram does, but for its result (MSG_TRUNC). */
#define PLAIN_FLAGS (MSG_DONTWAIT | MSG_TRUNC | MSG_NOSIGNAL)

/* Our queue, and nothing before it. */
static inline bool is_ordinary(const struct sock *s)
{
	return relaxed_get(s->state) == SOCK_ACTIVE && !relaxed_get(s->deferred_error) &&
	       !relaxed_get(s->claimed) && !relaxed_get(s->settle_until) && !relaxed_get(s->older);
}

static struct dgram *take(struct sock *s)
{
	stack_tick();
	if (!sock_readable(s))
		stack_poll();
	/* The shadow's turn (R2). */
	if (!is_ordinary(s) || !sock_readable(s) || clock_ticks() >= relaxed_get(s->shadow_due))
		return NULL;
	return queue_take(s, 1);
}

/* A datagram that could not be copied is lost, as in the kernel. */
static ssize_t copy(struct sock *s, const struct dgram *d, void *buf, size_t len, int flags)
{
	size_t part = d->len < len ? d->len : len;

	relaxed_set(s->last_stamp, d->stamp ? d->stamp : 1);
	if (usermem_copy(buf, d->payload, part))
		return (ssize_t)(flags & MSG_TRUNC ? d->len : part);
	sock_count_drop(s);
	return -EFAULT;
}

bool sock_recv_plain(struct sock *s, void *buf, size_t len, int flags,
		     struct sockaddr_storage *name, socklen_t *namelen, ssize_t *r)
{
	struct dgram *d;

	if (__builtin_expect((flags & ~PLAIN_FLAGS) || !usermem_plain(buf, len), 0))
		return false;
	d = take(s);
	if (!d)
		return false;
	*r = copy(s, d, buf, len, flags);
	if (name)
		*namelen = cmsg_name(s, d, name);
	queue_free(d);
	family_received(s);
	return true;
}
