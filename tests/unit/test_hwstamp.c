/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hwstamp.c - which drivers' answers mean that hardware may stamp what is received. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/net_tstamp.h>

#include "stack/hwstamp.h"

static void test_filters(void **state)
{
	(void)state;
	assert_false(hwstamp_filters(0));
	assert_false(hwstamp_filters(1u << HWTSTAMP_FILTER_NONE));
	assert_true(hwstamp_filters(1u << HWTSTAMP_FILTER_ALL));
	assert_true(hwstamp_filters(1u << HWTSTAMP_FILTER_NONE | 1u << HWTSTAMP_FILTER_ALL));
	assert_true(hwstamp_filters(1u << HWTSTAMP_FILTER_NONE | 1u << HWTSTAMP_FILTER_PTP_V2_EVENT));
}

/* No link is known yet: nothing can stamp, whatever the descriptor. */
static void test_no_links(void **state)
{
	(void)state;
	assert_false(hwstamp_possible(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_no_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
