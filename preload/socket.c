/* SPDX-License-Identifier: BSD-3-Clause */
/* socket.c - calls that make, name and configure a socket: the kernel first, then our mirror of it (R1). */
#include <netinet/in.h>

#include "base/fds.h"
#include "preload/preload.h"
#include "stack/groups.h"
#include "stack/sockopt.h"

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

/*
 * Threads that wait for the socket sleep on the shadow as well: the kernel wakes them. It shuts an unconnected socket down, too,
 * while it says ENOTCONN (net/ipv4/af_inet.c inet_shutdown()).
 */
EXPORT int shutdown(int fd, int how)
{
	int r = real.shutdown(fd, how), saved = errno;
	struct sock *s = fdtable_sock(fd);

	if (s && how != SHUT_RD)
		relaxed_set(s->tx_sticky, true);
	if (s) {
		relaxed_set(s->shut, true);
		sock_put(s);
	}
	errno = saved;
	return r;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int r = real.setsockopt(fd, level, name, value, len), saved = errno;
	struct ipaddr group;
	const char *group_option;
	struct sock *s;

	if (r != 0 || !(s = fdtable_sock(fd)))
		return r;
	if (groups_named(level, name, value, len, &group)) {
		groups_changed(s, fd, &group);
		return (int)finish(s, 0, saved);
	}
	group_option = s->group_option;
	sockopt_note(s, level, name, value, len);
	sock_sync(s, fd, level, name);
	if (s->group_option != group_option)
		sock_refuse_group(s);
	if (level == SOL_SOCKET && name == SO_DETACH_REUSEPORT_BPF)
		sock_readmit_group(s);
	return (int)finish(s, 0, saved);
}

/* The kernel's answer; what it cannot know is put in. */
EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r = real.getsockopt(fd, level, name, value, len), saved = errno;
	struct sock *s;

	if (r != 0 || level != SOL_SOCKET || (name != SO_MEMINFO && name != SO_INCOMING_CPU) ||
	    !(s = fdtable_sock(fd)))
		return r;
	sockopt_amend(s, name, value, *len);
	return (int)finish(s, 0, saved);
}
