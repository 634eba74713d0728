/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_config.c - `kbaccel config`: the settings as the library would read them from this
 * environment.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "tools/cmd.h"

static const char usage[] =
	"Usage: kbaccel config\n"
	"Lists every setting (environment variable) with the value in force, where it comes from, what is\n"
	"allowed and what it does. Exit status: 0; 1 if a value is malformed or a KBACCEL_* name unknown.\n";

/* A malformed value; false when it is fine or not set. */
static bool print_problem(const struct config_setting *s)
{
	static struct config scratch;
	char why[CONFIG_WHY_LEN], shown[80];
	const char *value = getenv(s->name);

	config_defaults(&scratch);
	if (!value || config_set(&scratch, s->name, value, why, sizeof(why)) == 0)
		return false;
	cmd_clean_text(value, strlen(value), shown, sizeof(shown));
	printf("    MALFORMED: \"%s\": %s\n", shown, why);
	return true;
}

static bool print_setting(const struct config_setting *s, size_t i)
{
	static char value[CONFIG_MAX_PORT_RULES * 72];
	bool given = config_value(i, value, sizeof(value));

	printf("%s=%s%s%s  (%s)\n", s->name, value, s->unit[0] && value[0] ? " " : "",
	       value[0] ? s->unit : "",
	       given	  ? "environment"
	       : value[0] ? "default"
			  : "not set");
	printf("    %s\n", s->help);
	printf("    allowed: %s%s%s", s->range, s->unit[0] ? " " : "", s->unit);
	if (s->def[0])
		printf("; default: %s", s->def);
	putchar('\n');
	return print_problem(s);
}

static bool print_unknown(void)
{
	char shown[64];
	const char *name;
	size_t pos = 0, len;
	bool any = false;

	while ((len = config_unknown(environ, &pos, &name)) > 0) {
		cmd_clean_text(name, len, shown, sizeof(shown));
		printf("%s  UNKNOWN: did you mean %s?\n", shown, config_nearest(name, len));
		any = true;
	}
	return any;
}

int cmd_config(int argc, char **argv)
{
	const struct config_setting *settings;
	int status = cmd_only_help(argc, argv, usage);
	size_t n = config_settings(&settings), i;
	bool bad = false;

	if (status >= 0)
		return status;
	if (optind < argc)
		return cmd_misused("config", "unexpected argument \"%s\"", argv[optind]);
	config_init(false);
	for (i = 0; i < n; i++)
		bad |= print_setting(&settings[i], i);
	bad |= print_unknown();
	return bad ? STATUS_NO : STATUS_OK;
}
