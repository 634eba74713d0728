/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls.h - what the programs calls_*.c share: the kinds of descriptors that a call may meet, memory that is good, bad or
 * ends in the middle, and the calls by their libc names, their other exported names and their numbers.
 */
#ifndef CONFORM_CALLS_H
#define CONFORM_CALLS_H

#include "lib.h"

#include <dlfcn.h>
#include <limits.h>
#include <sys/syscall.h>

#define CLOSED_FD 250
#define POISON 0xee

/* What a call is made on. The first three are UDP sockets that may be accelerated. */
enum target {
	BOUND,
	CONNECTED,
	UNBOUND,
	CLOSED,
	MINUS_ONE,
	FAR,
	PIPE,
	PLAIN_FILE,
	EVENT,
	TCP,
	EPOLL,
	TARGETS
};

static const char *const target_names[] = { "bound",   "connected", "unbound", "closed",
					    "-1",      "2^20+1",    "pipe",    "file",
					    "eventfd", "tcp",	    "epoll" };

static int target_fd[TARGETS];
static int pipe_other;

/* Non-blocking, all of them: no case of the tables may hang. */
FN void open_targets(void)
{
	int p[2], one = 1;

	target_fd[BOUND] = udp(SOCK_NONBLOCK);
	must("bind", bind_to(target_fd[BOUND], "L1", PORT));
	target_fd[CONNECTED] = udp(SOCK_NONBLOCK);
	must("bind", bind_to(target_fd[CONNECTED], "L1", PORT + 1));
	must("connect", connect_to(target_fd[CONNECTED], "P1", PPORT));
	target_fd[UNBOUND] = udp(SOCK_NONBLOCK);
	target_fd[CLOSED] = CLOSED_FD;
	target_fd[MINUS_ONE] = -1;
	target_fd[FAR] = (1 << 20) + 1;
	must("pipe", pipe2(p, O_NONBLOCK));
	target_fd[PIPE] = p[0];
	pipe_other = p[1];
	target_fd[PLAIN_FILE] = fileno(tmpfile());
	target_fd[EVENT] = eventfd(0, EFD_NONBLOCK);
	target_fd[TCP] = socket(family(), SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(target_fd[TCP], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	target_fd[EPOLL] = epoll_create1(0);
}

/* Memory. @good is writable; @unmapped is not there; @readonly is; edge(n) has n writable bytes, then nothing. */
static char *good, *unmapped, *readonly, *edge_page;
#define GOOD_SIZE 8192
#define GOOD_ALL 131072 /* as far as may be read */

FN char *pages(size_t n, int prot)
{
	char *p = mmap(NULL, n * 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

FN void map_memory(void)
{
	good = pages(GOOD_ALL / 4096 + 1, PROT_READ | PROT_WRITE);
	mprotect(good + GOOD_ALL, 4096, PROT_NONE);
	unmapped = pages(4, PROT_NONE) + 4096;
	readonly = pages(1, PROT_READ | PROT_WRITE);
	memset(readonly, 0x11, 4096);
	mprotect(readonly, 4096, PROT_READ);
	edge_page = pages(2, PROT_READ | PROT_WRITE);
	mprotect(edge_page + 4096, 4096, PROT_NONE);
}

FN char *edge(size_t n)
{
	return edge_page + 4096 - n;
}

struct place {
	const char *name;
	char *p;
};

/* The places that a pointer of each kind may point to; @size: what the call looks at. */
enum { PLACES = 8 };

FN void places(struct place *to, size_t size)
{
	struct place all[PLACES] = { { "NULL", NULL },
				     { "unmapped", unmapped },
				     { "read-only", readonly },
				     { "all but a byte", edge(size - 1) },
				     { "half", edge(size / 2) },
				     { "whole at the edge", edge(size) },
				     { "kernel's", (char *)0xffff888000001000 },
				     { "not canonical", (char *)0x0000900000000000 } };

	memcpy(to, all, sizeof(all));
}

/* How many bytes of @p, from the beginning, were written to since it was poisoned. */
FN size_t written(const void *p, size_t size)
{
	const unsigned char *b = p;

	while (size && b[size - 1] == POISON)
		size--;
	return size;
}

/* The calls under their several names. */
struct api {
	const char *name;
	ssize_t (*recv)(int, void *, size_t, int);
	ssize_t (*recvfrom)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t (*recvmsg)(int, struct msghdr *, int);
	int (*recvmmsg)(int, struct mmsghdr *, unsigned, int, struct timespec *);
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*readv)(int, const struct iovec *, int);
	ssize_t (*send)(int, const void *, size_t, int);
	ssize_t (*sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	ssize_t (*sendmsg)(int, const struct msghdr *, int);
	int (*sendmmsg)(int, struct mmsghdr *, unsigned, int);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*writev)(int, const struct iovec *, int);
};

FN ssize_t raw_recvfrom(int fd, void *b, size_t n, int f, struct sockaddr *a, socklen_t *l)
{
	return syscall(SYS_recvfrom, fd, b, n, f, a, l);
}
FN ssize_t raw_recv(int fd, void *b, size_t n, int f)
{
	return raw_recvfrom(fd, b, n, f, NULL, NULL);
}
FN ssize_t raw_recvmsg(int fd, struct msghdr *m, int f)
{
	return syscall(SYS_recvmsg, fd, m, f);
}
FN int raw_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int f, struct timespec *t)
{
	return (int)syscall(SYS_recvmmsg, fd, v, n, f, t);
}
FN ssize_t raw_read(int fd, void *b, size_t n)
{
	return syscall(SYS_read, fd, b, n);
}
FN ssize_t raw_readv(int fd, const struct iovec *v, int n)
{
	return syscall(SYS_readv, fd, v, n);
}
FN ssize_t raw_sendto(int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l)
{
	return syscall(SYS_sendto, fd, b, n, f, a, l);
}
FN ssize_t raw_send(int fd, const void *b, size_t n, int f)
{
	return raw_sendto(fd, b, n, f, NULL, 0);
}
FN ssize_t raw_sendmsg(int fd, const struct msghdr *m, int f)
{
	return syscall(SYS_sendmsg, fd, m, f);
}
FN int raw_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int f)
{
	return (int)syscall(SYS_sendmmsg, fd, v, n, f);
}
FN ssize_t raw_write(int fd, const void *b, size_t n)
{
	return syscall(SYS_write, fd, b, n);
}
FN ssize_t raw_writev(int fd, const struct iovec *v, int n)
{
	return syscall(SYS_writev, fd, v, n);
}

static __attribute__((unused)) struct api by_name = { "libc",	recv,  recvfrom, recvmsg, recvmmsg,
						      read,	readv, send,	 sendto,  sendmsg,
						      sendmmsg, write, writev };
static __attribute__((unused)) struct api by_number = {
	"syscall", raw_recv,   raw_recvfrom, raw_recvmsg,  raw_recvmmsg, raw_read,  raw_readv,
	raw_send,  raw_sendto, raw_sendmsg,  raw_sendmmsg, raw_write,	 raw_writev
};
static __attribute__((unused)) struct api by_alias = { "alias",	 NULL,	recvfrom, recvmsg, recvmmsg,
						       NULL,	 readv, NULL,	  sendto,  sendmsg,
						       sendmmsg, NULL,	writev };

static ssize_t (*chk_recv)(int, void *, size_t, size_t, int);
static ssize_t (*chk_recvfrom)(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);

FN ssize_t alias_recv(int fd, void *b, size_t n, int f)
{
	return chk_recv(fd, b, n, (size_t)-1, f);
}
FN ssize_t alias_recvfrom(int fd, void *b, size_t n, int f, struct sockaddr *a, socklen_t *l)
{
	return chk_recvfrom(fd, b, n, (size_t)-1, f, a, l);
}

FN void *by_symbol(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	if (!p) {
		say("FATAL no symbol %s\n", name);
		_exit(2);
	}
	return p;
}

FN void find_aliases(void)
{
	*(void **)&chk_recv = by_symbol("__recv_chk");
	*(void **)&chk_recvfrom = by_symbol("__recvfrom_chk");
	*(void **)&by_alias.read = by_symbol("__read");
	*(void **)&by_alias.send = by_symbol("__send");
	*(void **)&by_alias.write = by_symbol("__write");
	by_alias.recv = alias_recv;
	by_alias.recvfrom = alias_recvfrom;
}

/* Two datagrams of 100 bytes, payloads 1 and 2, for socket @t, and both have arrived. */
FN void feed(enum target t)
{
	struct pollfd p = { .fd = target_fd[t], .events = POLLIN };

	peer("send 0 L1 %d 100 1 2", t == CONNECTED ? PORT + 1 : PORT);
	if (poll(&p, 1, 2000) != 1)
		say("FED NOTHING\n");
	pause_ms(2);
}

/* Puts an object into memory at the edge or read-only memory, as much of it as there is room for. */
FN void put(char *p, const void *object, size_t size)
{
	if (p >= edge_page && p < edge_page + 4096)
		memcpy(p, object,
		       (size_t)(edge_page + 4096 - p) < size ? (size_t)(edge_page + 4096 - p)
							     : size);
	if (p != readonly)
		return;
	mprotect(readonly, 4096, PROT_READ | PROT_WRITE);
	memcpy(readonly, object, size);
	mprotect(readonly, 4096, PROT_READ);
}

FN const char *outcome(long r)
{
	static char text[32];

	if (r == -1)
		snprintf(text, sizeof(text), "-1 %s", strerrorname_np(errno));
	else
		snprintf(text, sizeof(text), "%ld", r);
	return text;
}

#endif
