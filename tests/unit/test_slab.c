/* SPDX-License-Identifier: BSD-3-Clause */
/* test_slab.c - the slab: fresh objects are zero, used ones keep their contents, limits hold, threads do not share one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/poison.h"
#include "base/slab.h"

struct object {
	uint64_t first;
	void *link;
	uint8_t rest[37];
};

#define THREADS 3
#define ROUNDS 20000
#define HELD 16

static void sizes(void **state)
{
	static struct slab s = SLAB(struct object, link, 0);
	uintptr_t a, b;

	(void)state;
	assert_int_equal(s.size % 16, 0);
	assert_true(s.size >= sizeof(struct object));
	a = (uintptr_t)slab_get(&s);
	b = (uintptr_t)slab_get(&s);
	assert_int_equal(a % 16, 0);
	assert_int_equal(b, a + s.size + POISON_GAP); /* in address order */
	assert_int_equal(s.in_use, 2);
}

static void contents_stay(void **state)
{
	static struct slab s = SLAB_SHOWN(struct object, link, 0, sizeof(struct object));
	static const uint8_t zero[sizeof(struct object)];
	struct object *o = slab_get(&s), *again;

	(void)state;
	o->link = NULL; /* held the chain of free ones */
	assert_memory_equal(o, zero, sizeof(zero));
	o->first = 42;
	memset(o->rest, 7, sizeof(o->rest));
	slab_put(&s, o);
	assert_int_equal(o->first, 42);
	again = slab_get(&s);
	assert_ptr_equal(again, o);
	assert_int_equal(again->first, 42);
	assert_int_equal(again->rest[36], 7);
	assert_int_equal(s.in_use, 1);
}

static void limit(void **state)
{
	static struct slab s = SLAB(struct object, link, 10);
	struct object *o[10];

	(void)state;
	for (int i = 0; i < 10; i++) {
		o[i] = slab_get(&s);
		assert_non_null(o[i]);
		for (int k = 0; k < i; k++)
			assert_ptr_not_equal(o[i], o[k]);
	}
	assert_null(slab_get(&s));
	assert_int_equal(s.total, 10);
	slab_put(&s, o[3]);
	assert_ptr_equal(slab_get(&s), o[3]);
	assert_null(slab_get(&s));
}

/* The last chunk is cut where the limit is, however many fit. */
static void limit_over_chunks(void **state)
{
	static struct slab s = { .size = 65536, .link = 0, .limit = 9 };
	unsigned n = 0;

	(void)state;
	while (n < 100 && slab_get(&s))
		n++;
	assert_int_equal(n, 9);
}

static void larger_than_a_chunk(void **state)
{
	static struct slab s = { .size = 1 << 20, .link = 64 };
	char *a = slab_get(&s), *b = slab_get(&s);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	memset(a, 1, s.size);
	memset(b, 2, s.size);
	assert_int_equal(a[s.size - 1], 1);
}

static void reserve(void **state)
{
	static struct slab s = SLAB(struct object, link, 0);
	size_t total;

	(void)state;
	slab_reserve(&s, 1000);
	assert_true(s.total >= 1000);
	total = s.total;
	for (int i = 0; i < 1000; i++)
		assert_non_null(slab_get(&s));
	assert_int_equal(s.total, total);
	slab_reserve(&s, s.total - s.in_use);
	assert_int_equal(s.total, total);
}

static void reserve_up_to_the_limit(void **state)
{
	static struct slab s = SLAB(struct object, link, 5);

	(void)state;
	slab_reserve(&s, 1000);
	assert_int_equal(s.total, 5);
	slab_reserve(&s, 1000);
	assert_int_equal(s.total, 5);
}

/* As a signal handler that interrupted slab_get() would find it. */
static void reentered(void **state)
{
	static struct slab s = SLAB(struct object, link, 0);
	struct object *o = slab_get(&s);

	(void)state;
	lock_acquire(&s.lock);
	assert_null(slab_get(&s));
	slab_put(&s, o);
	slab_reserve(&s, 100000);
	assert_true(s.total < 100000);
	lock_release(&s.lock);
	assert_ptr_not_equal(slab_get(&s), o); /* lost, not twice in use */
}

static struct slab shared = SLAB(struct object, link, 0);

static void *use(void *arg)
{
	uint64_t me = (uintptr_t)arg;
	struct object *o[HELD];

	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < HELD; k++) {
			o[k] = slab_get(&shared);
			if (!o[k])
				return (void *)1;
			o[k]->first = me;
		}
		for (int k = 0; k < HELD; k++) {
			if (o[k]->first != me)
				return (void *)2;
			slab_put(&shared, o[k]);
		}
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[THREADS];
	void *result;

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, use, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &result);
		assert_null(result);
	}
	assert_int_equal(shared.in_use, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(contents_stay),
		cmocka_unit_test(limit),
		cmocka_unit_test(limit_over_chunks),
		cmocka_unit_test(larger_than_a_chunk),
		cmocka_unit_test(reserve),
		cmocka_unit_test(reserve_up_to_the_limit),
		cmocka_unit_test(reentered),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
