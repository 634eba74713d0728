/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stats.c - the page of counters: made, found from outside, given slots out, and renewed in a
 * forked child.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/stats.h"

static struct stats_page seen;

/*
 * What a reader outside would find: the number of pages; the last one in `seen`, its inode in @ino.
 */
static int look(pid_t pid, ino_t *ino)
{
	char path[64], target[64];
	struct dirent *entry;
	struct stat st;
	ssize_t n;
	int pages = 0, fd;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strncmp(target, "/memfd:" STATS_MEMFD_NAME, 7 + strlen(STATS_MEMFD_NAME)) != 0)
			continue;
		pages++;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
		assert_true(fd >= 0);
		assert_int_equal(pread(fd, &seen, sizeof(seen), 0), sizeof(seen));
		fstat(fd, &st);
		*ino = st.st_ino;
		close(fd);
	}
	closedir(dir);
	return pages;
}

/* First: sees the library before stats_init(). */
static void test_before_init(void **state)
{
	ino_t ino;

	(void)state;
	assert_non_null(stats);
	stats_add(STAT_rx_fast, 5);
	stats_reopen();
	assert_int_equal(look(getpid(), &ino), 0);
}

static void test_round_trip(void **state)
{
	ino_t ino;

	(void)state;
	assert_int_equal(stats_init(), 0);
	assert_int_equal(stats_init(), 0);
	stats_add(STAT_rx_fast, 2);
	stats_add(STAT_lock_contended, 1);
	assert_int_equal(look(getpid(), &ino), 1);
	assert_true(seen.magic == STATS_MAGIC);
	assert_int_equal(seen.size, sizeof(struct stats_page));
	assert_int_equal(seen.pid, getpid());
	assert_non_null(strstr(seen.program, "test_stats"));
	assert_int_equal(seen.counters[STAT_rx_fast], 7);
	assert_int_equal(seen.counters[STAT_lock_contended], 1);
}

static void test_slots(void **state)
{
	struct stats_socket *a, *b, *last = NULL;
	unsigned i;

	(void)state;
	a = stats_socket_get();
	b = stats_socket_get();
	assert_ptr_not_equal(a, b);
	assert_int_equal(a->state, STATS_SOCKET_KERNEL);
	a->rx_fast = 9;
	strcpy(a->why, "x");
	stats_socket_put(a);
	assert_ptr_equal(stats_socket_get(), a);
	assert_int_equal(a->rx_fast, 0);
	assert_string_equal(a->why, "");
	for (i = 0; i < STATS_MAX_SOCKETS + 5; i++) {
		last = stats_socket_get();
		assert_true(last >= stats->sockets && last < stats->sockets + STATS_MAX_SOCKETS);
	}
	assert_ptr_equal(last, &stats->sockets[STATS_MAX_SOCKETS - 1]);
	for (i = 0; i < STATS_MAX_SOCKETS; i++)
		stats_socket_put(&stats->sockets[i]);
	stats_socket_put(NULL);
}

static int child_of_fork(struct stats_socket *slot, ino_t parents)
{
	ino_t own = 0;

	stats_reopen();
	slot->rx_fast++;
	stats_add(STAT_tx_fast, 1);
	if (look(getpid(), &own) != 1 || own == parents)
		return 1;
	if (seen.pid != getpid() || seen.magic != STATS_MAGIC || !seen.program[0])
		return 2;
	if (seen.sockets[slot - stats->sockets].rx_fast != 101 ||
	    seen.sockets[slot - stats->sockets].local_port != 53)
		return 3;
	return seen.counters[STAT_tx_fast] == 1 && seen.counters[STAT_rx_fast] == 7 &&
			       seen.queues[1].in_use
		       ? 0
		       : 4;
}

static void test_fork(void **state)
{
	struct stats_page *before = stats;
	struct stats_socket *slot = stats_socket_get();
	ino_t ino;
	pid_t pid;
	int status;

	(void)state;
	slot->rx_fast = 100;
	slot->local_port = 53;
	stats->queues[1].in_use = 1;
	assert_int_equal(look(getpid(), &ino), 1);
	pid = fork();
	if (pid == 0)
		_exit(stats == before ? child_of_fork(slot, ino) : 9);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(slot->rx_fast == 100);
	assert_int_equal(stats->counters[STAT_tx_fast], 0);
	stats_socket_put(slot);
}

/*
 * No descriptor to be had: the child counts on a page of its own that nobody sees, never on its
 * parent's.
 */
static int child_without_fds(struct stats_socket *slot)
{
	struct rlimit none = { 0, 0 };

	dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
	setrlimit(RLIMIT_NOFILE, &none);
	stats_reopen();
	slot->rx_fast = 77;
	return slot->rx_fast == 77 && slot->local_port == 53 ? 0 : 1;
}

static void test_fork_without_fds(void **state)
{
	struct stats_socket *slot = stats_socket_get();
	pid_t pid;
	int status;

	(void)state;
	slot->rx_fast = 100;
	slot->local_port = 53;
	pid = fork();
	if (pid == 0)
		_exit(child_without_fds(slot));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(slot->rx_fast == 100);
	stats_socket_put(slot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_init),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_fork_without_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
