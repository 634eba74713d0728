/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_epoll.c - epoll sets with accelerated sockets, without a NIC: datagrams are put into the sockets' queues by hand,
 * and the kernel's own epoll tells what is right.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "tests/unit/test_epoll.h"

static void level_triggered(void **state)
{
	(void)state;
	assert_false(epoll_is_fast(ep));
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	assert_true(epoll_is_fast(ep));
	assert_true(m[0].s->watched);
	assert_int_equal(same(), 0);
	feed(0);
	assert_true(epoll_readable(ep));
	assert_int_equal(same(), 1);
	assert_int_equal(same(), 1); /* until it is read */
	feed(0);
	consume(0);
	assert_int_equal(same(), 1);
	consume(0);
	assert_int_equal(same(), 0);
	assert_false(epoll_readable(ep));
	control(EPOLL_CTL_DEL, 0, 0);
	assert_false(m[0].s->watched);
	assert_false(epoll_is_fast(ep));
	feed(0);
	assert_int_equal(same(), 0);
	control(EPOLL_CTL_ADD, 0, EPOLLIN); /* it was readable already */
	assert_int_equal(same(), 1);
}

static void edge_triggered(void **state)
{
	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLIN | EPOLLET);
	feed(0);
	feed(0);
	assert_int_equal(same(), 1);
	assert_int_equal(same(), 0);
	consume(0);
	assert_int_equal(same(), 0);
	feed(0);
	assert_int_equal(same(), 1);
	consume(0);
	consume(0);
	feed(0);
	consume(0); /* read before anybody waits */
	assert_int_equal(same(), 0);
	feed(0);
	assert_int_equal(same(), 1);
	control(EPOLL_CTL_MOD, 0, EPOLLIN | EPOLLET); /* looked at afresh */
	assert_int_equal(same(), 1);
	assert_int_equal(same(), 0);
}

static void one_shot(void **state)
{
	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLIN | EPOLLONESHOT);
	feed(0);
	assert_int_equal(same(), 1);
	assert_int_equal(same(), 0);
	feed(0);
	assert_int_equal(same(), 0);
	control(EPOLL_CTL_MOD, 0, EPOLLIN | EPOLLONESHOT);
	assert_int_equal(same(), 1);
	consume(0);
	consume(0);
	control(EPOLL_CTL_MOD, 0, EPOLLIN | EPOLLONESHOT);
	assert_int_equal(same(), 0);
	feed(0);
	assert_int_equal(same(), 1);
}

/* The kernel's copy of a one-shot that we reported is spent as well, and the other way round. */
static void one_shot_on_both_sides(void **state)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	(void)state;
	getsockname(m[0].fd, (void *)&in, &len);
	control(EPOLL_CTL_ADD, 0, EPOLLIN | EPOLLONESHOT);
	sendto(m[0].sender, "x", 1, 0, (void *)&in, sizeof(in)); /* to the shadow */
	queue_put(m[0].s, loose_make(&packet, "10.0.0.9", 99, "10.0.0.1", 53, "hello", 5), true);
	epoll_feed(m[0].s);
	assert_int_equal(wait_now(16), 1);
	assert_int_equal(wait_now(16), 0);
	queue_flush(m[0].s);
	control(EPOLL_CTL_MOD, 0, EPOLLIN | EPOLLONESHOT);
	assert_int_equal(wait_now(16), 1); /* the shadow's */
	queue_put(m[0].s, loose_make(&packet, "10.0.0.9", 99, "10.0.0.1", 53, "hello", 5), true);
	epoll_feed(m[0].s);
	assert_int_equal(wait_now(16), 0);
}

static void several_members(void **state)
{
	int total = 0;

	(void)state;
	for (int i = 0; i < MEMBERS; i++)
		control(EPOLL_CTL_ADD, i, EPOLLIN);
	feed(1);
	feed(3);
	assert_int_equal(same(), 2);
	for (int i = 0; i < MEMBERS; i++)
		feed(i);
	assert_int_equal(same(), 4);
	/* One at a time, in turn: nobody starves. */
	for (int i = 0; i < MEMBERS; i++) {
		assert_int_equal(wait_now(1), 1);
		total += (int)ev[0].data.u64;
	}
	assert_int_equal(total, 100 + 101 + 102 + 103);
}

static void writability(void **state)
{
	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLOUT);
	control(EPOLL_CTL_ADD, 1, EPOLLIN | EPOLLOUT);
	control(EPOLL_CTL_ADD, 2, 0);
	assert_int_equal(same(), 2);
	feed(0);
	feed(1);
	feed(2);
	assert_int_equal(same(), 2);
	assert_int_equal(events_of(ev, 2, 101), EPOLLIN | EPOLLOUT);
	assert_int_equal(events_of(ev, 2, 100), EPOLLOUT);
	control(EPOLL_CTL_MOD, 1, EPOLLIN | EPOLLRDNORM);
	control(EPOLL_CTL_MOD, 0, EPOLLIN);
	assert_int_equal(same(), 2);
}

/* Sockets that the kernel alone knows are reported with ours in one pass. */
static void mixed_with_the_kernels(void **state)
{
	int other = eventfd(1, 0);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 7 };

	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, other, &e), 0);
	epoll_changed(ep, EPOLL_CTL_ADD, other, &e, NULL, NULL);
	assert_int_equal(wait_now(16), 1);
	assert_int_equal(ev[0].data.u64, 7);
	feed(0);
	assert_int_equal(wait_now(16), 2);
	/* With room for one neither starves the other. */
	for (int i = 0, ours = 0; i < 20; i++) {
		assert_int_equal(wait_now(1), 1);
		ours += ev[0].data.u64 == 100;
		if (i == 19)
			assert_in_range(ours, 3, 17);
	}
	close(other);
}

/* Two members may carry the same data: they are two all the same. */
static void equal_data(void **state)
{
	int other = eventfd(1, 0);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 100 };

	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	control_data(EPOLL_CTL_ADD, 1, EPOLLIN, 100);
	feed(0);
	feed(1);
	assert_int_equal(wait_now(16), 2);
	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, other, &e), 0);
	epoll_changed(ep, EPOLL_CTL_ADD, other, &e, NULL, NULL);
	assert_int_equal(wait_now(16), 3);
	close(other);
}

/* Both queues of one socket have something: one event. */
static void both_queues_of_one_socket(void **state)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	(void)state;
	getsockname(m[0].fd, (void *)&in, &len);
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	sendto(m[0].sender, "x", 1, 0, (void *)&in, sizeof(in));
	assert_int_equal(wait_now(16), 1);
	feed(0);
	for (int i = 0; i < 5; i++) {
		usleep(100); /* so that the kernel is asked, too */
		assert_int_equal(wait_now(16), 1);
		assert_int_equal(ev[0].events, EPOLLIN);
	}
}

static void bad_pointer(void **state)
{
	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	feed(0);
	assert_int_equal(epoll_wait_set(ep, epfd, (void *)8, 4, 0, NULL), -EFAULT);
	assert_int_equal(wait_now(16), 1); /* it is still there */
}

/* The kernel keeps a member until the last descriptor of its open file is closed (epoll(7)). */
static void copies_of_a_descriptor(void **state)
{
	int copy = dup(m[0].fd), copy_twin = dup(m[0].twin), old = m[0].fd;

	(void)state;
	fdtable_dup(m[0].fd, copy);
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	fdtable_clear(m[0].fd);
	close(m[0].fd);
	close(m[0].twin);
	m[0].fd = copy;
	m[0].twin = copy_twin;
	feed(0);
	assert_int_equal(same(), 1);
	assert_null(fdtable_peek(old));
	close_member(&m[0]);
	assert_int_equal(same(), 0);
	assert_false(epoll_is_fast(ep));
}

static void two_descriptors_two_members(void **state)
{
	int copy = dup(m[0].fd);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 200 };

	(void)state;
	fdtable_dup(m[0].fd, copy);
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, copy, &e), 0);
	epoll_changed(ep, EPOLL_CTL_ADD, copy, &e, m[0].s, NULL);
	feed(0);
	assert_int_equal(wait_now(16), 2);
	epoll_ctl(epfd, EPOLL_CTL_DEL, copy, &e);
	epoll_changed(ep, EPOLL_CTL_DEL, copy, &e, m[0].s, NULL);
	assert_int_equal(wait_now(16), 1);
	assert_int_equal(ev[0].data.u64, 100);
	fdtable_clear(copy);
	close(copy);
}

static void two_sets(void **state)
{
	int second = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 5 };
	struct epoll_set *other;

	(void)state;
	epoll_created(second);
	other = fdtable_epoll(second);
	control(EPOLL_CTL_ADD, 0, EPOLLIN | EPOLLET);
	epoll_ctl(second, EPOLL_CTL_ADD, m[0].fd, &e);
	epoll_changed(other, EPOLL_CTL_ADD, m[0].fd, &e, m[0].s, NULL);
	feed(0);
	assert_int_equal(wait_now(16), 1);
	assert_int_equal(epoll_wait_set(other, second, ev, 16, 0, NULL), 1);
	assert_int_equal(wait_now(16), 0);
	assert_int_equal(epoll_wait_set(other, second, ev, 16, 0, NULL), 1);
	epoll_put(other);
	fdtable_clear(second); /* with a member that is ready */
	close(second);
	feed(0);
	assert_int_equal(wait_now(16), 1);
}

static void nested(void **state)
{
	int outer_fd = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 9 };
	struct epoll_set *outer;

	(void)state;
	epoll_created(outer_fd);
	outer = fdtable_epoll(outer_fd);
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	assert_int_equal(epoll_ctl(outer_fd, EPOLL_CTL_ADD, epfd, &e), 0);
	epoll_changed(outer, EPOLL_CTL_ADD, epfd, &e, NULL, ep);
	assert_true(epoll_is_fast(outer));
	assert_int_equal(epoll_wait_set(outer, outer_fd, ev, 16, 0, NULL), 0);
	feed(0);
	assert_int_equal(epoll_wait_set(outer, outer_fd, ev, 16, 0, NULL), 1);
	assert_int_equal(ev[0].data.u64, 9);
	assert_int_equal(ev[0].events, EPOLLIN);
	assert_int_equal(wait_now(16), 1);
	consume(0);
	assert_int_equal(epoll_wait_set(outer, outer_fd, ev, 16, 0, NULL), 0);
	epoll_put(outer);
	fdtable_clear(outer_fd);
	close(outer_fd);
}

static void becomes_accelerated_later(void **state)
{
	(void)state;
	m[0].s->state = SOCK_IDLE;
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	assert_false(epoll_is_fast(ep));
	m[0].s->state = SOCK_ACTIVE;
	epoll_sock_changed(m[0].s);
	assert_true(epoll_is_fast(ep));
	feed(0);
	assert_int_equal(same(), 1);
	m[0].s->state = SOCK_KERNEL;
	epoll_sock_changed(m[0].s);
	assert_false(epoll_is_fast(ep));
}

static void random_calls_beside_the_kernel(void **state)
{
	static const uint32_t kinds[] = { EPOLLIN,
					  EPOLLIN | EPOLLET,
					  EPOLLIN | EPOLLONESHOT,
					  EPOLLIN | EPOLLET | EPOLLONESHOT,
					  EPOLLIN | EPOLLOUT,
					  EPOLLOUT,
					  0 };
	bool in[MEMBERS] = { false };
	uint64_t seed = 23;
	int events = 0;

	(void)state;
	for (int step = 0; step < 40000; step++) {
		int i = (int)(random_next(&seed) % MEMBERS);
		uint32_t kind = kinds[random_next(&seed) % COUNT(kinds)];

		switch (random_next(&seed) % 8) {
		case 0:
			control(in[i] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, i, kind);
			in[i] = true;
			break;
		case 1:
			if (in[i] && random_next(&seed) % 4 == 0) {
				control(EPOLL_CTL_DEL, i, 0);
				in[i] = false;
			}
			break;
		case 2:
		case 3:
			if (m[i].s->count < 50)
				feed(i);
			break;
		case 4:
		case 5:
			consume(i);
			break;
		default:
			events += same();
		}
	}
	print_message("%d events\n", events);
	assert_true(events > 2000);
}

static void waits_until_the_deadline(void **state)
{
	uint64_t begun = clock_ns(), took;

	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	assert_int_equal(epoll_wait_set(ep, epfd, ev, 16, wait_deadline(30 * NSEC_PER_MSEC), NULL),
			 0);
	took = clock_ns() - begun;
	assert_in_range(took, 30 * NSEC_PER_MSEC, 500 * NSEC_PER_MSEC);
}

static void *feed_later(void *arg)
{
	static struct loose_dgram late;

	usleep(50000);
	queue_put(m[*(int *)arg].s, loose_make(&late, "10.0.0.9", 99, "10.0.0.1", 53, "hello", 5),
		  true);
	epoll_feed(m[*(int *)arg].s);
	return NULL;
}

/* R13: who drains a queue for another wakes it. */
static void woken_by_another_thread(void **state)
{
	uint64_t begun;
	pthread_t t;
	int which = 1, n;

	(void)state;
	control(EPOLL_CTL_ADD, 0, EPOLLIN);
	control(EPOLL_CTL_ADD, 1, EPOLLIN | EPOLLET);
	for (which = 0; which < 2; which++) {
		begun = clock_ns();
		pthread_create(&t, NULL, feed_later, &which);
		n = epoll_wait_set(ep, epfd, ev, 16, wait_deadline(5 * NSEC_PER_SEC), NULL);
		pthread_join(t, NULL);
		assert_int_equal(n, 1);
		assert_int_equal(ev[0].data.u64, 100 + which);
		assert_true(clock_ns() - begun < 2 * NSEC_PER_SEC);
		queue_flush(m[which].s);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, leave)
	const struct CMUnitTest tests[] = {
		TEST(level_triggered),
		TEST(edge_triggered),
		TEST(one_shot),
		TEST(one_shot_on_both_sides),
		TEST(several_members),
		TEST(writability),
		TEST(mixed_with_the_kernels),
		TEST(both_queues_of_one_socket),
		TEST(copies_of_a_descriptor),
		TEST(two_descriptors_two_members),
		TEST(two_sets),
		TEST(nested),
		TEST(becomes_accelerated_later),
		TEST(random_calls_beside_the_kernel),
		TEST(waits_until_the_deadline),
		TEST(woken_by_another_thread),
		TEST(bad_pointer),
		TEST(equal_data),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		puts("network namespaces need root");
		return 77;
	}
	return cmocka_run_group_tests(tests, enter, NULL);
}
