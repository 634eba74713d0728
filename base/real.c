/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * real.c - finds the next definition of every intercepted call (see real.h).
 *
 * Other libraries' constructors, and allocators, may call in before ours ran; dlsym() itself may allocate. Until
 * real_init() is done each pointer therefore is a small function that makes the system call directly.
 */
#define _GNU_SOURCE
#include "base/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/rawcall.h"

#define RAW6(name, nr, a, b, c, d, e, f)                                                           \
	rawcall_errno(                                                                             \
		rawcall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

static int early_socket(int domain, int type, int protocol)
{
	return (int)RAW6(socket, SYS_socket, domain, type, protocol, 0, 0, 0);
}

static int early_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)RAW6(bind, SYS_bind, fd, addr, len, 0, 0, 0);
}

static int early_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)RAW6(connect, SYS_connect, fd, addr, len, 0, 0, 0);
}

static int early_shutdown(int fd, int how)
{
	return (int)RAW6(shutdown, SYS_shutdown, fd, how, 0, 0, 0, 0);
}

static int early_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return (int)RAW6(setsockopt, SYS_setsockopt, fd, level, name, value, len, 0);
}

static int early_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return (int)RAW6(getsockopt, SYS_getsockopt, fd, level, name, value, len, 0);
}

static ssize_t early_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
			      socklen_t *addrlen)
{
	return RAW6(recvfrom, SYS_recvfrom, fd, buf, len, flags, addr, addrlen);
}

static ssize_t early_recv(int fd, void *buf, size_t len, int flags)
{
	return early_recvfrom(fd, buf, len, flags, NULL, NULL);
}

static ssize_t early_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return RAW6(recvmsg, SYS_recvmsg, fd, msg, flags, 0, 0, 0);
}

static int early_recvmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags,
			  struct timespec *timeout)
{
	return (int)RAW6(recvmmsg, SYS_recvmmsg, fd, vec, n, flags, timeout, 0);
}

static ssize_t early_read(int fd, void *buf, size_t len)
{
	return RAW6(read, SYS_read, fd, buf, len, 0, 0, 0);
}

static ssize_t early_readv(int fd, const struct iovec *iov, int n)
{
	return RAW6(readv, SYS_readv, fd, iov, n, 0, 0, 0);
}

static ssize_t early_sendto(int fd, const void *buf, size_t len, int flags,
			    const struct sockaddr *addr, socklen_t addrlen)
{
	return RAW6(sendto, SYS_sendto, fd, buf, len, flags, addr, addrlen);
}

static ssize_t early_send(int fd, const void *buf, size_t len, int flags)
{
	return early_sendto(fd, buf, len, flags, NULL, 0);
}

static ssize_t early_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return RAW6(sendmsg, SYS_sendmsg, fd, msg, flags, 0, 0, 0);
}

static int early_sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags)
{
	return (int)RAW6(sendmmsg, SYS_sendmmsg, fd, vec, n, flags, 0, 0);
}

static int early_capset(void *header, const void *data)
{
	return (int)RAW6(capset, SYS_capset, header, data, 0, 0, 0, 0);
}

static int early_prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return (int)RAW6(prctl, SYS_prctl, option, a[0], a[1], a[2], a[3], 0);
}

static ssize_t early_write(int fd, const void *buf, size_t len)
{
	return RAW6(write, SYS_write, fd, buf, len, 0, 0, 0);
}

static ssize_t early_writev(int fd, const struct iovec *iov, int n)
{
	return RAW6(writev, SYS_writev, fd, iov, n, 0, 0, 0);
}

/* The kernel writes the remaining time back, libc's calls do not: give it a copy. */
static int early_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		       const sigset_t *mask)
{
	struct timespec copy = timeout ? *timeout : (struct timespec){ 0 };

	return (int)RAW6(ppoll, SYS_ppoll, fds, n, timeout ? &copy : NULL, mask, 8, 0);
}

static int early_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts = { timeout / 1000, (timeout % 1000) * 1000000L };

	return early_ppoll(fds, n, timeout < 0 ? NULL : &ts, NULL);
}

static int early_pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
			 const sigset_t *mask)
{
	struct timespec copy = timeout ? *timeout : (struct timespec){ 0 };
	struct {
		const sigset_t *mask;
		size_t size;
	} arg = { mask, 8 };

	return (int)RAW6(pselect6, SYS_pselect6, n, rd, wr, ex, timeout ? &copy : NULL, &arg);
}

static int early_select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout)
{
	struct timespec ts;

	if (timeout)
		ts = (struct timespec){ timeout->tv_sec, timeout->tv_usec * 1000L };
	return early_pselect(n, rd, wr, ex, timeout ? &ts : NULL, NULL);
}

static int early_epoll_create1(int flags)
{
	return (int)RAW6(epoll_create1, SYS_epoll_create1, flags, 0, 0, 0, 0, 0);
}

static int early_epoll_create(int size)
{
	if (size <= 0) {
		errno = EINVAL;
		return -1;
	}
	return early_epoll_create1(0);
}

static int early_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	return (int)RAW6(epoll_ctl, SYS_epoll_ctl, epfd, op, fd, event, 0, 0);
}

static int early_epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
			     const sigset_t *mask)
{
	return (int)RAW6(epoll_pwait, SYS_epoll_pwait, epfd, events, max, timeout, mask, 8);
}

static int early_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	return early_epoll_pwait(epfd, events, max, timeout, NULL);
}

static int early_epoll_pwait2(int epfd, struct epoll_event *events, int max,
			      const struct timespec *timeout, const sigset_t *mask)
{
	return (int)RAW6(epoll_pwait2, SYS_epoll_pwait2, epfd, events, max, timeout, mask, 8);
}

static int early_close(int fd)
{
	return (int)RAW6(close, SYS_close, fd, 0, 0, 0, 0, 0);
}

static int early_close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)RAW6(close_range, SYS_close_range, first, last, flags, 0, 0, 0);
}

static void early_closefrom(int first)
{
	early_close_range(first < 0 ? 0 : (unsigned int)first, ~0u, 0);
}

static int early_dup(int fd)
{
	return (int)RAW6(dup, SYS_dup, fd, 0, 0, 0, 0, 0);
}

static int early_dup3(int fd, int target, int flags)
{
	return (int)RAW6(dup3, SYS_dup3, fd, target, flags, 0, 0, 0);
}

static int early_dup2(int fd, int target)
{
	if (fd == target)
		return RAW6(fcntl, SYS_fcntl, fd, 1 /* F_GETFD */, 0, 0, 0, 0) < 0 ? -1 : fd;
	return early_dup3(fd, target, 0);
}

static int early_fcntl(int fd, int command, ...)
{
	va_list ap;
	long arg;

	va_start(ap, command);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)RAW6(fcntl, SYS_fcntl, fd, command, arg, 0, 0, 0);
}

static int early_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)RAW6(ioctl, SYS_ioctl, fd, request, arg, 0, 0, 0);
}

static long early_syscall(long number, ...)
{
	va_list ap;
	long a[6];

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return RAW6(syscall, number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static ssize_t early_preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	return RAW6(preadv2, SYS_preadv2, fd, iov, n, offset, 0, flags);
}

static ssize_t early_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
			    unsigned int flags)
{
	return RAW6(splice, SYS_splice, in, in_at, out, out_at, len, flags);
}

static ssize_t early_sendfile(int out, int in, off_t *at, size_t len)
{
	return RAW6(sendfile, SYS_sendfile, out, in, at, len, 0, 0);
}

/* Those that no system call stands for: they are looked up when they are needed so early. */
static int unknown(void)
{
	errno = ENOSYS;
	return -1;
}

#define LATE(name, none, ...)                                                                      \
	do {                                                                                       \
		real_init();                                                                       \
		return real.name == early_##name ? (unknown(), none) : real.name(__VA_ARGS__);     \
	} while (0)

/* libc makes these for all threads at once. */
static int early_setuid(uid_t uid)
{
	LATE(setuid, -1, uid);
}

static int early_seteuid(uid_t uid)
{
	LATE(seteuid, -1, uid);
}

static int early_setreuid(uid_t ruid, uid_t euid)
{
	LATE(setreuid, -1, ruid, euid);
}

static int early_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	LATE(setresuid, -1, ruid, euid, suid);
}

static int early_aio_read(struct aiocb *cb)
{
	LATE(aio_read, -1, cb);
}

static int early_lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
	LATE(lio_listio, -1, mode, list, n, event);
}

static FILE *early_fdopen(int fd, const char *mode)
{
	LATE(fdopen, NULL, fd, mode);
}

static FILE *early_freopen(const char *path, const char *mode, FILE *stream)
{
	LATE(freopen, NULL, path, mode, stream);
}

static FILE *early_freopen64(const char *path, const char *mode, FILE *stream)
{
	LATE(freopen64, NULL, path, mode, stream);
}

static int early_fclose(FILE *stream)
{
	LATE(fclose, EOF, stream);
}

static void early__exit(int status)
{
	for (;;)
		rawcall6(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static int early_execve(const char *path, char *const argv[], char *const envp[])
{
	return (int)RAW6(execve, SYS_execve, path, argv, envp, 0, 0, 0);
}

static int early_execv(const char *path, char *const argv[])
{
	LATE(execv, -1, path, argv);
}

static int early_execvp(const char *file, char *const argv[])
{
	LATE(execvp, -1, file, argv);
}

static int early_execvpe(const char *file, char *const argv[], char *const envp[])
{
	LATE(execvpe, -1, file, argv, envp);
}

static int early_fexecve(int fd, char *const argv[], char *const envp[])
{
	LATE(fexecve, -1, fd, argv, envp);
}

static int early_execveat(int dir, const char *path, char *const argv[], char *const envp[],
			  int flags)
{
	return (int)RAW6(execveat, SYS_execveat, dir, path, argv, envp, flags, 0);
}

#define CALL(ret, name, params) .name = early_##name,
#define ALIAS(name)
struct real_calls real = {
#include "base/calls.def"
};
#undef CALL
#undef ALIAS

static void resolve(void *slot, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found) /* a libc older than the call: the system call answers for it */
		*(void **)slot = found;
}

void real_init(void)
{
	static int done;

	if (done)
		return;
	done = 1;
#define CALL(ret, name, params) resolve(&real.name, #name);
#define ALIAS(name)
#include "base/calls.def"
#undef CALL
#undef ALIAS
}
