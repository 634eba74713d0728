/* SPDX-License-Identifier: BSD-3-Clause */
/* test_routes.c - longest-prefix match, metrics, replacing and removing, against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#include "base/clock.h"
#include "stack/routes.h"

static struct routes t;

static struct ipaddr address(const char *text)
{
	struct ipaddr a = { 0 };

	if (inet_pton(AF_INET, text, &a.w[3]) == 1)
		a.w[2] = htonl(0xffff);
	else
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

/* "10.0.0.0/8" by way of interface @oif. */
static struct route route(const char *prefix, int oif, uint32_t metric)
{
	struct route r = { .oif = oif, .metric = metric, .type = RTN_UNICAST };
	char text[64];
	unsigned len;

	assert_int_equal(sscanf(prefix, "%63[^/]/%u", text, &len), 2);
	r.dst = address(text);
	r.len = (uint8_t)(len + (ipaddr_is_v4(&r.dst) ? 96 : 0));
	routes_mask(&r.dst, r.len);
	return r;
}

static int add(const char *prefix, int oif, uint32_t metric)
{
	struct route r = route(prefix, oif, metric);

	return routes_add(&t, &r, false);
}

static int add_via(const char *prefix, int oif, uint32_t metric, const char *gateway,
		   uint32_t flags, bool replace)
{
	struct route r = route(prefix, oif, metric);

	r.gateway = address(gateway);
	r.flags = flags;
	return routes_add(&t, &r, replace);
}

static int del(const char *prefix, int oif, uint32_t metric)
{
	struct route r = route(prefix, oif, metric);

	return routes_remove(&t, &r);
}

/* The interface of the route to @dst; 0: none, -1: odd. */
static int look(const char *dst, int oif)
{
	struct ipaddr a = address(dst);
	bool odd = false;
	struct route *r = routes_lookup(&t, &a, oif, &odd);

	return odd ? -1 : r ? r->oif : 0;
}

static int fresh(void **state)
{
	(void)state;
	routes_free(&t);
	return 0;
}

static void longest_prefix_wins(void **state)
{
	(void)state;
	assert_int_equal(look("10.1.2.3", 0), 0);
	add("0.0.0.0/0", 1, 0);
	add("10.0.0.0/8", 2, 0);
	add("10.1.0.0/16", 3, 0);
	add("10.1.2.3/32", 4, 0);
	assert_int_equal(look("10.1.2.3", 0), 4);
	assert_int_equal(look("10.1.2.4", 0), 3);
	assert_int_equal(look("10.2.0.1", 0), 2);
	assert_int_equal(look("11.0.0.1", 0), 1);
	assert_int_equal(del("10.1.0.0/16", 3, 0), ROUTES_CHANGED);
	assert_int_equal(look("10.1.2.4", 0), 2);
	assert_int_equal(del("10.1.0.0/16", 3, 0), ROUTES_SAME);
}

static void longest_prefix_wins_v6(void **state)
{
	(void)state;
	add("::/0", 1, 1024);
	add("fd00::/8", 2, 1024);
	add("fd00:1::/32", 3, 1024);
	add("fd00:1:2:3:4::/65", 4, 1024);
	add("fd00:1:2:3:4::1/128", 5, 1024);
	assert_int_equal(look("2001:db8::1", 0), 1);
	assert_int_equal(look("fd77::1", 0), 2);
	assert_int_equal(look("fd00:1:f::", 0), 3);
	assert_int_equal(look("fd00:1:2:3:7fff::9", 0), 4);
	assert_int_equal(look("fd00:1:2:3:8000::9", 0), 3);
	assert_int_equal(look("fd00:1:2:3:4::1", 0), 5);
}

static void lowest_metric_wins_then_the_next(void **state)
{
	(void)state;
	add("10.0.0.0/8", 5, 500);
	add("10.0.0.0/8", 1, 100);
	add("10.0.0.0/8", 3, 300);
	assert_int_equal(look("10.9.9.9", 0), 1);
	assert_int_equal(del("10.0.0.0/8", 1, 100), ROUTES_CHANGED);
	assert_int_equal(look("10.9.9.9", 0), 3);
	assert_int_equal(del("10.0.0.0/8", 3, 300), ROUTES_CHANGED);
	assert_int_equal(look("10.9.9.9", 0), 5);
	assert_int_equal(del("10.0.0.0/8", 5, 500), ROUTES_CHANGED);
	assert_int_equal(look("10.9.9.9", 0), 0);
	assert_int_equal(t.count, 0);
	assert_int_equal(t.lens_count, 0);
}

static void only_by_the_interface_asked_for(void **state)
{
	(void)state;
	add("fe80::/64", 1, 256);
	add("fe80::/64", 2, 256);
	add("::/0", 3, 1024);
	assert_int_equal(look("fe80::5", 1), 1);
	assert_int_equal(look("fe80::5", 2), 2);
	assert_int_equal(look("fe80::5", 3), 3); /* back to a shorter prefix */
	assert_int_equal(look("fe80::5", 4), 0);
	assert_int_equal(look("fe80::5", 0), -1); /* it can not be told */
}

static void special_routes_are_odd(void **state)
{
	struct route r = route("10.0.0.0/8", 0, 0);

	(void)state;
	add("0.0.0.0/0", 1, 0);
	r.type = RTN_BLACKHOLE;
	r.flags = ROUTE_ODD;
	routes_add(&t, &r, false);
	assert_int_equal(look("10.0.0.1", 0), -1);
	assert_int_equal(look("10.0.0.1", 1), -1);
	assert_int_equal(look("11.0.0.1", 0), 1);
	r.tos = 8; /* stands before all without a type of service */
	r.dst = address("0.0.0.0");
	r.len = 96;
	routes_add(&t, &r, false);
	assert_int_equal(look("11.0.0.1", 0), -1);
}

static void the_same_again_is_no_change(void **state)
{
	struct route r = route("10.0.0.0/8", 2, 7);

	(void)state;
	assert_int_equal(routes_add(&t, &r, false), ROUTES_CHANGED);
	assert_int_equal(routes_add(&t, &r, false), ROUTES_SAME);
	assert_int_equal(routes_add(&t, &r, true), ROUTES_SAME);
	r.mtu = 1400;
	assert_int_equal(routes_add(&t, &r, false), ROUTES_CHANGED);
	assert_int_equal(t.count, 1);
	assert_int_equal(look("10.0.0.1", 0), 2);
}

static void replacing(void **state)
{
	(void)state;
	add_via("10.0.0.0/8", 1, 0, "192.0.2.1", 0, false);
	add_via("10.0.0.0/8", 9, 50, "192.0.2.1", 0, false);
	assert_int_equal(add_via("10.0.0.0/8", 2, 0, "192.0.2.2", 0, true), ROUTES_CHANGED);
	assert_int_equal(t.count, 2);
	assert_int_equal(look("10.0.0.1", 0), 2);
	add_via("10.0.0.0/8", 3, 0, "192.0.2.3", 0, false); /* appended: two of one metric */
	assert_int_equal(look("10.0.0.1", 0), -1);
	assert_int_equal(add_via("10.0.0.0/8", 4, 0, "192.0.2.4", 0, true), ROUTES_UNSURE);
}

static void multipath_of_ipv6(void **state)
{
	const uint32_t many = ROUTE_ODD | ROUTE_MULTIPATH;
	struct route leg = route("fd00::/16", 1, 1024);

	(void)state;
	add_via("fd00::/16", 1, 1024, "fe80::1", 0, false);
	add_via("fd00::/16", 0, 1024, "::3", many, false); /* ::3 stands for the digest */
	assert_int_equal(t.count, 1);			   /* it took the first one in */
	assert_int_equal(look("fd00::1", 0), -1);
	leg.gateway = address("fe80::1");
	assert_int_equal(routes_remove(&t, &leg), ROUTES_UNSURE);
}

static bool by_link(const struct route *r, const void *oif)
{
	return r->oif == *(const int *)oif;
}

static void flush_by_link(void **state)
{
	char prefix[32];
	int oif = 3;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(prefix, sizeof(prefix), "10.%d.%d.0/24", i / 250, i % 250);
		add(prefix, i % 5 + 1, 0);
	}
	assert_int_equal(routes_flush(&t, by_link, &oif), 200);
	for (int i = 0; i < 1000; i++) {
		snprintf(prefix, sizeof(prefix), "10.%d.%d.7", i / 250, i % 250);
		assert_int_equal(look(prefix, 0), i % 5 + 1 == 3 ? 0 : i % 5 + 1);
	}
	routes_clear(&t);
	assert_int_equal(look("10.0.0.7", 0), 0);
	add("10.0.0.0/8", 7, 0);
	assert_int_equal(look("10.0.0.7", 0), 7);
}

/* ---- against a list that is searched from end to end ---- */

#define MODEL 600

static struct route model[MODEL];
static bool present[MODEL];

static struct route *model_lookup(const struct ipaddr *dst, bool *odd)
{
	struct route *best = NULL;
	struct ipaddr p;

	for (int i = 0; i < MODEL; i++) {
		p = *dst;
		routes_mask(&p, model[i].len);
		if (!present[i] || !ipaddr_equal(&p, &model[i].dst))
			continue;
		if (best && best->len == model[i].len && best->metric == model[i].metric)
			*odd = true;
		if (!best || model[i].len > best->len ||
		    (model[i].len == best->len && model[i].metric < best->metric)) {
			best = &model[i];
			*odd = false;
		}
	}
	return best;
}

static void random_model(void)
{
	struct route *r;

	for (int i = 0; i < MODEL; i++) {
		r = &model[i];
		*r = (struct route){ .type = RTN_UNICAST,
				     .oif = i + 1,
				     .metric = (uint32_t)rand() % 3 };
		for (int b = 0; b < 16; b++)
			r->dst.b[b] = (uint8_t)(rand() % 3 == 0);
		r->len = (uint8_t)(rand() % 129);
		routes_mask(&r->dst, r->len);
		present[i] = false;
	}
}

static void random_changes_against_a_list(void **state)
{
	bool odd, model_odd;
	struct ipaddr dst;
	struct route *r, *m;

	(void)state;
	srand(1);
	random_model();
	for (int step = 0; step < 20000; step++) {
		int i = rand() % MODEL;

		if (present[i])
			assert_int_equal(routes_remove(&t, &model[i]), ROUTES_CHANGED);
		else
			assert_int_equal(routes_add(&t, &model[i], false), ROUTES_CHANGED);
		present[i] = !present[i];
		for (int b = 0; b < 16; b++)
			dst.b[b] = (uint8_t)(rand() % 3 == 0);
		if (step % 2)
			dst = model[rand() % MODEL].dst;
		odd = model_odd = false;
		r = routes_lookup(&t, &dst, 0, &odd);
		m = model_lookup(&dst, &model_odd);
		assert_int_equal(r != NULL, m != NULL);
		assert_int_equal(odd, model_odd);
		if (r && !odd)
			assert_int_equal(r->oif, m->oif);
	}
}

/*
 * A full table of a router: still one probe for each length; the bound is generous for a busy
 * machine.
 */
static void a_hundred_thousand_routes(void **state)
{
	struct route r = { .type = RTN_UNICAST };
	uint64_t begun = clock_ns(), took;
	struct ipaddr dst;
	bool odd = false;
	long sum = 0;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		r.dst = ipaddr_from_v4(htonl(0x0a000000 + (i << 8)));
		r.len = 120;
		r.oif = (int)i % 7 + 1;
		assert_int_equal(routes_add(&t, &r, false), ROUTES_CHANGED);
	}
	took = clock_ns() - begun;
	print_message("100000 routes added: %lu ns each\n", (unsigned long)(took / 100000));
	assert_true(took < 4 * NSEC_PER_SEC); /* generous: sanitizers, busy machines */
	begun = clock_ns();
	for (uint32_t i = 0; i < 100000; i++) {
		dst = ipaddr_from_v4(htonl(0x0a000007 + (i * 7919 % 100000 << 8)));
		sum += routes_lookup(&t, &dst, 0, &odd)->oif;
	}
	took = clock_ns() - begun;
	print_message("look-up: %lu ns (%ld)\n", (unsigned long)(took / 100000), sum);
	assert_true(took < NSEC_PER_SEC / 5);
	assert_false(odd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(longest_prefix_wins, fresh),
		cmocka_unit_test_setup(longest_prefix_wins_v6, fresh),
		cmocka_unit_test_setup(lowest_metric_wins_then_the_next, fresh),
		cmocka_unit_test_setup(only_by_the_interface_asked_for, fresh),
		cmocka_unit_test_setup(special_routes_are_odd, fresh),
		cmocka_unit_test_setup(the_same_again_is_no_change, fresh),
		cmocka_unit_test_setup(replacing, fresh),
		cmocka_unit_test_setup(multipath_of_ipv6, fresh),
		cmocka_unit_test_setup(flush_by_link, fresh),
		cmocka_unit_test_setup(random_changes_against_a_list, fresh),
		cmocka_unit_test_setup(a_hundred_thousand_routes, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
