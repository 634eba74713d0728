/* SPDX-License-Identifier: BSD-3-Clause */
/* test_usermem.c - the program's pointers: NULL, unmapped, read-only, across pages; never SIGSEGV, never a changed byte. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fds.h"
#include "stack/usermem.h"

#define PAGE 4096

/* Pages: writable, read-only, not accessible, not mapped, and two writable ones. */
static char *area;
#define RW (area)
#define RO (area + PAGE)
#define NONE (area + 2 * PAGE)
#define HOLE (area + 3 * PAGE)
#define RW2 (area + 4 * PAGE)

static int fresh(void **state)
{
	(void)state;
	memset(&usermem_cache, 0, sizeof(usermem_cache));
	area = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(area, 'a', 6 * PAGE);
	mprotect(RO, PAGE, PROT_READ);
	mprotect(NONE, PAGE, PROT_NONE);
	munmap(HOLE, PAGE);
	return usermem_init();
}

static int leave(void **state)
{
	(void)state;
	return munmap(area, 6 * PAGE);
}

static void both(bool readable, bool writable, char *p, size_t len)
{
	for (int i = 0; i < 2; i++) { /* the second time from what is remembered */
		assert_int_equal(usermem_readable(p, len), readable);
		assert_int_equal(usermem_writable(p, len), writable);
	}
}

static void null_pointers(void **state)
{
	(void)state;
	both(false, false, NULL, 1);
	both(false, false, NULL, 100);
	both(false, false, (char *)8, 16);
	both(false, false, NULL, 1 << 20);
	both(true, true, NULL, 0);
}

static void kinds_of_pages(void **state)
{
	(void)state;
	both(true, true, RW, PAGE);
	both(true, false, RO, PAGE);
	both(true, false, RO + 100, 1);
	both(false, false, NONE, 1);
	both(false, false, HOLE, 1);
	both(false, false, HOLE + PAGE - 1, 1);
	both(true, true, RW2, 2 * PAGE);
	both(true, true, HOLE, 0); /* nothing is touched */
}

static void across_pages(void **state)
{
	(void)state;
	both(true, true, RW + PAGE - 1, 1);
	both(true, false, RW + PAGE - 1, 2);
	both(true, false, RW + 10, PAGE);
	both(false, false, RO + PAGE - 1, 2);
	both(false, false, RO, 5 * PAGE);
	both(false, false, RW, 6 * PAGE); /* good ends, bad middle */
	both(false, false, HOLE + PAGE - 1, 2);
	both(true, true, RW2 + PAGE - 1, 2);
}

static void ends_of_the_address_space(void **state)
{
	(void)state;
	both(false, false, (char *)UINTPTR_MAX, 1);
	both(false, false, (char *)UINTPTR_MAX - 9, 100);
	both(false, false, (char *)(UINTPTR_MAX & ~4095ul), 4096);
	both(false, false, (char *)0xffff800000000000ul, 8);
	both(false, false, (char *)0x8000000000000000ul, 8); /* not canonical */
	both(false, false, RW, SIZE_MAX);
	both(false, false, RW, (size_t)1 << 62);
}

/* Reading tries nothing but reads; writing may change the first byte in each page, and only of what is asked for. */
static void what_is_changed(void **state)
{
	(void)state;
	assert_true(usermem_readable(RW2, 2 * PAGE));
	for (int i = 0; i < 2 * PAGE; i++)
		assert_int_equal(RW2[i], 'a');
	assert_true(usermem_writable(RW2 + 100, PAGE));
	for (int i = 0; i < 2 * PAGE; i++)
		if (i != 100 && i != PAGE)
			assert_int_equal(RW2[i], 'a');
	assert_true(usermem_writable(RW2 + 200, 10)); /* known: not even that */
	assert_int_equal(RW2[200], 'a');
}

/* More pages than there are places to remember them. */
static void many_pages(void **state)
{
	size_t len = 3 * USERMEM_SLOTS * PAGE;
	char *big = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	both(true, true, big, len);
	mprotect(big + len - PAGE, PAGE, PROT_NONE);
	memset(&usermem_cache, 0, sizeof(usermem_cache));
	both(false, false, big, len);
	both(true, true, big, len - PAGE);
	munmap(big, len);
}

static void scatter(void **state)
{
	char one[4] = "....", two[8] = "........";
	struct iovec iov[] = { { one, 3 }, { NULL, 0 }, { two, 5 } };

	(void)state;
	assert_int_equal(usermem_scatter(iov, 3, "abcdefghij", 10), 8);
	assert_memory_equal(one, "abc.", 4);
	assert_memory_equal(two, "defgh...", 8);
	assert_int_equal(usermem_scatter(iov, 3, "XY", 2), 2);
	assert_memory_equal(one, "XYc.", 4);
	assert_int_equal(usermem_scatter(iov, 3, "", 0), 0);
	assert_int_equal(usermem_scatter(iov, 0, "abc", 3), 0);
	assert_int_equal(usermem_scatter(NULL, 0, "abc", 3), 0);
	assert_memory_equal(two, "defgh...", 8);
}

static void scatter_to_bad_places(void **state)
{
	struct iovec bad[] = { { RW2, 4 }, { HOLE, 4 } };
	struct iovec ro[] = { { RO, 4 } }, edge[] = { { RW + PAGE - 2, 4 } };

	(void)state;
	assert_int_equal(usermem_scatter(bad, 2, "abcdefgh", 8), -EFAULT);
	assert_int_equal(usermem_scatter(ro, 1, "abcd", 4), -EFAULT);
	assert_int_equal(usermem_scatter(edge, 1, "abcd", 4), -EFAULT);
	/* A bad buffer behind the end of the data is none, as in the kernel. */
	assert_int_equal(usermem_scatter(bad, 2, "abcd", 4), 4);
	assert_memory_equal(RW2, "abcd", 4);
	assert_int_equal(usermem_scatter(edge, 1, "ab", 2), 2);
	assert_int_equal(*RO, 'a');
}

static void vectors(void **state)
{
	struct iovec good[] = { { RW, PAGE }, { NULL, 0 }, { RO, PAGE } };
	struct iovec bad[] = { { RW, PAGE }, { NULL, 1 } };

	(void)state;
	assert_true(usermem_iov_readable(good, 3));
	assert_true(usermem_iov_readable(NULL, 0));
	assert_false(usermem_iov_readable(bad, 2));
}

static void *in_thread(void *arg)
{
	(void)arg;
	/* What another thread knows is not known here. */
	return (void *)(uintptr_t)(usermem_readable(RW, 1) && !usermem_writable(HOLE, 1) &&
				   !usermem_readable(NULL, 1));
}

static void threads(void **state)
{
	pthread_t t;
	void *result;

	(void)state;
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, &result);
	assert_non_null(result);
}

static void errno_is_kept(void **state)
{
	(void)state;
	errno = 4711;
	both(true, true, RW, 10);
	both(false, false, HOLE, 10);
	assert_int_equal(usermem_init(), 0);
	assert_int_equal(errno, 4711);
}

/* Trials go on for ever: the queues that they use must not fill up. */
static void no_wear(void **state)
{
	(void)state;
	for (int i = 0; i < 5000; i++) {
		memset(&usermem_cache, 0, sizeof(usermem_cache));
		assert_true(usermem_readable(RW, 1));
		assert_true(usermem_writable(RW, 1));
		assert_false(usermem_readable(HOLE, 1));
		assert_false(usermem_writable(RO, 1));
	}
}

static void its_descriptors_are_internal(void **state)
{
	int ours = 0, pair[2];

	(void)state;
	for (int fd = 0; fd < FDS_MAX; fd++)
		ours += fds_is_internal(fd);
	assert_int_equal(ours, 4);
	assert_int_equal(pipe(pair), 0);
	assert_true(pair[1] < 100);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, leave)
	const struct CMUnitTest tests[] = {
		TEST(null_pointers),
		TEST(kinds_of_pages),
		TEST(across_pages),
		TEST(ends_of_the_address_space),
		TEST(what_is_changed),
		TEST(many_pages),
		TEST(scatter),
		TEST(scatter_to_bad_places),
		TEST(vectors),
		TEST(threads),
		TEST(errno_is_kept),
		TEST(no_wear),
		TEST(its_descriptors_are_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
