/* SPDX-License-Identifier: BSD-3-Clause */
/* test_fds.c - descriptors of the library's own: high numbers, close-on-exec, known, and never in the program's way. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fds.h"

static void kept_high_and_closed_on_exec(void **state)
{
	int fd = eventfd(7, 0), high = fds_keep(fd), next;
	uint64_t value = 0;

	(void)state;
	assert_true(high > 100);
	assert_true(fds_is_internal(high));
	assert_false(fds_is_internal(fd));
	assert_int_equal(fcntl(high, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(read(high, &value, sizeof(value)), sizeof(value));
	assert_int_equal(value, 7);
	next = eventfd(0, 0); /* the program gets the number that it would have got */
	assert_int_equal(next, fd);
	close(next);
	fds_close(high);
	assert_false(fds_is_internal(high));
	assert_int_equal(fcntl(high, F_GETFD), -1);
}

static void errors_pass_through(void **state)
{
	(void)state;
	assert_int_equal(fds_keep(-EMFILE), -EMFILE);
	assert_int_equal(fds_keep(-1), -1);
	errno = 4711;
	fds_close(-1);
	fds_close(fds_keep(dup(0)));
	assert_int_equal(errno, 4711);
}

static void numbers_out_of_range(void **state)
{
	(void)state;
	assert_false(fds_is_internal(-1));
	assert_false(fds_is_internal(FDS_MAX));
	assert_false(fds_is_internal(INT32_MAX));
	assert_false(fds_is_internal(INT32_MIN));
	fds_mark(FDS_MAX, true);
	fds_mark(INT32_MAX, true);
	fds_mark(-1, true);
	fds_mark(INT32_MIN, true);
	fds_mark(-1, false);
	for (unsigned i = 0; i < FDS_MAX / 64; i++)
		assert_int_equal(fds_map[i], 0);
}

static void marks_are_single_bits(void **state)
{
	static const int some[] = { 0, 1, 63, 64, 65, 1023, 1024, FDS_MAX - 1 };
	unsigned n = sizeof(some) / sizeof(some[0]);

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		fds_mark(some[i], true);
		fds_mark(some[i], true);
		for (unsigned k = 0; k < n; k++)
			assert_int_equal(fds_is_internal(some[k]), k <= i);
	}
	for (unsigned i = 0; i < n; i++) {
		fds_mark(some[i], false);
		assert_false(fds_is_internal(some[i]));
	}
	for (unsigned i = 0; i < FDS_MAX / 64; i++)
		assert_int_equal(fds_map[i], 0);
}

static int keep_under(rlim_t limit)
{
	struct rlimit r = { limit, limit };
	int fd, high;

	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		return 10;
	fd = eventfd(0, 0);
	high = fds_keep(fd);
	if (high < 0 || !fds_is_internal(high) || fcntl(high, F_GETFD) != FD_CLOEXEC)
		return 11;
	return (rlim_t)high < limit || high == fd ? 0 : 12;
}

/* Even where no high number is to be had the descriptor is ours and close-on-exec. */
static void low_limits(void **state)
{
	static const rlim_t limits[] = { 4, 8, 64, 256, 1024, 2048, 4096 };
	int status;
	pid_t pid;

	(void)state;
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		pid = fork();
		if (pid == 0) {
			for (int fd = 3; fd < 100; fd++)
				close(fd);
			_exit(keep_under(limits[i]));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void table_full(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct rlimit r = { 64, 64 };
		int fd = -1, kept;

		setrlimit(RLIMIT_NOFILE, &r);
		for (int next; (next = eventfd(0, 0)) >= 0;)
			fd = next;
		kept = fds_keep(fd);
		_exit(kept == fd && fds_is_internal(fd) && fcntl(fd, F_GETFD) == FD_CLOEXEC ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_high_and_closed_on_exec),
		cmocka_unit_test(errors_pass_through),
		cmocka_unit_test(numbers_out_of_range),
		cmocka_unit_test(marks_are_single_bits),
		cmocka_unit_test(low_limits),
		cmocka_unit_test(table_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
