/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_epoll.h - an epoll set with accelerated sockets, fed by hand, and its twin: the kernel's epoll with sockets that
 * get the same datagrams by lo, in a network namespace.
 */
#ifndef TESTS_UNIT_TEST_EPOLL_H
#define TESTS_UNIT_TEST_EPOLL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/real.h"
#include "stack/epoll.h"
#include "stack/usermem.h"
#include "stack/wait.h"
#include "tests/unit/test_stack.h"

#define MEMBERS 4

/* A socket of ours; a twin of the kernel's; and who sends to the latter. */
struct member {
	struct sock *s;
	int fd, twin, sender;
};

static struct member m[MEMBERS];
static int epfd, twin_ep;
static struct epoll_set *ep;
static struct epoll_event ev[16];
static struct loose_dgram packet;

static inline int bound_socket(struct sockaddr_in *in)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*in);

	*in = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (void *)in, sizeof(*in)), 0);
	assert_int_equal(getsockname(fd, (void *)in, &len), 0);
	return fd;
}

static inline void open_member(struct member *n)
{
	struct sockaddr_in in;

	n->fd = bound_socket(&in);
	n->twin = bound_socket(&in);
	n->sender = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(connect(n->sender, (void *)&in, sizeof(in)), 0);
	sock_created(n->fd, AF_INET, SOCK_DGRAM, 0);
	n->s = (struct sock *)fdtable_peek(n->fd);
	n->s->state = SOCK_ACTIVE;
	n->s->rcvbuf = 1 << 20;
	n->s->stats = stats_socket_get();
}

static inline void close_member(struct member *n)
{
	if (n->fd < 0)
		return;
	n->s->state = SOCK_IDLE;
	fdtable_clear(n->fd);
	close(n->fd);
	close(n->twin);
	close(n->sender);
	n->fd = -1;
}

static inline int fresh(void **state)
{
	(void)state;
	config.active = true;
	for (int i = 0; i < MEMBERS; i++)
		open_member(&m[i]);
	epfd = epoll_create1(0);
	twin_ep = epoll_create1(0);
	epoll_created(epfd);
	ep = fdtable_epoll(epfd);
	return 0;
}

static inline int leave(void **state)
{
	(void)state;
	for (int i = 0; i < MEMBERS; i++)
		close_member(&m[i]);
	epoll_put(ep);
	fdtable_clear(epfd);
	close(epfd);
	close(twin_ep);
	assert_int_equal(fdtable_used, 0);
	return 0;
}

static inline void control_data(int op, int i, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	assert_int_equal(epoll_ctl(twin_ep, op, m[i].twin, &e), 0);
	assert_int_equal(epoll_control(ep, epfd, op, m[i].fd, &e, m[i].s, NULL), 0);
}

static inline void control(int op, int i, uint32_t events)
{
	control_data(op, i, events, (uint64_t)(100 + i));
}

/* One datagram, to both. */
static inline void feed(int i)
{
	queue_put(m[i].s, loose_make(&packet, "10.0.0.9", 99, "10.0.0.1", 53, "hello", 5), true);
	if (m[i].s->watched)
		epoll_feed(m[i].s);
	assert_int_equal(send(m[i].sender, "hello", 5, 0), 5);
}

static inline void consume(int i)
{
	char text[8];

	queue_free(queue_take(m[i].s, 1));
	recv(m[i].twin, text, sizeof(text), MSG_DONTWAIT);
}

static inline int wait_now(int max)
{
	memset(ev, 0, sizeof(ev));
	return epoll_wait_set(ep, epfd, ev, max, 0, NULL);
}

static inline uint32_t events_of(const struct epoll_event *list, int n, uint64_t data)
{
	uint32_t events = 0;

	for (int i = 0; i < n; i++)
		if (list[i].data.u64 == data)
			events |= list[i].events;
	return events;
}

/* Both sides report the same members with the same events. Returns how many. */
static inline int same(void)
{
	struct epoll_event twin[16];
	int n = wait_now(16), k = epoll_wait(twin_ep, twin, 16, 0);

	for (int i = 0; i < MEMBERS; i++) {
		uint32_t a = events_of(ev, n, (uint64_t)(100 + i));
		uint32_t b = events_of(twin, k, (uint64_t)(100 + i));

		if (a != b)
			fail_msg("member %d: %x, the kernel says %x", i, a, b);
	}
	assert_int_equal(n, k);
	return n;
}

static inline int enter(void **state)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	real_init();
	clock_init();
	usermem_init();
	fdtable_set_owner();
	wait_prepare();
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -1;
	return close(fd);
}

#endif
