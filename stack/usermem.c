/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usermem.c - see usermem.h.
 *
 * The trials use two Unix datagram sockets. One keeps a message in its queue for ever: receiving it with MSG_PEEK writes a byte.
 * The other's peer does not receive: sending copies the byte in and then fails with EPIPE (net/unix/af_unix.c
 * unix_dgram_sendmsg() copies before it looks at the peer). The sender of that one message has nothing in its own queue, ever: what a
 * receive call on it says is about its arguments. All are calls that a sandboxed server may make.
 */
#define _GNU_SOURCE
#include "stack/usermem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fds.h"
#include "base/sandbox.h"

__thread struct usermem_cache usermem_cache;

static int write_probe = -1, read_probe = -1, judge = -1;

static int make_pair(int out[2])
{
	int pair[2];
	long r = own_call6(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			   (long)pair, 0, 0);

	if (r < 0)
		return (int)r;
	out[0] = fds_keep(pair[0]);
	out[1] = fds_keep(pair[1]);
	return 0;
}

int usermem_init(void)
{
	int a[2] = { -1, -1 }, b[2] = { -1, -1 }, err;

	if (write_probe >= 0)
		return 0;
	err = make_pair(a);
	if (err)
		return err;
	err = make_pair(b);
	if (err)
		return err;
	own_call6(SYS_sendto, a[1], (long)"", 1, MSG_DONTWAIT, 0, 0);
	own_call6(SYS_shutdown, b[1], SHUT_RD, 0, 0, 0, 0);
	read_probe = b[0];
	write_probe = a[0];
	judge = a[1];
	return 0;
}

static bool page_writable(void *p)
{
	return own_call6(SYS_recvfrom, write_probe, (long)p, 1, MSG_PEEK | MSG_DONTWAIT, 0, 0) !=
	       -EFAULT;
}

static bool page_readable(const void *p)
{
	return own_call6(SYS_sendto, read_probe, (long)p, 1, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0) !=
	       -EFAULT;
}

/* Tries the first byte that is used of each page which is not known yet. */
static bool try_pages(uintptr_t p, size_t len, uintptr_t *table, bool write)
{
	uintptr_t end = p + len - 1;

	if (read_probe < 0)
		return true; /* nothing is accelerated yet: the kernel will judge */
	if (end < p)
		return false;
	for (uintptr_t page = p >> USERMEM_SHIFT; page <= end >> USERMEM_SHIFT; page++) {
		uintptr_t start = page << USERMEM_SHIFT;
		void *at = (void *)(start < p ? p : start);

		if (usermem_page_known(table, page))
			continue;
		if (!(write ? page_writable(at) : page_readable(at)))
			return false;
		table[usermem_slot(page)] = page + 1;
	}
	return true;
}

bool usermem_try_write(void *p, size_t len)
{
	return try_pages((uintptr_t)p, len, usermem_cache.writable, true);
}

bool usermem_try_read(const void *p, size_t len)
{
	return try_pages((uintptr_t)p, len, usermem_cache.readable, false);
}

long usermem_judge(long nr, const void *a, size_t b, long offset, long flags)
{
	return judge < 0 ? -EAGAIN : rawcall6(nr, judge, (long)a, (long)b, offset, 0, flags);
}

void usermem_copy_part(void *to, const void *from, size_t len)
{
	uint8_t *at = to;

	for (size_t done = 0, part; done < len; done += part) {
		part = (1u << USERMEM_SHIFT) -
		       ((uintptr_t)(at + done) & ((1u << USERMEM_SHIFT) - 1));
		if (part > len - done)
			part = len - done;
		if (!usermem_writable(at + done, part))
			return;
		memcpy(at + done, (const uint8_t *)from + done, part);
	}
}

ssize_t usermem_scatter(const struct iovec *iov, size_t n, const void *data, size_t len)
{
	const uint8_t *from = data;
	size_t done = 0;

	for (size_t i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;

		if (!part)
			continue;
		if (!usermem_copy(iov[i].iov_base, from + done, part))
			return -EFAULT;
		done += part;
	}
	return (ssize_t)done;
}

bool usermem_iov_readable(const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!usermem_readable(iov[i].iov_base, iov[i].iov_len))
			return false;
	return true;
}
