/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_passthru.c - calls on descriptors that are none of the library's business, between the marks "BEGIN" and "END", for
 * accel_passthru.sh to count under strace.
 *
 *   accel_passthru tcp|unix|pipe|udp|dup|file
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "accel_common.h"

#define ROUNDS 20

static char buf[256];

static void mark(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		kb_die("write");
}

static void expect(long want, long got, const char *what)
{
	if (want != got)
		printf("%s: want %ld, got %ld (%s)\n", what, want, got, strerror(errno));
}

/* Everything one does with two connected descriptors. */
static void talk(int a, int b, bool sockets)
{
	struct pollfd pfd = { .fd = b, .events = POLLIN };
	struct iovec iov = { buf, 16 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct epoll_event ev = { .events = EPOLLIN }, out;
	struct timeval tv = { 0, 0 };
	int ep = epoll_create1(0);
	fd_set set;

	expect(0, epoll_ctl(ep, EPOLL_CTL_ADD, b, &ev), "epoll_ctl");
	for (int i = 0; i < ROUNDS; i++) {
		expect(0, poll(&pfd, 1, 0), "poll");
		expect(16, write(a, buf, 16), "write");
		expect(1, poll(&pfd, 1, 1000), "poll");
		expect(1, epoll_wait(ep, &out, 1, 1000), "epoll_wait");
		FD_ZERO(&set);
		FD_SET(b, &set);
		expect(1, select(b + 1, &set, NULL, NULL, &tv), "select");
		expect(16, read(b, buf, sizeof(buf)), "read");
		expect(16, writev(a, &iov, 1), "writev");
		expect(16, readv(b, &iov, 1), "readv");
		if (!sockets)
			continue;
		expect(16, send(a, buf, 16, 0), "send");
		expect(16, recv(b, buf, sizeof(buf), 0), "recv");
		expect(16, sendmsg(a, &msg, 0), "sendmsg");
		expect(16, recvmsg(b, &msg, 0), "recvmsg");
		expect(-1, recvfrom(b, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL), "recvfrom");
	}
	close(ep);
	close(a);
	close(b);
}

static int loopback(int type, int port, int peer)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, type, 0), on = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	expect(0, bind(fd, (struct sockaddr *)&sin, sizeof(sin)), "bind");
	sin.sin_port = htons((uint16_t)peer);
	if (peer)
		expect(0, connect(fd, (struct sockaddr *)&sin, sizeof(sin)), "connect");
	return fd;
}

static void tcp(void)
{
	int l = loopback(SOCK_STREAM, 5701, 0), a;

	expect(0, listen(l, 1), "listen");
	a = loopback(SOCK_STREAM, 5702, 5701);
	talk(a, accept(l, NULL, NULL), true);
	close(l);
}

static void udp(void)
{
	int a = loopback(SOCK_DGRAM, 5703, 0), b;

	b = loopback(SOCK_DGRAM, 5704, 5703);
	close(a);
	a = loopback(SOCK_DGRAM, 5703, 5704);
	talk(a, b, true);
}

static void file(void)
{
	int fd = open("/dev/null", O_RDWR);

	for (int i = 0; i < ROUNDS; i++) {
		expect(16, write(fd, buf, 16), "write");
		expect(0, read(fd, buf, 16), "read");
		expect(0, fcntl(fd, F_GETFD), "fcntl");
		expect(-1, recv(fd, buf, 16, 0), "recv");
		expect(-1, read(999, buf, 16), "read");
		expect(-1, close(999), "close");
	}
	close(fd);
}

static void copies(void)
{
	int fd = open("/dev/null", O_RDWR);

	for (int i = 0; i < ROUNDS; i++) {
		expect(50, dup2(fd, 50), "dup2");
		close(dup(fd));
		close(fcntl(fd, F_DUPFD_CLOEXEC, 70));
		expect(0, close(50), "close");
	}
	expect(0, close_range(40, 90, 0), "close_range");
	close(fd);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	int pair[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	mark("BEGIN\n");
	if (strcmp(kind, "tcp") == 0)
		tcp();
	else if (strcmp(kind, "udp") == 0)
		udp();
	else if (strcmp(kind, "file") == 0)
		file();
	else if (strcmp(kind, "dup") == 0)
		copies();
	else if (strcmp(kind, "unix") == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
		talk(pair[0], pair[1], true);
	else if (strcmp(kind, "pipe") == 0 && pipe(pair) == 0)
		talk(pair[1], pair[0], false);
	else
		kb_die("usage: accel_passthru tcp|unix|pipe|udp|dup|file");
	mark("END\n");
	return 0;
}
