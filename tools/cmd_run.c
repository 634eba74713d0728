/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_run.c - `kbaccel run`: LD_PRELOAD and the settings put into the environment of a program that
 * then takes this process's place. Values are checked first, with the library's own parser, so that
 * a mistake is an error here and not a warning of a running server.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "tools/cmd.h"
#include "tools/cmd_run_target.h"

#define LIBRARY "libkbaccel.so"

/* As env(1) does. */
enum { STATUS_FAILED = 125, STATUS_CANNOT_EXECUTE = 126, STATUS_NOT_FOUND = 127 };

static const char usage[] =
	"Usage: kbaccel run -p PORTS [OPTION...] [--] COMMAND [ARGUMENT...]\n"
	"Runs COMMAND with its UDP sockets on PORTS accelerated.\n\n"
	"  -p, --ports PORTS      53  53,4000-4100  10.0.0.1:53  [fd00::1]:53  10.0.0.1:*  *\n"
	"  -i, --interface LIST   interfaces to use, separated by commas\n"
	"      --profile NAME     default     sleep at once when idle\n"
	"                         latency     poll for 50 ms before sleeping (KBACCEL_SPIN=50000)\n"
	"                         throughput  larger rings: KBACCEL_RX_RING=8192, KBACCEL_TX_RING=4096,\n"
	"                                     KBACCEL_FRAMES=32768; answers sent by up to 64 at a time:\n"
	"                                     KBACCEL_TX_BATCH=64\n"
	"      --spin US          microseconds to poll before sleeping; goes before the profile's\n"
	"      --strict           bind() fails when a socket cannot be accelerated\n"
	"      --log LEVEL        error, warn, info or debug\n"
	"      --nic BACKEND      auto, xdp or verbs\n"
	"  -h, --help             this text\n\n"
	"Options go before KBACCEL_* variables of the environment, which apply otherwise.\n"
	"Exit status: that of COMMAND; 2 wrong usage, 125 the library was not found, 126 COMMAND cannot\n"
	"be executed, 127 COMMAND was not found.\n";

static const struct option options[] = {
	{ "ports", required_argument, NULL, 'p' },
	{ "interface", required_argument, NULL, 'i' },
	{ "profile", required_argument, NULL, 'P' },
	{ "spin", required_argument, NULL, 's' },
	{ "strict", no_argument, NULL, 'S' },
	{ "log", required_argument, NULL, 'l' },
	{ "nic", required_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Which setting an option gives. */
static const struct {
	int option;
	const char *setting;
} option_settings[] = {
	{ 'p', "KBACCEL_PORTS" },  { 'i', "KBACCEL_INTERFACE" }, { 's', "KBACCEL_SPIN" },
	{ 'S', "KBACCEL_STRICT" }, { 'l', "KBACCEL_LOG" },	 { 'n', "KBACCEL_NIC" },
};

static const struct {
	const char *profile, *setting, *value;
} profiles[] = {
	{ "default", NULL, NULL },
	{ "latency", "KBACCEL_SPIN", "50000" },
	{ "throughput", "KBACCEL_RX_RING", "8192" },
	{ "throughput", "KBACCEL_TX_RING", "4096" },
	{ "throughput", "KBACCEL_FRAMES", "32768" },
	{ "throughput", "KBACCEL_TX_BATCH", "64" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int apply(const char *name, const char *value)
{
	if (value[0] == '\0')
		return cmd_misused("run", "%s: the value is empty", name);
	if (setenv(name, value, 1) == 0)
		return STATUS_OK;
	cmd_complain("%s", strerror(errno));
	return STATUS_FAILED;
}

static int apply_profile(const char *profile)
{
	bool known = false;
	int status = STATUS_OK;
	size_t i;

	for (i = 0; i < COUNT(profiles) && status == STATUS_OK; i++) {
		if (strcmp(profiles[i].profile, profile) != 0)
			continue;
		known = true;
		if (profiles[i].setting)
			status = apply(profiles[i].setting, profiles[i].value);
	}
	if (!known)
		return cmd_misused("run", "--profile %s: allowed: default, latency, throughput",
				   profile);
	return status;
}

/* Every value of the environment as it is now, the inherited ones included. */
static int check_values(void)
{
	static struct config scratch;
	const struct config_setting *settings;
	size_t n = config_settings(&settings), i;
	char why[CONFIG_WHY_LEN];
	const char *value;

	config_defaults(&scratch);
	for (i = 0; i < n; i++) {
		value = getenv(settings[i].name);
		if (value && config_set(&scratch, settings[i].name, value, why, sizeof(why)))
			return cmd_misused("run", "%s=%s: %s", settings[i].name, value, why);
	}
	if (!scratch.active)
		return cmd_misused("run", "no ports are chosen: give -p PORTS");
	return STATUS_OK;
}

/* Is @path an element of LD_PRELOAD already? */
static bool is_listed(const char *list, const char *path)
{
	size_t len = strlen(path), n;

	for (; *list; list += n + (list[n] != '\0')) {
		n = strcspn(list, " :");
		if (n == len && memcmp(list, path, n) == 0)
			return true;
	}
	return false;
}

/* Ours goes first: it has to see a call before other preloaded libraries do. */
static int preload(void)
{
	char path[PATH_MAX], *list;
	const char *old = getenv("LD_PRELOAD");
	int ret;

	if (cmd_find_file(LIBRARY, path, sizeof(path))) {
		cmd_complain(LIBRARY " is neither beside this program nor installed");
		return STATUS_FAILED;
	}
	if (strpbrk(path, " :")) {
		cmd_complain("%s: LD_PRELOAD cannot name a path with a blank or a colon", path);
		return STATUS_FAILED;
	}
	if (old && is_listed(old, path))
		return STATUS_OK;
	if (asprintf(&list, "%s%s%s", path, old && *old ? ":" : "", old ? old : "") < 0)
		return STATUS_FAILED;
	ret = setenv("LD_PRELOAD", list, 1);
	free(list);
	return ret ? STATUS_FAILED : STATUS_OK;
}

static int execute(char **argv)
{
	run_target_warn(argv[0]);
	execvp(argv[0], argv);
	cmd_complain("%s: %s", argv[0], strerror(errno));
	return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
}

/* Options win over their profile wherever they stand: they are kept until all were seen. */
static int read_options(int argc, char **argv, bool *done)
{
	const char *values[COUNT(option_settings)] = { NULL }, *profile = NULL;
	int option, status = STATUS_OK;
	size_t i;

	while ((option = getopt_long(argc, argv, "+p:i:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			*done = true;
			return STATUS_OK;
		}
		if (option == '?')
			return cmd_misused("run", NULL);
		if (option == 'P')
			profile = optarg;
		for (i = 0; i < COUNT(option_settings); i++)
			if (option_settings[i].option == option)
				values[i] = option == 'S' ? "1" : optarg;
	}
	if (profile)
		status = apply_profile(profile);
	for (i = 0; i < COUNT(option_settings) && status == STATUS_OK; i++)
		if (values[i])
			status = apply(option_settings[i].setting, values[i]);
	return status;
}

int cmd_run(int argc, char **argv)
{
	bool done = false;
	int status = read_options(argc, argv, &done);

	if (status != STATUS_OK || done)
		return status;
	if (optind == argc)
		return cmd_misused("run", "no command is given");
	status = check_values();
	if (status == STATUS_OK)
		status = preload();
	return status == STATUS_OK ? execute(argv + optind) : status;
}
