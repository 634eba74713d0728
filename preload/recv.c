/* SPDX-License-Identifier: BSD-3-Clause */
/* recv.c - the receive calls. */
#include <string.h>

#include "preload/preload.h"
#include "stack/usermem.h"

/* recv() and recvfrom() take any length, and the flag that recvmsg() refuses. */
#define LONGEST 0x7ffff000u
#define CMSG_COMPAT ((int)0x80000000)

/* The general way; @name may be NULL, else *namelen is its room, and afterwards its length. */
static SLOW ssize_t receive_any(struct sock *s, int fd, void *buf, size_t len, int flags,
				void *name, socklen_t *namelen)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_name = name, .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (name)
		msg.msg_namelen = *namelen;
	r = sock_recvmsg(s, fd, &msg, flags);
	if (name)
		*namelen = msg.msg_namelen;
	return r;
}

static ssize_t receive_into(struct sock *s, int fd, void *buf, size_t len, int flags)
{
	ssize_t r;

	len = len < LONGEST ? len : LONGEST;
	flags &= ~CMSG_COMPAT;
	if (sock_recv_plain(s, buf, len, flags, NULL, NULL, &r))
		return r;
	return receive_any(s, fd, buf, len, flags, NULL, NULL);
}

static ssize_t receive_from(struct sock *s, int fd, void *buf, size_t len, int flags,
			    struct sockaddr *addr, socklen_t *addrlen)
{
	struct sockaddr_storage name;
	socklen_t namelen = sizeof(name);
	ssize_t r;
	int room;

	len = len < LONGEST ? len : LONGEST;
	flags &= ~CMSG_COMPAT;
	if (!sock_recv_plain(s, buf, len, flags, &name, &namelen, &r))
		r = receive_any(s, fd, buf, len, flags, &name, &namelen);
	/* The datagram is taken before the kernel looks at where the name goes (net/socket.c move_addr_to_user()). */
	if (r < 0)
		return r;
	if (!usermem_readable(addrlen, sizeof(*addrlen)))
		return -EFAULT;
	room = (int)*addrlen;
	if (room < 0)
		return -EINVAL;
	if (!usermem_writable_kept(addrlen, sizeof(*addrlen)))
		return -EFAULT;
	*addrlen = namelen;
	if (!usermem_copy(addr, &name, (socklen_t)room < namelen ? (socklen_t)room : namelen))
		return -EFAULT;
	return r;
}

static SLOW ssize_t recv_sock(int fd, void *buf, size_t len, int flags)
{
	struct sock *s = fast_sock(fd);
	ssize_t r;
	int saved;

	if (!s)
		return real.recv(fd, buf, len, flags);
	saved = errno;
	r = receive_into(s, fd, buf, len, flags);
	return begin_again(s, r) ? recv(fd, buf, len, flags) : finish(s, r, saved);
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	return is_kernels_fd(fd) ? real.recv(fd, buf, len, flags) : recv_sock(fd, buf, len, flags);
}

static SLOW ssize_t recvfrom_sock(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
				  socklen_t *addrlen)
{
	struct sock *s = fast_sock(fd);
	ssize_t r;
	int saved;

	if (!s)
		return real.recvfrom(fd, buf, len, flags, addr, addrlen);
	saved = errno;
	r = addr ? receive_from(s, fd, buf, len, flags, addr, addrlen)
		 : receive_into(s, fd, buf, len, flags);
	return begin_again(s, r) ? recvfrom(fd, buf, len, flags, addr, addrlen)
				 : finish(s, r, saved);
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
			socklen_t *addrlen)
{
	return is_kernels_fd(fd) ? real.recvfrom(fd, buf, len, flags, addr, addrlen)
				 : recvfrom_sock(fd, buf, len, flags, addr, addrlen);
}

static SLOW ssize_t recvmsg_sock(int fd, struct msghdr *msg, int flags)
{
	struct sock *s = fast_sock(fd);
	ssize_t r;
	int saved;

	if (!s)
		return real.recvmsg(fd, msg, flags);
	saved = errno;
	r = sock_recvmsg(s, fd, msg, flags);
	return begin_again(s, r) ? recvmsg(fd, msg, flags) : finish(s, r, saved);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	return is_kernels_fd(fd) ? real.recvmsg(fd, msg, flags) : recvmsg_sock(fd, msg, flags);
}

static SLOW int recvmmsg_sock(int fd, struct mmsghdr *vec, unsigned int n, int flags,
			      struct timespec *timeout)
{
	struct sock *s = fast_sock(fd);
	int saved, r;

	if (!s)
		return real.recvmmsg(fd, vec, n, flags, timeout);
	saved = errno;
	r = sock_recvmmsg(s, fd, vec, n, flags, timeout);
	return begin_again(s, r) ? recvmmsg(fd, vec, n, flags, timeout) : (int)finish(s, r, saved);
}

EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout)
{
	return is_kernels_fd(fd) ? real.recvmmsg(fd, vec, n, flags, timeout)
				 : recvmmsg_sock(fd, vec, n, flags, timeout);
}

static SLOW ssize_t read_sock(int fd, void *buf, size_t len)
{
	struct sock *s = fast_sock(fd);
	ssize_t r;
	int saved;

	if (!s)
		return real.read(fd, buf, len);
	saved = errno;
	r = sock_read(s, fd, buf, len);
	return begin_again(s, r) ? read(fd, buf, len) : finish(s, r, saved);
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	return is_kernels_fd(fd) ? real.read(fd, buf, len) : read_sock(fd, buf, len);
}

EXPORT_ALIAS(read) ssize_t __read(int fd, void *buf, size_t len);

static SLOW ssize_t readv_sock(int fd, const struct iovec *iov, int n)
{
	struct sock *s = fast_sock(fd);
	ssize_t r;
	int saved;

	if (!s)
		return real.readv(fd, iov, n);
	saved = errno;
	r = sock_readv(s, fd, iov, n, 0);
	return begin_again(s, r) ? readv(fd, iov, n) : finish(s, r, saved);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
	return is_kernels_fd(fd) ? real.readv(fd, iov, n) : readv_sock(fd, iov, n);
}

static SLOW ssize_t preadv2_sock(int fd, const struct iovec *iov, int n, int flags)
{
	struct sock *s = fast_sock(fd);
	ssize_t r;
	int saved;

	if (!s)
		return real.preadv2(fd, iov, n, -1, flags);
	saved = errno;
	r = sock_readv(s, fd, iov, n, flags);
	return begin_again(s, r) ? preadv2(fd, iov, n, -1, flags) : finish(s, r, saved);
}

/* Without an offset it is readv() with flags; with one the kernel says ESPIPE, as it does to pread() and preadv(). */
EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	return is_kernels_fd(fd) || offset != -1 ? real.preadv2(fd, iov, n, offset, flags)
						 : preadv2_sock(fd, iov, n, flags);
}

EXPORT_ALIAS(preadv2)
ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off64_t offset, int flags);

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
		       socklen_t *addrlen);

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return read(fd, buf, len);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room)
		__chk_fail();
	return recv(fd, buf, len, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
			      struct sockaddr *addr, socklen_t *addrlen)
{
	if (len > room)
		__chk_fail();
	return recvfrom(fd, buf, len, flags, addr, addrlen);
}
