/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_open.c - choosing and loading a backend: what is said when it is not there, and which
 * copy is taken.
 *
 * nic.c is part of this program here, so "beside the library" is beside this program. A plugin is
 * imitated by files that are no libraries, and by a link to the real one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fds.h"
#include "nic/nic.h"

static char xdp_file[PATH_MAX], verbs_file[PATH_MAX];
static struct nic_params params;
static struct nic *nic;

static int open_as(const char *backend)
{
	params = (struct nic_params){
		.ifname = "kb-no-such-if", .rx_ring = 64, .tx_ring = 64, .frames = 256
	};
	return nic_open(backend, &params, &nic);
}

static void put_junk(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "junk", 4), 4);
	close(fd);
}

static bool says(const char *text)
{
	if (strstr(params.why, text))
		return true;
	printf("why: %s\n", params.why);
	return false;
}

static int clean(void **state)
{
	(void)state;
	unlink(xdp_file);
	unlink(verbs_file);
	return 0;
}

static void an_unknown_name_is_refused(void **state)
{
	(void)state;
	assert_int_equal(open_as("dpdk"), -ENOENT);
	assert_true(says("no backend \"dpdk\"") && says("auto, xdp and verbs"));
}

static void a_missing_plugin_is_named(void **state)
{
	(void)state;
	if (access(KBACCEL_LIBDIR "/kbaccel-verbs.so", F_OK) == 0)
		skip();
	assert_int_equal(open_as("verbs"), -ENOENT);
	assert_true(says("kbaccel-verbs.so") && says(KBACCEL_LIBDIR) && says("KBACCEL_NIC"));
	assert_false(fds_inside);
}

static void a_broken_plugin_is_explained(void **state)
{
	(void)state;
	put_junk(verbs_file);
	assert_int_equal(open_as("verbs"), -ELIBACC);
	assert_true(says("can not load backend \"verbs\"") && says("apt install libibverbs1"));
	assert_false(fds_inside);
}

/*
 * It would be opened where an interface allows it; a broken one must not be in the way of the next.
 */
static void auto_goes_on_to_the_next(void **state)
{
	(void)state;
	put_junk(verbs_file);
	put_junk(xdp_file);
	assert_int_equal(open_as("auto"), -ELIBACC);
	assert_true(says("\"xdp\""));
}

/* LD_PRELOAD=./build/libkbaccel.so; then the program changes its directory. */
static void found_after_chdir(void **state)
{
	char here[PATH_MAX];

	(void)state;
	put_junk(verbs_file);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(open_as("verbs"), -ELIBACC);
	assert_int_equal(chdir(here), 0);
}

static void the_real_one_is_loaded(void **state)
{
	const char *build = getenv("BUILD");
	char real[PATH_MAX], absolute[PATH_MAX];

	(void)state;
	snprintf(real, sizeof(real), "%s/kbaccel-xdp.so", build ? build : "build");
	if (!realpath(real, absolute))
		skip();
	assert_int_equal(symlink(absolute, xdp_file), 0);
	assert_int_equal(open_as("xdp"), -ENODEV);
	assert_true(says("no interface kb-no-such-if"));
	assert_false(fds_inside);
	/* Loaded once and kept: the file is not needed again. */
	unlink(xdp_file);
	assert_int_equal(open_as("auto"), -ENODEV);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, clean, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_unknown_name_is_refused),
		CASE(a_missing_plugin_is_named),
		CASE(a_broken_plugin_is_explained),
		CASE(auto_goes_on_to_the_next),
		CASE(found_after_chdir),
		CASE(the_real_one_is_loaded),
	};
	char exe[PATH_MAX - 32];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return 1;
	exe[n] = '\0';
	*strrchr(exe, '/') = '\0';
	snprintf(xdp_file, sizeof(xdp_file), "%s/kbaccel-xdp.so", exe);
	snprintf(verbs_file, sizeof(verbs_file), "%s/kbaccel-verbs.so", exe);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
