/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hold.c - who is trusted to come back for the answers that wait for the next kick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack/hold.h"

static uint64_t now;

/* Sends after @us of its own accord; is it trusted? */
static bool tells(struct hold *h, uint64_t us, bool in_hand)
{
	now += us * clock_ticks_per_us;
	return hold_trusts(h, now, in_hand);
}

/* Answers after @us; is it trusted? */
static bool sends(struct hold *h, uint64_t us, bool in_hand)
{
	hold_received(h, 1);
	return tells(h, us, in_hand);
}

/* How many sends 3 us apart until it is trusted. */
static unsigned needed(struct hold *h)
{
	for (unsigned n = 1; n < 100000; n++)
		if (sends(h, 3, false))
			return n;
	return 0;
}

static int begin(void **state)
{
	(void)state;
	now = 1000000000;
	return 0;
}

static void a_new_socket_is_not(void **state)
{
	struct hold h = { 0 };

	(void)state;
	assert_false(sends(&h, 3, false));
	assert_int_equal(needed(&h), HOLD_NEED_MIN);
	for (int i = 0; i < 1000; i++)
		assert_true(sends(&h, 3, true));
}

static void a_slow_program_never_is(void **state)
{
	struct hold h = { 0 };

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_false(sends(&h, HOLD_BRISK_US + 1, false));
}

static void one_slow_send_is_none(void **state)
{
	struct hold h = { 0 };

	(void)state;
	needed(&h);
	for (int i = 0; i < HOLD_NEED_MIN * HOLD_CREDIT; i++)
		assert_true(sends(&h, 3, true));
	assert_false(sends(&h, HOLD_LATE_US - 1, true)); /* goes out at once, with those in hand */
	assert_true(sends(&h, 3, false));
	/* Nor is a pause with nothing in hand. */
	assert_false(sends(&h, 1000000, false));
	assert_true(sends(&h, 3, false));
	/* Several in a row are. */
	for (int i = 0; i < 4; i++)
		assert_false(sends(&h, HOLD_BRISK_US + 1, false));
	assert_in_range(needed(&h), HOLD_NEED_MIN / 2, HOLD_NEED_MIN);
}

static void half_of_them_slow_is_not(void **state)
{
	struct hold h = { 0 };

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_false(sends(&h, i % 2 ? 3 : HOLD_BRISK_US + 1, false));
}

static void being_late_doubles_what_is_needed(void **state)
{
	struct hold h = { 0 };
	unsigned expect = HOLD_NEED_MIN;

	(void)state;
	needed(&h);
	for (int i = 0; i < 20; i++) {
		expect = expect * 2 < HOLD_NEED_MAX ? expect * 2 : HOLD_NEED_MAX;
		assert_false(sends(&h, HOLD_LATE_US + 1, true));
		assert_int_equal(needed(&h), expect);
	}
}

static void it_is_forgiven(void **state)
{
	struct hold h = { 0 };

	(void)state;
	needed(&h);
	assert_false(sends(&h, HOLD_LATE_US + 1, true));
	assert_false(sends(&h, HOLD_LATE_US + 1, true));
	assert_int_equal(h.need, 4 * HOLD_NEED_MIN);
	for (int i = 0; i < 4 * HOLD_NEED_MIN * HOLD_FORGIVE; i++)
		sends(&h, 3, true);
	assert_int_equal(h.need, 2 * HOLD_NEED_MIN);
	assert_true(sends(&h, 3, true)); /* and it is trusted meanwhile */
	for (int i = 0; i < 1000000; i++)
		assert_true(sends(&h, 3, true));
	assert_int_equal(h.need, HOLD_NEED_MIN);
}

static void only_answers_wait(void **state)
{
	struct hold h = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(tells(&h, 3, false));
	assert_int_equal(needed(&h), HOLD_NEED_MIN);
	assert_false(tells(&h, 3, true));
	/* As many as the last receive brought. */
	hold_received(&h, 5);
	for (int i = 0; i < 5; i++)
		assert_true(tells(&h, 3, true));
	assert_false(tells(&h, 3, true));
	/* What was not answered is not owed for ever. */
	hold_received(&h, 5);
	hold_received(&h, 1);
	assert_true(tells(&h, 3, true));
	assert_false(tells(&h, 3, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_new_socket_is_not, begin),
		cmocka_unit_test_setup(a_slow_program_never_is, begin),
		cmocka_unit_test_setup(one_slow_send_is_none, begin),
		cmocka_unit_test_setup(half_of_them_slow_is_not, begin),
		cmocka_unit_test_setup(being_late_doubles_what_is_needed, begin),
		cmocka_unit_test_setup(it_is_forgiven, begin),
		cmocka_unit_test_setup(only_answers_wait, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
