/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_fdtable.c - descriptors and what they stand for: sparse numbers, copies, ranges, and threads that look up what
 * another one closes. The table is about numbers: none of the descriptors here is open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "stack/epoll.h"
#include "tests/unit/test_stack.h"

#define LAST (FDTABLE_PAGE * FDTABLE_PAGES - 1)

static struct sock *make(int fd)
{
	sock_created(fd, AF_INET, SOCK_DGRAM, 0);
	return (struct sock *)fdtable_peek(fd);
}

static int fresh(void **state)
{
	(void)state;
	config.active = true;
	fdtable_set_owner();
	fdtable_clear_range(0, UINT32_MAX);
	assert_int_equal(fdtable_used, 0);
	return 0;
}

static void empty(void **state)
{
	(void)state;
	assert_null(fdtable_peek(0));
	assert_null(fdtable_peek(-1));
	assert_null(fdtable_sock(INT32_MAX));
	assert_null(fdtable_sock(INT32_MIN));
	fdtable_clear(0);
	fdtable_clear(-1);
	fdtable_clear(INT32_MAX);
	fdtable_dup(1, 2);
	fdtable_dup(-1, -1);
	assert_int_equal(fdtable_used, 0);
}

static void sparse_numbers(void **state)
{
	static const int fds[] = { 0, 1, 1023, 1024, 5000, 65535, 1000000, LAST };
	struct sock *s[COUNT(fds)];

	(void)state;
	for (unsigned i = 0; i < COUNT(fds); i++) {
		s[i] = make(fds[i]);
		assert_non_null(s[i]);
		assert_int_equal(s[i]->refs, 1);
	}
	assert_int_equal(fdtable_used, COUNT(fds));
	for (unsigned i = 0; i < COUNT(fds); i++) {
		struct sock *got = fdtable_sock(fds[i]);

		assert_ptr_equal(got, s[i]);
		assert_int_equal(got->refs, 2);
		sock_put(got);
		assert_int_equal(got->refs, 1);
		assert_null(fdtable_epoll(fds[i]));
		assert_null(fdtable_peek(fds[i] + (i < COUNT(fds) - 1 ? 2000 : -2000)));
	}
	assert_null(make(LAST + 1)); /* stays with the kernel */
	assert_null(make(-1));
	assert_int_equal(fdtable_used, COUNT(fds));
}

static void sockets_that_are_not_ours(void **state)
{
	(void)state;
	sock_created(3, AF_UNIX, SOCK_DGRAM, 0);
	sock_created(4, AF_INET, SOCK_STREAM, 0);
	sock_created(5, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	sock_created(6, AF_INET6, SOCK_RAW, IPPROTO_UDP);
	assert_int_equal(fdtable_used, 0);
	sock_created(7, AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
	assert_int_equal(fdtable_used, 1);
	config.active = false;
	sock_created(8, AF_INET, SOCK_DGRAM, 0);
	sock_created(7, AF_INET, SOCK_DGRAM, 0); /* the old 7 was closed unseen */
	assert_int_equal(fdtable_used, 0);
}

static void copies(void **state)
{
	struct sock *s = make(10), *other = make(11);

	(void)state;
	fdtable_dup(10, 20);
	fdtable_dup(20, 30);
	assert_ptr_equal(fdtable_peek(30), (void *)s);
	assert_int_equal(s->refs, 3);
	fdtable_dup(10, 10);
	assert_int_equal(s->refs, 3);
	fdtable_dup(10, 11); /* what was 11 is gone */
	assert_ptr_equal(fdtable_peek(11), (void *)s);
	assert_int_equal(other->kind, 0);
	fdtable_dup(10, 20); /* it is that already */
	assert_int_equal(s->refs, 4);
	fdtable_dup(99, 20); /* over it, one that is not ours */
	assert_null(fdtable_peek(20));
	fdtable_clear(10);
	fdtable_clear(10);
	assert_int_equal(s->refs, 2);
	assert_int_equal(s->kind, FILE_SOCK);
	fdtable_clear(11);
	fdtable_clear(30);
	assert_int_equal(s->kind, 0); /* destroyed with the last one */
	assert_int_equal(fdtable_used, 0);
}

static void a_call_in_progress_keeps_it(void **state)
{
	struct sock *s = make(10), *held = fdtable_sock(10);

	(void)state;
	fdtable_clear(10);
	assert_null(fdtable_sock(10));
	assert_int_equal(held->kind, FILE_SOCK);
	make(10);
	assert_ptr_not_equal(fdtable_peek(10), (void *)s);
	sock_put(held);
	assert_int_equal(s->kind, 0);
}

static void ranges(void **state)
{
	(void)state;
	for (int fd = 1000; fd < 1100; fd++)
		make(fd);
	make(500000);
	make(LAST);
	fdtable_clear_range(1010, 1019);
	assert_int_equal(fdtable_used, 92);
	assert_non_null(fdtable_peek(1009));
	assert_null(fdtable_peek(1010));
	assert_null(fdtable_peek(1019));
	assert_non_null(fdtable_peek(1020));
	fdtable_clear_range(1030, 1030);
	assert_null(fdtable_peek(1030));
	fdtable_clear_range(1040, 1039);
	assert_int_equal(fdtable_used, 91);
	fdtable_clear_range(1024, LAST - 1); /* begins in the middle of things, spans empty pages */
	assert_non_null(fdtable_peek(1023));
	assert_null(fdtable_peek(1024));
	assert_null(fdtable_peek(500000));
	assert_non_null(fdtable_peek(LAST));
	fdtable_clear_range(3, UINT32_MAX);
	assert_int_equal(fdtable_used, 0);
}

/* As closefrom() does it, however few there are. */
static void ranges_are_cheap(void **state)
{
	uint64_t begun;

	(void)state;
	make(900000);
	begun = clock_ns();
	for (int i = 0; i < 100; i++) {
		fdtable_clear_range(3, 899999);
		fdtable_clear_range(900001, UINT32_MAX);
	}
	assert_true(clock_ns() - begun < 200 * NSEC_PER_MSEC);
	assert_non_null(fdtable_peek(900000));
}

static unsigned seen;
static int seen_sum;

static void see(int fd, struct file *f)
{
	assert_ptr_equal(fdtable_peek(fd), f);
	seen++;
	seen_sum += fd;
}

static void each(void **state)
{
	(void)state;
	make(1);
	make(2000);
	fdtable_dup(2000, 70000);
	seen = 0;
	fdtable_each(see);
	assert_int_equal(seen, 3);
	assert_int_equal(seen_sum, 72001);
}

static void epoll_sets(void **state)
{
	struct epoll_set *ep;

	(void)state;
	make(5);
	epoll_created(5); /* the socket 5 was closed unseen */
	ep = fdtable_epoll(5);
	assert_non_null(ep);
	assert_null(fdtable_sock(5));
	epoll_put(ep);
	fdtable_clear(5);
	assert_int_equal(fdtable_used, 0);
}

static int stop;

#define FD 5000

static void *look_up(void *arg)
{
	uint64_t *found = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct sock *s = fdtable_sock(FD);

		if (!s)
			continue;
		if (s->kind != FILE_SOCK)
			return (void *)1; /* a reference is no protection then */
		++*found;
		sock_put(s);
	}
	return NULL;
}

/*
 * Others look up a descriptor while it is closed and opened: what they get is alive, and none is given back to the slab
 * twice, which would show as two new sockets that are one.
 */
static void look_up_against_close(void **state)
{
	uint64_t found[2] = { 0, 0 }, until = clock_ns() + 2 * NSEC_PER_SEC;
	unsigned same = 0, gone = 0, rounds = 0;
	pthread_t t[2];
	void *result;

	(void)state;
	stop = 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, look_up, &found[i]);
	while (clock_ns() < until && !same && !gone) {
		for (int i = 0; i < 64; i++, rounds++) {
			struct sock *a = make(FD), *b = make(FD + 1), *c = make(FD + 2);

			same += !a || a == b || b == c || a == c;
			gone += a->kind != FILE_SOCK || b->kind != FILE_SOCK || a->fd != FD;
			fdtable_clear(FD + 2);
			fdtable_clear(FD + 1);
			fdtable_clear(FD);
		}
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &result);
		assert_null(result);
	}
	print_message("%u rounds, %lu look-ups found it\n", rounds,
		      (unsigned long)(found[0] + found[1]));
	assert_int_equal(same, 0);
	assert_int_equal(gone, 0);
	assert_int_equal(fdtable_used, 0);
}

static void *own_numbers(void *arg)
{
	int first = (int)(intptr_t)arg;

	for (int i = 0; i < 20000; i++) {
		int fd = first + i % 512;
		struct sock *s = make(fd), *got = fdtable_sock(fd);

		if (!s || got != s || s->fd != fd)
			return (void *)1;
		fdtable_dup(fd, first + 512);
		sock_put(got);
		fdtable_clear(fd);
		if (fdtable_peek(first + 512) != (struct file *)s)
			return (void *)2;
	}
	fdtable_clear(first + 512);
	return NULL;
}

static void threads_with_numbers_of_their_own(void **state)
{
	pthread_t t[3];
	void *result;

	(void)state;
	for (intptr_t i = 0; i < 3; i++) /* on pages that nobody has used before */
		pthread_create(&t[i], NULL, own_numbers, (void *)(200000 + i * 600));
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &result);
		assert_null(result);
	}
	assert_int_equal(fdtable_used, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, fresh)
	const struct CMUnitTest tests[] = {
		TEST(empty),
		TEST(sparse_numbers),
		TEST(sockets_that_are_not_ours),
		TEST(copies),
		TEST(a_call_in_progress_keeps_it),
		TEST(ranges),
		TEST(ranges_are_cheap),
		TEST(each),
		TEST(epoll_sets),
		TEST(threads_with_numbers_of_their_own),
		TEST(look_up_against_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
