/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_hostnet_life.c - hostnet in hard times: lost notifications, a full route table, several threads, signal handlers
 * that come in between, fork; and that the program it lives in does not notice.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fds.h"
#include "tests/unit/test_hostnet.h"

/* So many changes at once that notifications are lost. */
static void an_overrun_is_made_good(void **state)
{
	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.0.1.1/24 dev v1");
	run("for i in $(seq 0 255); do for j in $(seq 0 99); do echo route add 20.$j.$i.0/24 via 10.0.0.2; done; done"
	    " | ip -batch -");
	run("ip route add 192.0.2.0/24 via 10.0.1.2 && ip route add 192.0.3.0/24 via 10.0.1.3");
	run("ip route flush root 20.0.0.0/8 && ip addr add 10.0.3.1/24 dev v2");
	run("ip route del 192.0.3.0/24");
	catch_up();
	for (int i = 0; i < 500 && (verdict("192.0.2.1", NULL, NULL) == HOSTNET_ODD_ROUTE ||
				    verdict("192.0.3.1", NULL, NULL) != HOSTNET_NO_ROUTE);
	     i++)
		usleep(20000);
	same("192.0.2.1");
	same("10.0.3.2");
	is(HOSTNET_NO_ROUTE, "20.7.7.7");
	is(HOSTNET_NO_ROUTE, "192.0.3.1");
}

static void a_full_route_table(void **state)
{
	struct ipaddr dst = address("20.7.7.7"), any = { 0 };
	struct hostnet_hop hop;
	uint64_t begun, took;

	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0");
	run("awk 'BEGIN { for (i = 0; i < 100000; i++) printf \"route add %%d.%%d.%%d.0/24 via 10.0.0.2\\n\","
	    " 20 + i / 65536, i / 256 %% 256, i %% 256 }' | ip -batch -");
	begun = clock_ns();
	assert_int_equal(hostnet_reopen(), 0);
	print_message("all read in %lu us\n", (unsigned long)((clock_ns() - begun) / 1000));
	same("20.7.7.7");
	same("20.200.255.9");
	begun = clock_ns();
	for (int i = 0; i < 100000; i++)
		assert_int_equal(hostnet_lookup(&dst, &any, 0, &hop), HOSTNET_OK);
	took = (clock_ns() - begun) / 100000;
	begun = clock_ns();
	for (int i = 0; i < 10000; i++)
		hostnet_refresh();
	print_message("look-up %lu ns, idle refresh %lu ns\n", (unsigned long)took,
		      (unsigned long)((clock_ns() - begun) / 10000));
	assert_true(took < 20000); /* generous: sanitizers, busy machines */
}

static void fork_and_reopen(void **state)
{
	struct ipaddr a = address("10.0.0.1");
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		came = 0;
		if (hostnet_reopen() || came < 2 || try("ip addr add 10.0.0.1/24 dev v0"))
			_exit(1);
		hostnet_refresh();
		_exit(hostnet_is_local(&a, NULL) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	hostnet_refresh();
	assert_true(hostnet_is_local(&a, NULL)); /* the parent's goes on by itself */
}

static void keeps_errno_and_its_descriptor_high(void **state)
{
	struct hostnet_hop hop;
	int first = dup(0), ours = 0;

	(void)state;
	close(first);
	assert_true(first < 20);
	for (int fd = 0; fd < 70000; fd++)
		if (fds_is_internal(fd)) {
			ours++;
			assert_true(fd > 100);
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		}
	assert_int_equal(ours, 3); /* netlink, and two that listen to ICMP */
	errno = 4711;
	run("ip addr add 10.0.0.1/24 dev v0");
	errno = 4711;
	hostnet_refresh();
	look("10.0.0.2", NULL, NULL, &hop);
	assert_int_equal(errno, 4711);
	hostnet_close();
	assert_int_equal(verdict("10.0.0.2", NULL, NULL), HOSTNET_ODD_ROUTE);
}

/* ---- several threads, and signal handlers that come in between ---- */

static bool stop;
static unsigned long answers[2];

/* Any answer will do but a wrong one. */
static void ask(void)
{
	struct ipaddr dst = address("10.0.0.2"), any = { 0 }, own = address("10.0.0.1");
	struct hostnet_hop hop;
	enum hostnet_verdict v = hostnet_lookup(&dst, &any, 0, &hop);

	if (v == HOSTNET_OK && (hop.mac[5] != 2 || !ipaddr_equal(&hop.source, &own)))
		abort();
	__atomic_fetch_add(&answers[v == HOSTNET_OK], 1, __ATOMIC_RELAXED);
}

static void *ask_and_refresh(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 10; i++)
			ask();
		hostnet_refresh();
	}
	return arg;
}

static void on_signal(int signo)
{
	(void)signo;
	ask();
	hostnet_refresh();
}

static void threads_and_signals(void **state)
{
	const struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { 0 };
	struct ipaddr own_addr = address("10.0.0.1");
	pthread_t threads[2];

	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip neigh add 10.0.0.2 dev v0 lladdr 02:00:00:00:00:02");
	hostnet_refresh();
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_and_refresh, NULL), 0);
	run("for i in $(seq 3 60); do echo neigh add 10.0.0.$i dev v0 lladdr 02:00:00:00:00:11;"
	    " echo route add 192.0.$i.0/24 via 10.0.0.$i; done | ip -batch -");
	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 20000; i++) {
		hostnet_refresh();
		ask();
		hostnet_is_local(&own_addr, NULL);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	print_message("%lu hops, %lu by the shadow\n", answers[1], answers[0]);
	assert_true(answers[1] > 1000);
	is(HOSTNET_OK, "192.0.60.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_overrun_is_made_good),
		TEST(a_full_route_table),
		TEST(threads_and_signals),
		TEST(fork_and_reopen),
		TEST(keeps_errno_and_its_descriptor_high),
	};

	if (unshare(CLONE_NEWNET) || system("ip link show >/dev/null")) {
		puts("network namespaces need root, and iproute2");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
