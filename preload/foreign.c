/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * foreign.c - calls that read a socket on ways of their own: stdio, POSIX AIO, splice() and sendfile(). libc or the kernel reads the
 * shadow there, so the socket goes to the kernel path (R4). Datagrams that are in our queue by then are handed over
 * where the call allows it. Sending by these ways needs nothing: the shadow sends.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "base/fds.h"
#include "base/kernel.h"
#include "preload/preload.h"
#include "stack/usermem.h"

#define LARGEST 4096 /* more than a frame holds; a pipe takes as much at once or not at all */
#define HANDED_OVER (1u << 20)

/* The socket of @fd, which is not to be accelerated from now on, with a reference; else NULL. */
static struct sock *forsake(int fd, const char *why)
{
	struct sock *s;

	if (is_kernels_fd(fd) || !(s = fdtable_sock(fd)))
		return NULL;
	sock_forsake(s, why);
	return s;
}

/* Waits for room, before a datagram is taken that could not be put back. */
static int pipe_has_room(int out, bool wait)
{
	struct pollfd pfd = { .fd = out, .events = POLLOUT };
	bool blocks = wait && !(kernel_fcntl(out, F_GETFL, 0) & O_NONBLOCK);
	int r = kernel_ppoll(&pfd, 1, (struct timespec){ blocks ? INT_MAX : 0, 0 }, NULL);

	return r < 0 ? r : r == 0 ? -EAGAIN : 0;
}

static bool is_pipe(int out)
{
	return kernel_fcntl(out, F_GETPIPE_SZ, 0) >= 0 &&
	       (kernel_fcntl(out, F_GETFL, 0) & O_ACCMODE) != O_RDONLY;
}

/* A datagram of our queue into the pipe; -EAGAIN with @none set: there is none, the kernel's turn. */
static ssize_t queued_to_pipe(struct sock *s, int out, size_t len, bool wait, bool *none)
{
	char data[LARGEST];
	ssize_t r;

	*none = !sock_readable(s);
	r = *none ? -EAGAIN : pipe_has_room(out, wait);
	if (r < 0)
		return r;
	r = sock_take_queued(s, data, len < sizeof(data) ? len : sizeof(data));
	*none = r == -EAGAIN;
	return r > 0 ? rawcall6(SYS_write, out, (long)data, r, 0, 0, 0) : r;
}

#define SPLICED "splice() or sendfile() reads it, which is done in the kernel"
#define SPLICE_FLAGS 15u

static SLOW ssize_t splice_sock(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
				unsigned int flags)
{
	bool none = true,
	     valid = !in_at && !out_at && len && !(flags & ~SPLICE_FLAGS) && is_pipe(out);
	int saved = errno;
	struct sock *s = valid ? forsake(in, SPLICED) : NULL;
	ssize_t r = 0;

	if (s)
		r = queued_to_pipe(s, out, len, !(flags & SPLICE_F_NONBLOCK), &none);
	if (s && !none)
		return finish(s, r, saved);
	if (s)
		sock_put(s);
	errno = saved;
	return real.splice(in, in_at, out, out_at, len, flags);
}

EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
		      unsigned int flags)
{
	return is_kernels_fd(in) ? real.splice(in, in_at, out, out_at, len, flags)
				 : splice_sock(in, in_at, out, out_at, len, flags);
}

/* To anything but a pipe the kernel refuses to send from a socket. */
static SLOW ssize_t sendfile_sock(int out, int in, off_t *at, size_t len)
{
	int saved = errno;
	bool none = true, valid = !at && len && is_pipe(out);
	struct sock *s = valid ? forsake(in, SPLICED) : NULL;
	ssize_t r = 0;

	if (s)
		r = queued_to_pipe(s, out, len, true, &none);
	if (s && !none)
		return finish(s, r, saved);
	if (s)
		sock_put(s);
	errno = saved;
	return real.sendfile(out, in, at, len);
}

EXPORT ssize_t sendfile(int out, int in, off_t *at, size_t len)
{
	return is_kernels_fd(in) ? real.sendfile(out, in, at, len) : sendfile_sock(out, in, at, len);
}

EXPORT_ALIAS(sendfile)
ssize_t sendfile64(int out, int in, off64_t *at, size_t len) __attribute__((leaf, nothrow));

#define BY_AIO "POSIX asynchronous I/O reads it, in threads of libc's own"

static void forsake_for_aio(const struct aiocb *cb)
{
	int saved = errno;
	struct sock *s = fdtable_in_use() && usermem_readable(cb, sizeof(*cb))
				 ? forsake(cb->aio_fildes, BY_AIO)
				 : NULL;

	if (s)
		sock_put(s);
	errno = saved;
}

EXPORT int aio_read(struct aiocb *cb)
{
	forsake_for_aio(cb);
	return real.aio_read(cb);
}

EXPORT_ALIAS(aio_read) int aio_read64(struct aiocb64 *cb) __attribute__((leaf, nothrow));

EXPORT int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
	for (int i = 0; fdtable_in_use() && i < n && usermem_readable(&list[i], sizeof(*list)); i++)
		if (list[i] && usermem_readable(list[i], sizeof(**list)) &&
		    list[i]->aio_lio_opcode == LIO_READ)
			forsake_for_aio(list[i]);
	return real.lio_listio(mode, list, n, event);
}

EXPORT_ALIAS(lio_listio)
int lio_listio64(int mode, struct aiocb64 *const list[], int n, struct sigevent *event)
	__attribute__((leaf, nothrow));

/* What is in our queue becomes what the stream reads first: pushed back, last byte first. */
static void hand_over(struct sock *s, FILE *f)
{
	unsigned char *data;
	size_t n = 0;
	ssize_t r;

	if (!sock_readable(s))
		return;
	data = mmap(NULL, HANDED_OVER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return;
	while (n + LARGEST <= HANDED_OVER && (r = sock_take_queued(s, data + n, LARGEST)) >= 0)
		n += (size_t)r;
	while (n && ungetc(data[n - 1], f) != EOF)
		n--;
	munmap(data, HANDED_OVER);
}

static void stream_opened(FILE *f, const char *mode)
{
	int saved = errno;
	struct sock *s = NULL;

	if (mode[0] == 'r' || strchr(mode, '+'))
		s = forsake(fileno(f), "a stdio stream reads it, by calls inside libc");
	if (s) {
		hand_over(s, f);
		sock_put(s);
	}
	errno = saved;
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
	FILE *f;

	if (__builtin_expect(fds_is_internal(fd), 0) && !fds_inside) {
		errno = EBADF;
		return NULL;
	}
	f = real.fdopen(fd, mode);
	if (f && fdtable_in_use())
		stream_opened(f, mode);
	return f;
}

/* libc closes the stream's descriptor by a name that can not be intercepted. */
static void stream_closes(FILE *f)
{
	int saved = errno;

	if (fdtable_in_use() && f)
		fdtable_clear(fileno(f));
	errno = saved;
}

EXPORT int fclose(FILE *stream)
{
	stream_closes(stream);
	return real.fclose(stream);
}

/* Without a path only the mode changes, and libc opens the same file anew, which a socket does not allow: it is closed, too. */
EXPORT FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	stream_closes(stream);
	return real.freopen(path, mode, stream);
}

EXPORT FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
	stream_closes(stream);
	return real.freopen64(path, mode, stream);
}
