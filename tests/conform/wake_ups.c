/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wake_ups.c - how many of several waiting threads an arrival wakes: one set shared, a set each, receives, polls; and how often an
 * edge-triggered member is reported.
 */
/* expect: fast 30 */
#include "lib.h"

#define THREADS 4

static int fd, sets[THREADS], wait_ms = 350;
static int woken;

static void *in_epoll(void *arg)
{
	struct epoll_event ev[2];
	int r = epoll_wait(*(int *)arg, ev, 2, wait_ms);

	if (r > 0)
		__atomic_add_fetch(&woken, r, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *in_poll(void *arg)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)arg;
	if (poll(&p, 1, wait_ms) == 1)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *in_select(void *arg)
{
	fd_set rd;

	(void)arg;
	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	if (select(fd + 1, &rd, NULL, NULL, &(struct timeval){ 0, wait_ms * 1000 }) == 1)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *in_recv(void *arg)
{
	char b[100];

	(void)arg;
	if (recv(fd, b, sizeof(b), 0) > 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *in_recvmmsg(void *arg)
{
	char b[4][100];
	struct iovec iov[4];
	struct mmsghdr m[4] = { 0 };
	int r;

	(void)arg;
	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){ b[i], sizeof(b[i]) };
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	r = recvmmsg(fd, m, 4, MSG_WAITFORONE, NULL);
	if (r > 0)
		__atomic_add_fetch(&woken, r, __ATOMIC_SEQ_CST);
	return NULL;
}

/* @arrivals datagrams, 60 ms apart, for threads that wait since before. */
static void run(const char *what, void *(*fn)(void *), int arrivals, bool at_least_one)
{
	char buf[200];
	pthread_t t[THREADS];
	int n = 0;

	woken = 0;
	for (int i = 0; i < THREADS; i++)
		must("thread", pthread_create(&t[i], NULL, fn, &sets[i]) ? -1 : 0);
	pause_ms(80);
	for (int i = 0; i < arrivals; i++) {
		peer("send 0 L1 %d 20 1 1", PORT);
		pause_ms(60);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		n++;
	if (at_least_one)
		say("%s, %d arrivals: %s, %d left\n", what, arrivals,
		    woken ? "at least one" : "NONE", n);
	else
		say("%s, %d arrivals: %d, %d left\n", what, arrivals, woken, n);
}

static void with_sets(const char *what, unsigned events, bool shared, int arrivals, bool loose)
{
	struct epoll_event ev = { .events = events };
	char line[80];

	for (int i = 0; i < THREADS; i++) {
		sets[i] = i && shared ? sets[0] : epoll_create1(0);
		if (!i || !shared)
			must("add", epoll_ctl(sets[i], EPOLL_CTL_ADD, fd, &ev));
	}
	snprintf(line, sizeof(line), "%s, %s", what, shared ? "one set" : "a set each");
	run(line, in_epoll, arrivals, loose);
	for (int i = 0; i < (shared ? 1 : THREADS); i++)
		close(sets[i]);
}

/* One reader of edges that does not read: an event for each arrival. */
static void edges(unsigned events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(0), n = 0;
	char buf[100];

	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	while (epoll_wait(ep, &ev, 1, 0) == 1)
		;
	for (int i = 0; i < 5; i++) {
		peer_later(20, "send 0 L1 %d 20 1 1", PORT);
		n += epoll_wait(ep, &ev, 1, 2000);
		peer_done();
		pause_ms(10);
		n += 100 * epoll_wait(ep, &ev, 1, 0);
	}
	say("edges %x: %d\n", events, n);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	close(ep);
}

int main(void)
{
	struct timeval tv = { 0, 350000 };

	cf_start();
	fd = bound("L1", PORT);
	with_sets("level", EPOLLIN, true, 1, false);
	with_sets("edge", EPOLLIN | EPOLLET, true, 1, false);
	with_sets("edge", EPOLLIN | EPOLLET, true, 2, false);
	with_sets("one-shot", EPOLLIN | EPOLLONESHOT, true, 2, false);
	with_sets("edge one-shot", EPOLLIN | EPOLLONESHOT | EPOLLET, true, 2, false);
	with_sets("exclusive edge", EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, true, 1, false);
	with_sets("level", EPOLLIN, false, 1, false);
	with_sets("edge", EPOLLIN | EPOLLET, false, 1, false);
	with_sets("one-shot", EPOLLIN | EPOLLONESHOT, false, 2, false);
	with_sets("exclusive", EPOLLIN | EPOLLEXCLUSIVE, false, 1, true);
	with_sets("exclusive edge", EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, false, 1, true);
	with_sets("nothing of interest", EPOLLPRI | EPOLLRDHUP, false, 1, false);
	run("poll", in_poll, 1, false);
	run("select", in_select, 1, false);
	must("RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	run("recv", in_recv, 1, false);
	run("recv", in_recv, 3, false);
	run("recvmmsg", in_recvmmsg, 1, false);
	run("recvmmsg", in_recvmmsg, 3, false);
	edges(EPOLLIN | EPOLLET);
	edges(EPOLLIN | EPOLLOUT | EPOLLET);
	edges(EPOLLRDNORM | EPOLLET | EPOLLRDHUP);
	edges(EPOLLIN | EPOLLET | EPOLLEXCLUSIVE);
	return 0;
}
