/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_neighbours.c - the neighbour table: adding, changing, removing, growing, against a plain
 * array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "stack/neighbours.h"

static struct neighbours t;

static struct neighbour entry(uint32_t addr, int ifindex, uint8_t mac)
{
	struct neighbour n = { .addr = ipaddr_from_v4(htonl(addr)), .ifindex = ifindex };

	memset(n.mac, mac, sizeof(n.mac));
	return n;
}

/* The first byte of the neighbour's address; -1: unknown. */
static int look(uint32_t addr, int ifindex)
{
	struct ipaddr a = ipaddr_from_v4(htonl(addr));
	const struct neighbour *n = neighbours_find(&t, ifindex, &a);

	return n ? n->mac[0] : -1;
}

static int fresh(void **state)
{
	(void)state;
	neighbours_free(&t);
	return 0;
}

static void add_change_remove(void **state)
{
	struct neighbour n = entry(0x0a000001, 2, 5);

	(void)state;
	assert_int_equal(look(0x0a000001, 2), -1);
	assert_false(neighbours_remove(&t, 2, &n.addr));
	assert_int_equal(neighbours_set(&t, &n), 1);
	assert_int_equal(neighbours_set(&t, &n), 0);
	assert_int_equal(look(0x0a000001, 2), 5);
	assert_int_equal(look(0x0a000001, 3), -1); /* another link's is another one */
	n.stale = true;
	assert_int_equal(neighbours_set(&t, &n), 1);
	n.mac[0] = 6;
	assert_int_equal(neighbours_set(&t, &n), 1);
	assert_int_equal(look(0x0a000001, 2), 6);
	assert_int_equal(t.count, 1);
	assert_true(neighbours_remove(&t, 2, &n.addr));
	assert_int_equal(look(0x0a000001, 2), -1);
	assert_int_equal(t.count, 0);
}

static void flush_one_link(void **state)
{
	struct neighbour n;

	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		n = entry(0x0a000000 + i, (int)i % 3 + 1, (uint8_t)i);
		assert_int_equal(neighbours_set(&t, &n), 1);
	}
	assert_int_equal(neighbours_flush(&t, 2), 1000);
	assert_int_equal(neighbours_flush(&t, 2), 0);
	for (uint32_t i = 0; i < 3000; i++)
		assert_int_equal(look(0x0a000000 + i, (int)i % 3 + 1),
				 i % 3 == 1 ? -1 : (int)(i & 255));
	neighbours_clear(&t);
	assert_int_equal(look(0x0a000000, 1), -1);
}

static void random_changes_against_an_array(void **state)
{
	static int model[2000];
	struct neighbour n;

	(void)state;
	srand(2);
	memset(model, -1, sizeof(model));
	for (int step = 0; step < 200000; step++) {
		uint32_t i = (uint32_t)rand() % 2000;

		n = entry(0xc0a80000 + i, 1, (uint8_t)rand());
		if (rand() % 2) {
			assert_int_equal(neighbours_set(&t, &n), model[i] != n.mac[0]);
			model[i] = n.mac[0];
		} else {
			assert_int_equal(neighbours_remove(&t, 1, &n.addr), model[i] >= 0);
			model[i] = -1;
		}
		i = (uint32_t)rand() % 2000;
		assert_int_equal(look(0xc0a80000 + i, 1), model[i]);
	}
}

static uint64_t time_of(uint32_t count)
{
	struct neighbour n;
	uint64_t begun;

	for (uint32_t i = t.count; i < count; i++) {
		n = entry(0x0a000000 + i, 1, 1);
		neighbours_set(&t, &n);
	}
	begun = clock_ns();
	for (uint32_t i = 0; i < 200000; i++)
		assert_int_equal(look(0x0a000000 + i % 8, 1), 1);
	return (clock_ns() - begun) / 200000;
}

/*
 * The look-up takes as long with a hundred thousand as with ten (bound generous for a busy
 * machine).
 */
static void independent_of_their_number(void **state)
{
	uint64_t few = time_of(10), many = time_of(100000);

	(void)state;
	print_message("10: %lu ns, 100000: %lu ns\n", (unsigned long)few, (unsigned long)many);
	assert_true(many < 5 * few + 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(add_change_remove, fresh),
		cmocka_unit_test_setup(flush_one_link, fresh),
		cmocka_unit_test_setup(random_changes_against_an_array, fresh),
		cmocka_unit_test_setup(independent_of_their_number, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
