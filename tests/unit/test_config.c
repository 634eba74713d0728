/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_config.c - the settings: each type's good, bad and edge values, the environment, and what is
 * said about it.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"

static struct config c;
static char why[CONFIG_WHY_LEN];
static char messages[8192];

static int set(const char *name, const char *value)
{
	why[0] = '\0';
	return config_set(&c, name, value, why, sizeof(why));
}

/* config_init() with just @env; what it wrote to stderr is in messages[]. */
static void init_with(bool secure, char *const *env)
{
	int memory = memfd_create("stderr", 0), saved = dup(STDERR_FILENO);
	char **old = environ;
	ssize_t n;

	dup2(memory, STDERR_FILENO);
	environ = (char **)env;
	config_init(secure);
	environ = old;
	dup2(saved, STDERR_FILENO);
	n = pread(memory, messages, sizeof(messages) - 1, 0);
	messages[n > 0 ? n : 0] = '\0';
	close(saved);
	close(memory);
}

#define INIT(...) init_with(false, (char *[]){ __VA_ARGS__, NULL })

static unsigned lines(void)
{
	unsigned n = 0;
	const char *p;

	for (p = messages; *p; p++)
		n += *p == '\n';
	return n;
}

static void test_defaults(void **state)
{
	(void)state;
	INIT("HOME=/");
	assert_string_equal(messages, "");
	assert_false(config.active);
	assert_string_equal(config.nic, "auto");
	assert_int_equal(config.spin_us, 0);
	assert_false(config.strict);
	assert_int_equal(config.log_level, LOG_LEVEL_WARN);
	assert_int_equal(config.rx_ring, 2048);
	assert_int_equal(config.tx_ring, 1024);
	assert_int_equal(config.frames, 8192);
	assert_int_equal(config.interfaces, 0);
}

static void test_environment(void **state)
{
	(void)state;
	INIT("KBACCEL_PORTS=53,4000-4100", "KBACCEL_INTERFACE=eth0, eth1", "KBACCEL_NIC=xdp",
	     "KBACCEL_SPIN=50", "KBACCEL_STRICT=1", "KBACCEL_LOG=debug", "KBACCEL_RX_RING=64",
	     "KBACCEL_TX_RING=16384", "KBACCEL_FRAMES=65536");
	assert_string_equal(messages, "");
	assert_true(config.active);
	assert_int_equal(config.port_rules, 2);
	assert_int_equal(config.interfaces, 2);
	assert_string_equal(config.interface[0], "eth0");
	assert_string_equal(config.interface[1], "eth1");
	assert_string_equal(config.nic, "xdp");
	assert_int_equal(config.spin_us, 50);
	assert_true(config.strict);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_threshold, LOG_LEVEL_DEBUG);
	assert_int_equal(config.rx_ring, 64);
	assert_int_equal(config.tx_ring, 16384);
	assert_int_equal(config.frames, 65536);
	INIT("HOME=/");
	assert_int_equal(log_threshold, LOG_LEVEL_WARN);
}

static void test_secure(void **state)
{
	(void)state;
	init_with(true, (char *[]){ "KBACCEL_PORTS=53", "KBACCEL_LOG=debug", "KBACCEL_X=1", NULL });
	assert_string_equal(messages, "");
	assert_false(config.active);
	assert_int_equal(log_threshold, LOG_LEVEL_WARN);
}

static void test_bad_ports_make_inert(void **state)
{
	(void)state;
	INIT("KBACCEL_PORTS=53,70000");
	assert_false(config.active);
	assert_int_equal(config.port_rules, 0);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(messages, "warn: KBACCEL_PORTS=\"53,70000\": element 2, \"70000\""));
	assert_non_null(strstr(messages, "the library does nothing"));
}

static void test_malformed(void **state)
{
	(void)state;
	INIT("KBACCEL_SPIN=abc", "KBACCEL_RX_RING=100", "KBACCEL_NIC=dpdk", "KBACCEL_PORTS=53");
	assert_int_equal(lines(), 3);
	assert_non_null(strstr(messages,
			       "KBACCEL_SPIN=\"abc\": not a whole number; allowed: 0..3600000000 "
			       "us; using the default 0\n"));
	assert_non_null(strstr(
		messages,
		"KBACCEL_RX_RING=\"100\": not a power of two; allowed: a power of two, 64..16384 entries"));
	assert_non_null(strstr(messages, "allowed: auto|xdp|verbs"));
	assert_true(config.active);
	assert_int_equal(config.rx_ring, 2048);
	assert_string_equal(config.nic, "auto");
}

static void test_message_is_one_clean_line(void **state)
{
	char value[4096] = "KBACCEL_LOG=";

	(void)state;
	memset(value + strlen(value), 'x', sizeof(value) - 20);
	value[14] = '\n';
	value[15] = '\x1b';
	INIT(value);
	assert_int_equal(lines(), 1);
	assert_null(strchr(messages, '\x1b'));
	assert_true(strlen(messages) < 400);
}

static void test_threshold_comes_first(void **state)
{
	(void)state;
	INIT("KBACCEL_SPIN=abc", "KBACCEL_WHAT=1", "KBACCEL_LOG=error");
	assert_string_equal(messages, "");
	assert_int_equal(config.log_level, LOG_LEVEL_ERROR);
}

static void test_unknown(void **state)
{
	(void)state;
	INIT("KBACCEL_PORT=53", "KBACCEL_STRICTT=1", "KBACCEL=1", "KBACCELX_=1", "KBACCEL_=");
	assert_int_equal(lines(), 3);
	assert_non_null(
		strstr(messages, "KBACCEL_PORT is not a setting; did you mean KBACCEL_PORTS?"));
	assert_non_null(
		strstr(messages, "KBACCEL_STRICTT is not a setting; did you mean KBACCEL_STRICT?"));
	assert_string_equal(config_nearest("KBACCEL_INTERFACES", 18), "KBACCEL_INTERFACE");
	assert_string_equal(config_nearest("KBACCEL_RXRING", 14), "KBACCEL_RX_RING");
	assert_string_equal(config_nearest("KBACCEL_TX_RNIG", 15), "KBACCEL_TX_RING");
	assert_string_equal(config_nearest("FRAME", 5), "KBACCEL_FRAMES");
	assert_non_null(config_nearest("", 0));
}

static void test_empty_is_unset(void **state)
{
	char text[64];

	(void)state;
	INIT("KBACCEL_PORTS=", "KBACCEL_SPIN=", "KBACCEL_NIC=", "KBACCEL_INTERFACE=");
	assert_string_equal(messages, "");
	assert_false(config.active);
	assert_false(config_value(0, text, sizeof(text)));
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "1s",
					   "0x10",
					   "1.5",
					   "3600000001",
					   "9223372036854775808",
					   "99999999999999999999999999",
					   "x" };
	size_t i;

	(void)state;
	config_defaults(&c);
	assert_int_equal(set("KBACCEL_SPIN", "3600000000"), 0);
	assert_true(c.spin_us == 3600000000);
	assert_int_equal(set("KBACCEL_SPIN", "0"), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(set("KBACCEL_SPIN", bad[i]), -EINVAL);
	assert_int_equal(set("KBACCEL_RX_RING", "64"), 0);
	assert_int_equal(set("KBACCEL_RX_RING", "32"), -EINVAL);
	assert_int_equal(set("KBACCEL_RX_RING", "32768"), -EINVAL);
	assert_int_equal(set("KBACCEL_RX_RING", "65"), -EINVAL);
	assert_int_equal(c.rx_ring, 2048);
	assert_int_equal(set("KBACCEL_STRICT", "2"), -EINVAL);
	assert_int_equal(set("KBACCEL_STRICT", "yes"), -EINVAL);
	assert_int_equal(set("KBACCEL_STRICT", "1"), 0);
	assert_int_equal(set("KBACCEL_NOSUCH", "1"), -ENOENT);
	assert_int_equal(set("KBACCEL_SPI", "1"), -ENOENT);
}

static void test_words(void **state)
{
	(void)state;
	config_defaults(&c);
	assert_int_equal(set("KBACCEL_LOG", "error"), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_ERROR);
	assert_int_equal(set("KBACCEL_LOG", "info"), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(set("KBACCEL_LOG", "inf"), -EINVAL);
	assert_int_equal(set("KBACCEL_LOG", "info|debug"), -EINVAL);
	assert_int_equal(set("KBACCEL_LOG", "|"), -EINVAL);
	assert_int_equal(c.log_level, LOG_LEVEL_WARN);
	assert_int_equal(set("KBACCEL_NIC", "verbs"), 0);
	assert_string_equal(c.nic, "verbs");
}

static void test_interfaces(void **state)
{
	char many[200] = "a";
	int i;

	(void)state;
	config_defaults(&c);
	assert_int_equal(set("KBACCEL_INTERFACE", " eth0 ,\tveth-b.5@x"), 0);
	assert_int_equal(c.interfaces, 2);
	assert_string_equal(c.interface[1], "veth-b.5@x");
	assert_int_equal(set("KBACCEL_INTERFACE", "exactly15chars_"), 0);
	assert_int_equal(set("KBACCEL_INTERFACE", "sixteen_chars_xx"), -EINVAL);
	assert_int_equal(set("KBACCEL_INTERFACE", "eth0,"), -EINVAL);
	assert_int_equal(set("KBACCEL_INTERFACE", "eth0 eth1"), -EINVAL);
	assert_int_equal(set("KBACCEL_INTERFACE", "eth/0"), -EINVAL);
	assert_int_equal(set("KBACCEL_INTERFACE", " "), -EINVAL);
	for (i = 1; i < CONFIG_MAX_INTERFACES; i++)
		strcat(many, ",a");
	assert_int_equal(set("KBACCEL_INTERFACE", many), 0);
	assert_int_equal(c.interfaces, CONFIG_MAX_INTERFACES);
	strcat(many, ",a");
	assert_int_equal(set("KBACCEL_INTERFACE", many), -EINVAL);
}

static void test_frames_fit_rings(void **state)
{
	(void)state;
	INIT("KBACCEL_RX_RING=16384");
	assert_string_equal(messages, "");
	assert_true(config.frames >= 2 * (16384 + 1024));
	INIT("KBACCEL_FRAMES=4096");
	assert_string_equal(messages, "");
	assert_int_equal(config.frames, 4096);
	INIT("KBACCEL_FRAMES=2048");
	assert_int_equal(lines(), 1);
	assert_int_equal(config.frames, 8192);
}

static bool chosen(const char *addr, uint16_t port)
{
	struct ipaddr a = { .q = { 0, 0 } };
	uint8_t raw[16];

	if (inet_pton(AF_INET, addr, raw) == 1)
		memcpy(&a.b[12], raw, 4), a.b[10] = a.b[11] = 0xff;
	else if (inet_pton(AF_INET6, addr, raw) == 1)
		a = ipaddr_from_v6(raw);
	return config_chosen(&a, port);
}

static void test_chosen(void **state)
{
	(void)state;
	INIT("KBACCEL_PORTS=53,4000-4100,10.0.0.1:80,[fd00::1]:*");
	assert_true(chosen("", 53));
	assert_true(chosen("10.9.9.9", 53));
	assert_true(chosen("fd00::9", 53));
	assert_false(chosen("", 52));
	assert_true(chosen("", 4000));
	assert_true(chosen("", 4100));
	assert_false(chosen("", 4101));
	assert_true(chosen("10.0.0.1", 80));
	assert_false(chosen("10.0.0.2", 80));
	assert_false(chosen("", 80));
	assert_true(chosen("fd00::1", 9));
	assert_false(chosen("fd00::2", 9));
	INIT("KBACCEL_PORTS=*");
	assert_true(config.all_ports);
	assert_true(chosen("", 1));
	assert_true(chosen("1.2.3.4", 40000));
	INIT("HOME=/");
	assert_false(chosen("", 53));
}

static void test_listing(void **state)
{
	const struct config_setting *table;
	char text[64];
	size_t n = config_settings(&table), i;

	(void)state;
	INIT("KBACCEL_PORTS=53, 10.0.0.1:5", "KBACCEL_LOG=info", "KBACCEL_INTERFACE=a ,b");
	assert_true(n >= 9 && n < 25);
	for (i = 0; i < n; i++) {
		bool given = config_value(i, text, sizeof(text));

		assert_true(table[i].help[0] && table[i].range[0] && strlen(table[i].name) < 32);
		if (strcmp(table[i].name, "KBACCEL_PORTS") == 0)
			assert_true(given && strcmp(text, "53,10.0.0.1:5") == 0);
		else if (strcmp(table[i].name, "KBACCEL_LOG") == 0)
			assert_true(given && strcmp(text, "info") == 0);
		else if (strcmp(table[i].name, "KBACCEL_INTERFACE") == 0)
			assert_true(given && strcmp(text, "a,b") == 0);
		else
			assert_true(!given && strcmp(text, table[i].def) == 0);
	}
}

/* No value may do anything but be taken or be refused with a reason. */
static void test_random(void **state)
{
	const struct config_setting *table;
	size_t n = config_settings(&table), i, k, len;
	char value[64];
	int round;

	(void)state;
	srandom(2);
	for (round = 0; round < 20000; round++) {
		len = (size_t)random() % sizeof(value);
		for (k = 0; k < len; k++)
			value[k] = (char)(1 + random() % (round % 2 ? 255 : 60));
		value[k < sizeof(value) ? k : sizeof(value) - 1] = '\0';
		config_defaults(&c);
		for (i = 0; i < n; i++)
			if (set(table[i].name, value) != 0)
				assert_int_not_equal(why[0], '\0');
		assert_string_not_equal(config_nearest(value, strlen(value)), "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_secure),
		cmocka_unit_test(test_bad_ports_make_inert),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_message_is_one_clean_line),
		cmocka_unit_test(test_threshold_comes_first),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_empty_is_unset),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_frames_fit_rings),
		cmocka_unit_test(test_chosen),
		cmocka_unit_test(test_listing),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
