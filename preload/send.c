/* SPDX-License-Identifier: BSD-3-Clause */
/* send.c - the send calls. */
#include <limits.h>
#include <string.h>

#include "preload/preload.h"
#include "stack/usermem.h"

/* The kernel bound a socket that was not bound when it first sent: the port it got may be a chosen one. */
static ssize_t follow_implicit_bind(int fd, ssize_t r)
{
	int saved = errno;
	struct sock *s;

	if (__builtin_expect(!fdtable_peek(fd), 1) || r < 0 || !(s = fdtable_sock(fd)))
		return r;
	if (relaxed_get(s->state) == SOCK_IDLE && !relaxed_get(s->local_port))
		sock_bound(s, fd);
	return finish(s, r, saved);
}

/* The flag that sendmsg() refuses and the others do not know. */
#define CMSG_COMPAT ((int)0x80000000)

static ssize_t send_from(struct sock *s, int fd, const void *buf, size_t len, int flags,
			 const struct sockaddr *addr, socklen_t addrlen)
{
	struct iovec iov = { (void *)buf, len };
	struct msghdr msg = {
		.msg_name = (void *)addr, .msg_namelen = addrlen, .msg_iov = &iov, .msg_iovlen = 1
	};

	return sock_sendmsg(s, fd, &msg, flags & ~CMSG_COMPAT);
}

static SLOW ssize_t send_sock(int fd, const void *buf, size_t len, int flags)
{
	struct sock *s = fast_sock(fd);
	int saved;

	if (!s)
		return follow_implicit_bind(fd, real.send(fd, buf, len, flags));
	/* Any length is as good as too long here; in a vector, which the stack falls back on, it may be negative. */
	if (__builtin_expect(len > INT_MAX, 0)) {
		sock_put(s);
		return real.send(fd, buf, len, flags);
	}
	saved = errno;
	return finish(s, send_from(s, fd, buf, len, flags, NULL, 0), saved);
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	return is_kernels_fd(fd) ? real.send(fd, buf, len, flags) : send_sock(fd, buf, len, flags);
}

EXPORT_ALIAS(send) ssize_t __send(int fd, const void *buf, size_t len, int flags);

static SLOW ssize_t sendto_sock(int fd, const void *buf, size_t len, int flags,
				const struct sockaddr *addr, socklen_t addrlen)
{
	struct sock *s = fast_sock(fd);
	int saved = errno;

	if (!s)
		return follow_implicit_bind(fd, real.sendto(fd, buf, len, flags, addr, addrlen));
	/* Too long a name is an error here, and cut short in sendmsg(), where one of no length is none. */
	if (__builtin_expect(len > INT_MAX || addrlen > sizeof(struct sockaddr_storage) ||
				     (addr && !addrlen),
			     0)) {
		sock_put(s);
		return real.sendto(fd, buf, len, flags, addr, addrlen);
	}
	return finish(s, send_from(s, fd, buf, len, flags, addr, addrlen), saved);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
		      socklen_t addrlen)
{
	return is_kernels_fd(fd) ? real.sendto(fd, buf, len, flags, addr, addrlen)
				 : sendto_sock(fd, buf, len, flags, addr, addrlen);
}

static void give_away(int fd)
{
	struct sock *s = fast_sock(fd);

	if (!s)
		return;
	sock_refuse(s, "its descriptor was passed to another process, which can not see our queue");
	sock_put(s);
}

/* SCM_RIGHTS: whoever gets a socket of ours reads from the kernel; so do we then. */
static void look_for_rights(const struct msghdr *msg)
{
	struct cmsghdr *c;

	if (!usermem_readable(msg, sizeof(*msg)) || !msg->msg_control ||
	    !usermem_readable(msg->msg_control, msg->msg_controllen))
		return;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		size_t n = c->cmsg_len < CMSG_LEN(0) ? 0 : (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    (char *)c + c->cmsg_len > (char *)msg->msg_control + msg->msg_controllen)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			give_away(fd);
		}
	}
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct sock *s = fast_sock(fd);
	int saved = errno;

	if (!s && fdtable_in_use())
		look_for_rights(msg);
	errno = saved;
	if (!s)
		return follow_implicit_bind(fd, real.sendmsg(fd, msg, flags));
	return finish(s, sock_sendmsg(s, fd, msg, flags), saved);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags)
{
	struct sock *s = fast_sock(fd);
	int saved = errno;

	for (unsigned i = 0;
	     !s && fdtable_in_use() && i < n && usermem_readable(&vec[i], sizeof(*vec)); i++)
		look_for_rights(&vec[i].msg_hdr);
	errno = saved;
	if (!s)
		return (int)follow_implicit_bind(fd, real.sendmmsg(fd, vec, n, flags));
	return (int)finish(s, sock_sendmmsg(s, fd, vec, n, flags), saved);
}

static SLOW ssize_t write_sock(int fd, const void *buf, size_t len)
{
	struct sock *s = fast_sock(fd);
	int saved;

	if (!s)
		return follow_implicit_bind(fd, real.write(fd, buf, len));
	if (__builtin_expect(!usermem_plain(buf, len), 0)) {
		sock_put(s);
		return real.write(fd, buf, len);
	}
	saved = errno;
	return finish(s, send_from(s, fd, buf, len, 0, NULL, 0), saved);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	return is_kernels_fd(fd) ? real.write(fd, buf, len) : write_sock(fd, buf, len);
}

EXPORT_ALIAS(write) ssize_t __write(int fd, const void *buf, size_t len);

static bool vector_has_bytes(const struct iovec *iov, int n)
{
	if (!usermem_readable(iov, (size_t)n * sizeof(*iov)))
		return false;
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len)
			return true;
	return false;
}

static SLOW ssize_t writev_sock(int fd, const struct iovec *iov, int n)
{
	struct sock *s = fast_sock(fd);
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };
	int saved;

	if (!s)
		return follow_implicit_bind(fd, real.writev(fd, iov, n));
	saved = errno;
	/* The kernel has its own error for each call, and sends nothing for a vector without a byte. */
	if (n <= 0 || n > 1024 || !vector_has_bytes(iov, n)) {
		ssize_t r = real.writev(fd, iov, n);

		sock_put(s);
		return r;
	}
	return finish(s, sock_sendmsg(s, fd, &msg, 0), saved);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	return is_kernels_fd(fd) ? real.writev(fd, iov, n) : writev_sock(fd, iov, n);
}
