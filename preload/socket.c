/* SPDX-License-Identifier: BSD-3-Clause */
/* socket.c - calls that make, name and configure a socket: the kernel first, then our mirror of it (R1). */
#include <netinet/in.h>

#include "base/fds.h"
#include "preload/preload.h"

EXPORT int socket(int domain, int type, int protocol)
{
	int fd = real.socket(domain, type, protocol);

	if (fd < 0)
		return fd;
	if (__builtin_expect(fds_inside, 0))
		return fds_keep(fd);
	sock_created(fd, domain, type, protocol);
	return fd;
}

/* After the kernel did it: follows the new addresses. */
static int follow(int fd, int r)
{
	int saved = errno;
	struct sock *s;

	if (r != 0 || !(s = fdtable_sock(fd)))
		return r;
	return (int)finish(s, sock_bound(s, fd), saved);
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return follow(fd, real.bind(fd, addr, len));
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return follow(fd, real.connect(fd, addr, len));
}

EXPORT_ALIAS(connect) int __connect(int fd, const struct sockaddr *addr, socklen_t len);

/* Threads that wait for the socket sleep on the shadow as well: the kernel wakes them. */
EXPORT int shutdown(int fd, int how)
{
	return real.shutdown(fd, how);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int r = real.setsockopt(fd, level, name, value, len), saved = errno;
	struct sock *s;

	if (r != 0 || !(s = fdtable_sock(fd)))
		return r;
	if (level == SOL_IPV6 && name == IPV6_PKTINFO)
		s->tx_sticky = true;
	sock_sync(s, fd);
	return (int)finish(s, 0, saved);
}
