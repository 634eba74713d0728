/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_events.c - what epoll, poll and select report about accelerated sockets beside kernel descriptors (rule R13): how many
 * events, level-triggered, edge-triggered, one-shot, in nested sets, and that none is missed or invented.
 *
 *   accel_events PEER PEERPORT
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/timerfd.h>

#include "accel_common.h"

#define PORT 5340

static int ctl, fd, ep;
static uint8_t buf[2048];

/* @count datagrams have arrived at @to when this returns: the last one is looked for by its own set and left queued. */
static void arrive(int to, int port, uint32_t count)
{
	kb_ask(ctl, port, 0, count, 64, 300);
	(void)to;
	kb_pause_us(30000 + count * 600);
}

static int drain(int from)
{
	int n = 0;

	while (recv(from, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		n++;
	return n;
}

static int wait_ms(int set, int ms)
{
	struct epoll_event out[8];

	return epoll_wait(set, out, 8, ms);
}

static int make_set(int op_fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = op_fd };
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, op_fd, &ev) < 0)
		kb_die("epoll: %s", strerror(errno));
	return set;
}

static void level(void)
{
	int events = 0;

	ep = make_set(fd, EPOLLIN);
	kb_equal("LT: nothing queued, no event", 0, wait_ms(ep, 20));
	arrive(fd, PORT, 5);
	for (int i = 0; i < 10 && wait_ms(ep, 50) == 1; i++) {
		events++;
		recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	}
	kb_equal("LT: one event for each datagram taken singly", 5, events);
	kb_equal("LT: then none", 0, wait_ms(ep, 20));
	arrive(fd, PORT, 3);
	for (events = 0; events < 4 && wait_ms(ep, 0) == 1;)
		events++;
	kb_equal("LT: reported as long as not taken", 4, events);
	kb_equal("LT: all were there", 3, drain(fd));
	close(ep);
}

static void edge(void)
{
	int events = 0;

	ep = make_set(fd, EPOLLIN | EPOLLET);
	arrive(fd, PORT, 3);
	kb_equal("ET: one event for what came in between", 1, wait_ms(ep, 200));
	kb_equal("ET: not again", 0, wait_ms(ep, 30));
	recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	kb_equal("ET: not for the rest either", 0, wait_ms(ep, 30));
	arrive(fd, PORT, 1);
	kb_equal("ET: a new datagram is a new edge", 1, wait_ms(ep, 200));
	kb_equal("ET: all were there", 3, drain(fd));
	for (int i = 0; i < 20; i++) {
		kb_ask(ctl, PORT, 0, 1, 64, 0);
		events += wait_ms(ep, 300);
	}
	kb_equal("ET: twenty datagrams, each waited for, never read", 20, events);
	kb_equal("ET: and never more", 0, wait_ms(ep, 30));
	kb_equal("ET: twenty were there", 20, drain(fd));
	close(ep);
	arrive(fd, PORT, 1);
	ep = make_set(fd, EPOLLIN | EPOLLET);
	kb_equal("ET: added when readable, one event", 1, wait_ms(ep, 200));
	kb_equal("ET: added when readable, once", 0, wait_ms(ep, 20));
	drain(fd);
	close(ep);
}

static void oneshot(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = fd };

	ep = make_set(fd, EPOLLIN | EPOLLONESHOT);
	arrive(fd, PORT, 3);
	kb_equal("ONESHOT: once", 1, wait_ms(ep, 200));
	kb_equal("ONESHOT: disarmed", 0, wait_ms(ep, 30));
	arrive(fd, PORT, 1);
	kb_equal("ONESHOT: new datagrams do not arm it", 0, wait_ms(ep, 30));
	epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
	kb_equal("ONESHOT: armed again", 1, wait_ms(ep, 200));
	drain(fd);
	epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
	kb_equal("ONESHOT: armed, nothing there", 0, wait_ms(ep, 30));
	kb_ask(ctl, PORT, 0, 1, 64, 0);
	kb_equal("ONESHOT: armed, one comes", 1, wait_ms(ep, 500));
	drain(fd);
	close(ep);
}

static void data_and_masks(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.u64 = 0x123456789abcdefull },
			   out[4];
	int n, other = dup(fd);

	ep = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	n = epoll_wait(ep, out, 4, 100);
	kb_equal("IN|OUT: writable at once", 1, n);
	kb_equal("IN|OUT: only that", EPOLLOUT, (long)out[0].events);
	arrive(fd, PORT, 1);
	n = epoll_wait(ep, out, 4, 100);
	kb_equal("IN|OUT: both in one event", EPOLLIN | EPOLLOUT, n == 1 ? (long)out[0].events : -1);
	kb_case(n == 1 && out[0].data.u64 == 0x123456789abcdefull,
		"the event's data is what was given");
	ev.events = EPOLLOUT;
	epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
	n = epoll_wait(ep, out, 4, 100);
	kb_equal("MOD to OUT: not readable", EPOLLOUT, n == 1 ? (long)out[0].events : -1);
	ev.events = EPOLLIN;
	epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
	kb_equal("MOD to IN: readable", 1, epoll_wait(ep, out, 4, 100));
	ev.data.u64 = 7;
	epoll_ctl(ep, EPOLL_CTL_ADD, other, &ev);
	kb_equal("two numbers of one socket: two events", 2, epoll_wait(ep, out, 4, 100));
	epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
	n = epoll_wait(ep, out, 4, 100);
	kb_case(n == 1 && out[0].data.u64 == 7, "one removed: the other's event");
	drain(fd);
	close(other);
	kb_equal("an empty set: none", 0, wait_ms(ep, 20));
	close(ep);
}

/* Datagrams, a timer, an eventfd and a pipe in one set: everything is seen, in its number. */
static void mixed(void)
{
	struct itimerspec every = { .it_interval = { 0, 20000000 }, .it_value = { 0, 20000000 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), event = eventfd(0, EFD_NONBLOCK),
	    pipefd[2];
	struct epoll_event ev = { .events = EPOLLIN }, out[8];
	long ticks = 0, datagrams = 0, kicks = 0, bytes = 0, waits = 0;
	int64_t end = kb_now_us() + 600000;
	uint64_t value = 1;

	if (pipe(pipefd) < 0)
		kb_die("pipe");
	ep = make_set(fd, EPOLLIN);
	for (int i = 0; i < 3; i++) {
		ev.data.fd = (int[]){ timer, event, pipefd[0] }[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
	}
	timerfd_settime(timer, 0, &every, NULL);
	kb_ask(ctl, PORT, 0, 100, 64, 4000);
	while (kb_now_us() < end) {
		int n = epoll_wait(ep, out, 8, 50);

		waits++;
		for (int i = 0; i < n; i++) {
			if (out[i].data.fd == fd) {
				datagrams += recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 64;
				kicks -= write(event, &value, sizeof(value)) != 8;
				bytes -= write(pipefd[1], "x", 1) != 1;
			} else if (out[i].data.fd == timer &&
				   read(timer, &value, sizeof(value)) == 8) {
				ticks += (long)value;
				value = 1;
			} else if (out[i].data.fd == event &&
				   read(event, &value, sizeof(value)) == 8) {
				kicks += (long)value;
				value = 1;
			} else if (out[i].data.fd == pipefd[0]) {
				bytes += read(pipefd[0], buf, sizeof(buf));
			}
		}
	}
	kb_equal("mixed: datagrams", 100, datagrams);
	kb_equal("mixed: eventfd", 100, kicks);
	kb_equal("mixed: pipe", 100, bytes);
	kb_case(ticks >= 28 && ticks <= 31, "mixed: timer (%ld ticks of 20 ms in 600 ms)", ticks);
	kb_case(waits < 1000, "mixed: no busy loop (%ld waits)", waits);
	close(timer), close(event), close(pipefd[0]), close(pipefd[1]), close(ep);
}

static void nested(void)
{
	int inner = make_set(fd, EPOLLIN), outer = make_set(inner, EPOLLIN),
	    top = make_set(outer, EPOLLIN);
	struct pollfd pfd = { .fd = outer, .events = POLLIN };
	struct timeval tv = { 0, 300000 };
	fd_set set;

	kb_equal("nested: quiet", 0, wait_ms(top, 20));
	kb_ask(ctl, PORT, 0, 1, 64, 0);
	kb_equal("nested: the top set wakes", 1, wait_ms(top, 500));
	kb_equal("nested: the middle one", 1, wait_ms(outer, 0));
	kb_equal("nested: the inner one", 1, wait_ms(inner, 0));
	kb_equal("nested: poll() on a set", 1, poll(&pfd, 1, 0));
	FD_ZERO(&set);
	FD_SET(outer, &set);
	kb_equal("nested: select() on a set", 1, select(outer + 1, &set, NULL, NULL, &tv));
	drain(fd);
	kb_equal("nested: drained, quiet", 0, wait_ms(top, 20));
	pfd.fd = inner;
	kb_equal("drained, poll() on a set is quiet", 0, poll(&pfd, 1, 20));
	kb_ask(ctl, PORT, 0, 1, 64, 0);
	FD_ZERO(&set);
	FD_SET(inner, &set);
	tv = (struct timeval){ 0, 500000 };
	kb_equal("select() sleeps on a set until a datagram comes", 1,
		 select(inner + 1, &set, NULL, NULL, &tv));
	drain(fd);
	kb_ask(ctl, PORT, 0, 1, 64, 0);
	kb_equal("poll() sleeps on a set until a datagram comes", 1, poll(&pfd, 1, 500));
	drain(fd);
	close(top), close(outer), close(inner);
}

/* Sets made while data is queued, sockets closed in a set, more ready sockets than room for events. */
static void sets(void)
{
	struct epoll_event ev = { .events = EPOLLIN }, out[4];
	int fds[6], seen = 0, hits[6] = { 0 };

	ep = epoll_create1(0);
	for (int i = 0; i < 6; i++) {
		fds[i] = kb_socket4(NULL, PORT + 1 + i, false);
		ev.data.u32 = (uint32_t)i;
		epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev);
	}
	wait_ms(ep, 1);
	for (int i = 0; i < 6; i++)
		kb_ask(ctl, PORT + 1 + i, 0, 2, 64, 0);
	kb_pause_us(50000);
	kb_equal("six ready, room for four", 4, epoll_wait(ep, out, 4, 100));
	for (int round = 0; round < 6; round++)
		for (int n = epoll_wait(ep, out, 4, 0), i = 0; i < n; i++)
			hits[out[i].data.u32]++;
	for (int i = 0; i < 6; i++)
		seen += hits[i] > 0;
	kb_equal("six ready, room for four: each gets its turn", 6, seen);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	kb_equal("five closed: one is left", 1, epoll_wait(ep, out, 4, 100));
	kb_equal("and it is the right one", 5, (long)out[0].data.u32);
	kb_equal("with its datagrams", 2, drain(fds[5]));
	close(fds[5]);
	kb_equal("all closed: none", 0, epoll_wait(ep, out, 4, 20));
	close(ep);
}

static void poll_select(void)
{
	struct pollfd pfd[3] = { { .fd = fd, .events = POLLIN | POLLOUT },
				 { .fd = -1, .events = POLLIN } };
	struct timeval tv = { 0, 50000 };
	int pipefd[2];
	int64_t begun;
	fd_set rd, wr;

	if (pipe(pipefd) < 0)
		kb_die("pipe");
	pfd[2] = (struct pollfd){ .fd = pipefd[0], .events = POLLIN };
	kb_equal("poll: writable", 1, poll(pfd, 3, 50));
	kb_equal("poll: only that", POLLOUT, pfd[0].revents);
	arrive(fd, PORT, 1);
	kb_equal("poll: pipe quiet, socket ready", 1, poll(pfd, 3, 50));
	kb_equal("poll: both events", POLLIN | POLLOUT, pfd[0].revents);
	if (write(pipefd[1], "x", 1) != 1)
		kb_die("write");
	kb_equal("poll: both descriptors", 2, poll(pfd, 3, 50));
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_SET(fd, &rd);
	FD_SET(pipefd[0], &rd);
	FD_SET(fd, &wr);
	kb_equal("select: bits of both sets counted", 3,
		 select(fd > pipefd[0] ? fd + 1 : pipefd[0] + 1, &rd, &wr, NULL, &tv));
	drain(fd);
	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	begun = kb_now_us();
	tv = (struct timeval){ 0, 50000 };
	kb_equal("select: time is over", 0, select(fd + 1, &rd, NULL, NULL, &tv));
	kb_case(!FD_ISSET(fd, &rd) && kb_now_us() - begun >= 50000 && kb_now_us() - begun < 150000,
		"select: after the time that was given");
	pfd[0].events = POLLIN;
	begun = kb_now_us();
	kb_equal("poll: time is over", 0, poll(pfd, 1, 50));
	kb_case(kb_now_us() - begun >= 50000 && kb_now_us() - begun < 150000,
		"poll: after the time that was given");
	close(pipefd[0]), close(pipefd[1]);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		kb_die("usage: accel_events PEER PEERPORT");
	ctl = kb_control(argv[1], atoi(argv[2]));
	fd = kb_socket4(NULL, PORT, false);
	drain(fd); /* steering is on from here */
	level();
	edge();
	oneshot();
	data_and_masks();
	mixed();
	nested();
	sets();
	poll_select();
	return 0;
}
