/* SPDX-License-Identifier: BSD-3-Clause */
/* test_policy.c - the policy file of kbacceld: what a line says, what is wrong with one, who gets what. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ports.h"
#include "daemon/owned.c"
#include "daemon/policy.c"

static struct policy policy;
static char why[512];

static int setup(void **state)
{
	(void)state;
	STAILQ_INIT(&policy.rules);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	policy_free(&policy);
	return 0;
}

static int add(const char *line)
{
	return policy_add(&policy, line, why, sizeof(why));
}

static struct policy_grant ask_as(uid_t uid, gid_t gid, const char *ifname, bool other_netns)
{
	struct peer peer = { .uid = uid, .gid = gid };
	struct policy_grant grant;

	policy_ask(&policy, &peer, ifname, other_netns, &grant);
	return grant;
}

static bool gives(uid_t uid, const char *ifname, uint16_t port)
{
	struct policy_grant grant = ask_as(uid, 9, ifname, false);

	return ports_match(grant.port, grant.ports, &(struct ipaddr){ 0 }, port);
}

static void nothing_is_allowed_by_itself(void **state)
{
	(void)state;
	assert_false(gives(0, "eth0", 53));
	assert_int_equal(ask_as(0, 0, "eth0", false).ports, 0);
}

static void a_line_allows_what_it_says(void **state)
{
	(void)state;
	assert_int_equal(add("allow user=1000 ports=53,4000-4010 interface=eth0,eth1"), 0);
	assert_true(gives(1000, "eth0", 53) && gives(1000, "eth1", 4010));
	assert_false(gives(1000, "eth2", 53) || gives(1000, "eth0", 54) ||
		     gives(1001, "eth0", 53) || gives(0, "eth0", 53));
	assert_false(ask_as(1000, 9, "eth0", false).raw);
	assert_int_equal(ask_as(1000, 9, "eth0", true).ports, 0);
}

static void an_address_is_part_of_a_port(void **state)
{
	struct ipaddr any = { 0 }, addr = ipaddr_from_v4(htonl(0x0a000001));
	struct policy_grant grant;

	(void)state;
	assert_int_equal(add("allow user=1000 ports=10.0.0.1:53 interface=*"), 0);
	grant = ask_as(1000, 9, "eth0", false);
	assert_true(ports_match(grant.port, grant.ports, &addr, 53));
	assert_false(ports_match(grant.port, grant.ports, &any, 53));
}

static void lines_add_up(void **state)
{
	(void)state;
	assert_int_equal(add("allow user=1000 ports=53 interface=eth0"), 0);
	assert_int_equal(add("  allow\tinterface=eth0 transmit=raw user=1000 ports=54\n"), 0);
	assert_int_equal(add("allow user=1000 ports=* interface=lo netns=any"), 0);
	assert_true(gives(1000, "eth0", 53) && gives(1000, "eth0", 54) && gives(1000, "lo", 65535));
	assert_true(ask_as(1000, 9, "eth0", false).raw);
	assert_false(ask_as(1000, 9, "lo", false).raw);
	assert_int_equal(ask_as(1000, 9, "lo", true).ports, 1);
}

static void groups_and_everybody(void **state)
{
	struct peer peer = { .uid = 5, .gid = 6, .groups = 2, .group = { 70, 80 } };
	struct policy_grant grant;

	(void)state;
	assert_int_equal(add("allow group=80 ports=1 interface=*"), 0);
	assert_int_equal(add("allow group=9 ports=2 interface=*"), 0);
	policy_ask(&policy, &peer, "eth0", false, &grant);
	assert_int_equal(grant.ports, 1);
	assert_true(gives(80, "eth0",
			  2)); /* by its group 9, and not because its user has the number 80 */
	assert_false(gives(80, "eth0", 1));
	assert_int_equal(add("allow user=* ports=3 interface=*"), 0);
	assert_true(gives(12345, "eth0", 3));
	assert_int_equal(add("allow user=root group=root ports=3 interface=*"), -EINVAL);
	assert_int_equal(add("allow user=root ports=7 interface=*"), 0);
	assert_true(gives(0, "eth0", 7));
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "deny user=0 ports=1 interface=*", "begins with \"allow\"" },
		{ "allow ports=1 interface=*", "user= or group=" },
		{ "allow user=0 interface=*", "ports= and interface=" },
		{ "allow user=0 ports=1", "ports= and interface=" },
		{ "allow user=0 ports=1 interface", "no value" },
		{ "allow user=0 ports=1 interface=* ports=2", "twice" },
		{ "allow user=0 ports=1 interface=* color=red", "\"color\" is not known" },
		{ "allow user=0 ports=70000 interface=*", "70000" },
		{ "allow user=0 ports= interface=*", "" },
		{ "allow user=0 ports=1 interface=", "interface" },
		{ "allow user=0 ports=1 interface=a-name-that-is-too-long",
		  "a-name-that-is-too-long" },
		{ "allow user=no-such-user ports=1 interface=*", "no user \"no-such-user\"" },
		{ "allow group=no-such-group ports=1 interface=*", "no group" },
		{ "allow user=4294967295 ports=1 interface=*", "no user" },
		{ "allow user=-1 ports=1 interface=*", "no user" },
		{ "allow user=0 ports=1 interface=* transmit=yes", "kernel or raw" },
		{ "allow user=0 ports=1 interface=* netns=other", "own or any" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why[0] = '\0';
		assert_true(add(cases[i].line) < 0);
		assert_non_null(strstr(why, cases[i].says));
		assert_true(why[0] != '\0');
		assert_true(STAILQ_EMPTY(&policy.rules));
	}
}

static int read_file(const char *text, mode_t mode)
{
	char path[] = "/tmp/kb-policy-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	err = policy_read(&policy, path, why, sizeof(why));
	unlink(path);
	return err;
}

static void files(void **state)
{
	char line[6000];

	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(read_file("# nothing\n\n  \n   # at all\n", 0644), 0);
	assert_true(STAILQ_EMPTY(&policy.rules));
	assert_int_equal(
		read_file("# one\nallow user=0 ports=1 interface=*\n\nallow user=1 ports=1 interface=*",
			  0600),
		0);
	assert_true(gives(0, "eth0", 1) && gives(1, "eth0", 1));
	policy_free(&policy);
	assert_int_equal(
		read_file("allow user=0 ports=1 interface=*\n\nallow us=1 ports=1 interface=*\n",
			  0600),
		-EINVAL);
	assert_non_null(strstr(why, "line 3: "));
	assert_true(STAILQ_EMPTY(&policy.rules));
	assert_int_equal(read_file("", 0664), -EPERM);
	assert_int_equal(read_file("", 0646), -EPERM);
	memset(line, ' ', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(read_file(line, 0600), -E2BIG);
	assert_int_equal(policy_read(&policy, "/nonexistent/file", why, sizeof(why)), -ENOENT);
}

static void sockets_are_counted_by_port(void **state)
{
	static struct owned o;

	(void)state;
	for (uint64_t i = 1; i <= OWNED_MAX; i++)
		assert_int_equal(owned_add(&o, i * 7919, i % 2 ? 53 : 54), 0);
	assert_int_equal(owned_on(&o, 53), OWNED_MAX / 2);
	assert_int_equal(owned_add(&o, 1, 55), -ENOSPC);
	assert_int_equal(owned_remove(&o, 7919), 53);
	assert_int_equal(owned_remove(&o, 7919), 0);
	assert_int_equal(owned_on(&o, 53), OWNED_MAX / 2 - 1);
	assert_int_equal(owned_add(&o, 2 * 7919, 55), -EEXIST);
	assert_int_equal(owned_on(&o, 55), 0);
	for (uint64_t i = 2; i <= OWNED_MAX; i++)
		assert_int_equal(owned_remove(&o, i * 7919), i % 2 ? 53 : 54);
	assert_int_equal(owned_on(&o, 53) + owned_on(&o, 54) + o.total, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_allowed_by_itself),
		CASE(a_line_allows_what_it_says),
		CASE(an_address_is_part_of_a_port),
		CASE(lines_add_up),
		CASE(groups_and_everybody),
		CASE(what_is_wrong_is_named),
		CASE(files),
		CASE(sockets_are_counted_by_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
