/* SPDX-License-Identifier: BSD-3-Clause */
/* test_sock.c - a socket's names and options are followed while other threads close it, or name the descriptor anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sched.h>
#include <unistd.h>

#include "base/config.h"
#include "base/real.h"
#include "stack/usermem.h"
#include "tests/unit/test_stack.h"

/* A bound socket on a chosen port, which nobody has looked at yet; with a reference, as during a call. */
static struct sock *chosen(int *fd)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sock *s;

	config.active = config.all_ports = true;
	*fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(*fd, (void *)&in, sizeof(in)), 0);
	sock_created(*fd, AF_INET, SOCK_DGRAM, 0);
	s = fdtable_sock(*fd);
	assert_non_null(s);
	return s;
}

static unsigned shown(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < STATS_MAX_SOCKETS; i++)
		n += stats->sockets[i].state != STATS_SOCKET_UNUSED;
	return n;
}

/* Without an interface it is refused, and shown with the reason until it is closed. */
static void bound_and_closed(void **state)
{
	int fd;
	struct sock *s = chosen(&fd);

	(void)state;
	sock_bound(s, fd);
	assert_int_equal(s->state, SOCK_KERNEL);
	assert_int_equal(shown(), 1);
	fdtable_clear(fd);
	assert_int_equal(s->state, SOCK_IDLE);
	close(fd);
	sock_put(s);
	assert_int_equal(shown(), 0);
}

/* Another thread is in close(), which has come as far as the table, while bind() goes on: nobody would take it back. */
static void closed_under_bind(void **state)
{
	int fd;
	struct sock *s = chosen(&fd);

	(void)state;
	fdtable_clear(fd);
	sock_bound(s, fd);
	assert_int_equal(s->state, SOCK_IDLE);
	assert_false(s->in_demux);
	assert_null(s->stats);
	sock_put(s);
	assert_int_equal(shown(), 0);
	close(fd);
}

/* The number is another socket's by now: its name is not this one's. */
static void replaced_under_bind(void **state)
{
	int fd, fd2;
	struct sock *s = chosen(&fd), *s2 = chosen(&fd2);
	uint16_t port = s->local_port;

	(void)state;
	assert_int_equal(dup2(fd2, fd), fd);
	fdtable_dup(fd2, fd);
	sock_bound(s, fd);
	assert_int_equal(s->local_port, port);
	assert_int_equal(s->state, SOCK_IDLE);
	sock_put(s);
	sock_put(s2);
	fdtable_clear(fd);
	fdtable_clear(fd2);
	close(fd);
	close(fd2);
	assert_int_equal(shown(), 0);
}

static void close_it(int fd, struct file *f)
{
	(void)fd;
	assert_true(f->refs > 1);
	fdtable_clear(fd);
}

/* What is visited stays there for the visit, whoever closes it. */
static void closed_while_visited(void **state)
{
	int fd;
	struct sock *s = chosen(&fd);

	(void)state;
	sock_bound(s, fd);
	sock_put(s);
	fdtable_each(close_it);
	assert_int_equal(fdtable_used, 0);
	assert_int_equal(shown(), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bound_and_closed),
		cmocka_unit_test(closed_under_bind),
		cmocka_unit_test(replaced_under_bind),
		cmocka_unit_test(closed_while_visited),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		puts("network namespaces need root");
		return 77;
	}
	if (system("ip link set lo up"))
		return 1;
	real_init();
	usermem_init();
	fdtable_set_owner();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
