/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waits.h - the calls that wait, for programs that disturb a wait: each on the socket `fd`, or the set `ep` that it is in, with `wait_ms`
 * as its limit where it has one of its own.
 */
#ifndef CONFORM_WAITS_H
#define CONFORM_WAITS_H

#include "lib.h"

static char buf[2048];
static int fd, ep;
static int wait_ms = 400;

#define WAIT_TS (&(struct timespec){ 0, wait_ms * 1000000 })

FN long do_recv(void)
{
	return recv(fd, buf, sizeof(buf), 0);
}
FN long do_read(void)
{
	return read(fd, buf, sizeof(buf));
}
FN long do_recvmsg(void)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(fd, &m, 0);
}
FN long do_recvmmsg(void)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	return recvmmsg(fd, &m, 1, 0, NULL);
}
FN long do_poll(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms);
}
FN long do_ppoll(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	return ppoll(&p, 1, WAIT_TS, &none);
}
FN long do_big_poll(void)
{
	static struct pollfd p[200];

	for (int i = 0; i < 200; i++)
		p[i] = (struct pollfd){ .fd = i == 150 ? fd : -1, .events = POLLIN };
	return poll(p, 200, wait_ms);
}
FN long do_select(void)
{
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	return select(fd + 1, &rd, NULL, NULL, &(struct timeval){ 0, wait_ms * 1000 });
}
FN long do_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, wait_ms);
}
FN long do_epoll_forever(void)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, -1);
}
FN long do_epoll_pwait(void)
{
	struct epoll_event ev;
	sigset_t none;

	sigemptyset(&none);
	return epoll_pwait(ep, &ev, 1, wait_ms, &none);
}
FN long do_epoll_pwait2(void)
{
	struct epoll_event ev;

	return epoll_pwait2(ep, &ev, 1, WAIT_TS, NULL);
}

/* Of the receives, which have none of their own; 0: none. */
FN void limit_receives(int ms)
{
	struct timeval tv = { 0, ms * 1000 };

	must("RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
}

FN void open_all(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	fd = bound("L1", PORT);
	ep = epoll_create1(0);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

FN void close_all(void)
{
	close(fd);
	close(ep);
}

/* The socket has to work as before. */
FN void still_works(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct epoll_event ev;

	peer("send 0 L1 %d 20 9 1", PORT);
	say("  then: poll %d,", poll(&p, 1, 2000));
	say(" epoll %d,", epoll_wait(ep, &ev, 1, 2000));
	say(" recv %zd,", recv(fd, buf, sizeof(buf), 0));
	say(" send %zd, %s\n", send_to(fd, "y", 1, 0, "P1", PPORT), peer("drain 0 40"));
}

#endif
