/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lock.c - the lock: alone, re-entered by its own holder, from a signal handler, and between threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"

#define THREADS 4
#define ROUNDS 100000

static struct lock lock;
static volatile int in_handler;
static uint64_t counter, shadow;

/* Must be first: later tests start threads. */
static void single_threaded(void **state)
{
	(void)state;
	assert_true(__libc_single_threaded);
	assert_int_equal(lock.word, 0);
	assert_false(lock_is_mine(&lock));
	assert_true(lock_acquire(&lock));
	assert_int_equal(lock.word, (uint32_t)getpid());
	assert_true(lock_is_mine(&lock));
	assert_false(lock_try(&lock));
	assert_false(lock_acquire(&lock));
	assert_true(lock_is_mine(&lock)); /* the refused one took nothing away */
	lock_release(&lock);
	assert_int_equal(lock.word, 0);
	assert_true(lock_try(&lock));
	lock_release(&lock);
}

static void on_signal(int sig)
{
	(void)sig;
	in_handler = lock_acquire(&lock) ? 2 : 1;
	if (in_handler == 2)
		lock_release(&lock);
}

static void signal_handler_of_holder(void **state)
{
	(void)state;
	signal(SIGUSR1, on_signal);
	lock_acquire(&lock);
	raise(SIGUSR1);
	assert_int_equal(in_handler, 1);
	assert_true(lock_is_mine(&lock));
	lock_release(&lock);
	raise(SIGUSR1);
	assert_int_equal(in_handler, 2);
	assert_int_equal(lock.word, 0);
}

static void forked_child(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	lock_acquire(&lock);
	pid = fork();
	if (pid == 0) {
		lock_forget_tid();
		if (lock_is_mine(&lock) || lock_try(&lock) || lock_self() != (uint32_t)getpid())
			_exit(1);
		lock_reset(&lock);
		_exit(lock_acquire(&lock) && lock_is_mine(&lock) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(lock_is_mine(&lock));
	lock_release(&lock);
}

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (!lock_acquire(&lock) || !lock_is_mine(&lock) || lock_acquire(&lock))
			return (void *)1;
		counter++;
		shadow = counter;
		lock_release(&lock);
		if (lock_is_mine(&lock))
			return (void *)2;
	}
	return NULL;
}

static void threads_exclude_each_other(void **state)
{
	pthread_t t[THREADS];
	void *result;

	(void)state;
	counter = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(t[i], &result), 0);
		assert_null(result);
	}
	assert_int_equal(counter, THREADS * ROUNDS);
	assert_int_equal(shadow, counter);
	assert_int_equal(lock.word, 0);
}

static void *take_once(void *arg)
{
	bool *got = arg;

	*got = lock_acquire(&lock);
	lock_release(&lock);
	return NULL;
}

/* Long enough for all of them to sleep in the kernel; each must be woken by the one before. */
static void sleepers_are_woken_in_a_chain(void **state)
{
	bool got[THREADS] = { false };
	pthread_t t[THREADS];

	(void)state;
	lock_acquire(&lock);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, take_once, &got[i]), 0);
	usleep(30000);
	assert_true(__atomic_load_n(&lock.word, __ATOMIC_RELAXED) & LOCK_WAITERS);
	assert_true(lock_is_mine(&lock));
	assert_false(lock_acquire(&lock));
	for (int i = 0; i < THREADS; i++)
		assert_false(__atomic_load_n(&got[i], __ATOMIC_RELAXED));
	lock_release(&lock);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		assert_true(got[i]);
	}
	assert_int_equal(lock.word, 0);
}

static void *try_it(void *arg)
{
	*(bool *)arg = lock_try(&lock) || lock_is_mine(&lock);
	return NULL;
}

static void try_does_not_wait(void **state)
{
	bool got = true;
	pthread_t t;

	(void)state;
	lock_acquire(&lock);
	pthread_create(&t, NULL, try_it, &got);
	pthread_join(t, NULL);
	assert_false(got);
	lock_release(&lock);
}

static void *hammer(void *arg)
{
	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED)) {
		if (!lock_acquire(&lock))
			continue;
		counter++;
		lock_release(&lock);
	}
	return NULL;
}

/* Handlers that find the lock held by another thread wait for it; by their own, they are told no. */
static void signals_between_threads(void **state)
{
	int stop = 0;
	pthread_t t;

	(void)state;
	signal(SIGUSR1, on_signal);
	pthread_create(&t, NULL, hammer, &stop);
	for (int i = 0; i < 2000; i++) {
		pthread_kill(t, SIGUSR1);
		assert_true(lock_acquire(&lock));
		counter++;
		lock_release(&lock);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	assert_int_equal(lock.word, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_threaded),
		cmocka_unit_test(signal_handler_of_holder),
		cmocka_unit_test(forked_child),
		cmocka_unit_test(threads_exclude_each_other),
		cmocka_unit_test(sleepers_are_woken_in_a_chain),
		cmocka_unit_test(try_does_not_wait),
		cmocka_unit_test(signals_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
