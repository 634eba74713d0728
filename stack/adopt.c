/* SPDX-License-Identifier: BSD-3-Clause */
/* adopt.c - see adopt.h. */
#include "stack/adopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>

#include "base/config.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "stack/fdtable.h"
#include "stack/sock.h"
#include "stack/stack.h"

#define INHERITED_MAX                                                                              \
	256 /* socket activation counts from 3, inetd uses 0: higher numbers are a leak */

unsigned adopt_waiting;

static bool get_option(int fd, int name, int *value)
{
	socklen_t len = sizeof(*value);

	return kernel_getsockopt(fd, SOL_SOCKET, name, value, &len) == 0;
}

static void adopt_fd(int fd)
{
	int type, protocol, domain;
	struct sock *s;

	if (fd < 0 || !get_option(fd, SO_TYPE, &type) || type != SOCK_DGRAM ||
	    !get_option(fd, SO_PROTOCOL, &protocol) || !get_option(fd, SO_DOMAIN, &domain))
		return;
	sock_created(fd, domain, type, protocol);
	s = fdtable_sock(fd);
	if (!s)
		return;
	relaxed_set(s->inherited, true);
	relaxed_set(s->shared, true);
	__atomic_add_fetch(&adopt_waiting, 1, __ATOMIC_RELAXED);
	sock_put(s);
}

void adopt_inherited(void)
{
	struct pollfd fds[INHERITED_MAX];
	unsigned n = INHERITED_MAX;
	int r;

	for (unsigned i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = (int)i };
	/* The kernel refuses to look at more than the process may open. */
	while ((r = kernel_ppoll(fds, n, (struct timespec){ 0, 0 }, NULL)) == -EINVAL && n > 1)
		n /= 2;
	for (unsigned i = 0; r >= 0 && i < n; i++)
		if (!(fds[i].revents & POLLNVAL))
			adopt_fd((int)i);
}

static bool take_off(struct sock *s)
{
	if (!relaxed_get(s->inherited) ||
	    !__atomic_exchange_n(&s->inherited, false, __ATOMIC_ACQ_REL))
		return false;
	__atomic_sub_fetch(&adopt_waiting, 1, __ATOMIC_RELAXED);
	return true;
}

void adopt_never(struct sock *s)
{
	take_off(s);
}

bool adopt_now(struct sock *s, int fd)
{
	int saved = errno; /* of a call that may succeed; opening queues changes it */

	if (!take_off(s))
		return false;
	sock_bound(s, fd);
	errno = saved;
	return sock_is_fast(s);
}

void adopt_named(int fd)
{
	struct sock *s = fdtable_sock(fd);

	if (!s)
		return;
	adopt_now(s, fd);
	sock_put(s);
}
