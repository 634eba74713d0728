/* SPDX-License-Identifier: BSD-3-Clause */
/* kbaccel.c - the operator's tool: a table of commands (cmd_*.c) and what they share. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "run", cmd_run, "start a program with acceleration" },
	{ "check", cmd_check, "can this host and its interfaces accelerate, and if not, what to do" },
	{ "stat", cmd_stat, "counters of accelerated processes, their queues and sockets" },
	{ "capture", cmd_capture,
	  "the datagrams that go past the kernel, as tcpdump and Wireshark read them" },
	{ "config", cmd_config, "every setting, its value and where that comes from" },
	{ "clean", cmd_clean, "remove what dead processes left behind" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void cmd_complain(const char *format, ...)
{
	va_list ap;

	fputs("kbaccel: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int cmd_misused(const char *command, const char *format, ...)
{
	va_list ap;

	if (format) {
		fprintf(stderr, "kbaccel %s: ", command);
		va_start(ap, format);
		vfprintf(stderr, format, ap);
		va_end(ap);
		fputc('\n', stderr);
	}
	fprintf(stderr, "Try `kbaccel %s --help`.\n", command);
	return STATUS_USAGE;
}

int cmd_only_help(int argc, char **argv, const char *usage)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 'h')
			return cmd_misused(argv[0], NULL);
		fputs(usage, stdout);
		return STATUS_OK;
	}
	return -1;
}

int cmd_find_file(const char *file, char *path, size_t len)
{
	static const char *const places[] = { "%s/%s", "%s/../lib/%s", "%s/../lib/kbaccel/%s",
					      "%s/../lib64/%s", "%s/../lib64/kbaccel/%s" };
	char own[PATH_MAX], candidate[2 * PATH_MAX], found[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	size_t i;

	own[n > 0 ? n : 0] = '\0';
	if (strrchr(own, '/'))
		*strrchr(own, '/') = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]) + 2; i++) {
		if (i < sizeof(places) / sizeof(places[0]))
			snprintf(candidate, sizeof(candidate), places[i], own, file);
		else
			snprintf(candidate, sizeof(candidate), "%s/%s%s", KBACCEL_LIBDIR,
				 i % 2 ? "" : "../", file);
		if (access(candidate, R_OK) == 0 && realpath(candidate, found)) {
			snprintf(path, len, "%s", found);
			return 0;
		}
	}
	return -ENOENT;
}

void cmd_clean_text(const char *from, size_t size, char *text, size_t len)
{
	size_t i;

	for (i = 0; i < size && i < len - 1 && from[i]; i++)
		text[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
	text[i] = '\0';
}

static void print_usage(FILE *out)
{
	size_t i;

	fputs("Usage: kbaccel COMMAND [OPTION...] [ARGUMENT...]\n"
	      "Kernel bypass for unmodified UDP programs.\n\n",
	      out);
	for (i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\n`kbaccel COMMAND --help` tells more; `kbaccel --version` prints the version.\n",
	      out);
}

static int run_command(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[0], commands[i].name) == 0) {
			optind = 0;
			return commands[i].run(argc, argv);
		}
	}
	cmd_complain("unknown command \"%s\"", argv[0]);
	print_usage(stderr);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
						 { "version", no_argument, NULL, 'V' },
						 { 0 } };
	int option, status;

	while ((option = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		if (option == 'h')
			print_usage(stdout);
		else if (option == 'V')
			printf("kbaccel %s\n", KBACCEL_VERSION);
		return option == '?' ? cmd_misused("", NULL) : STATUS_OK;
	}
	if (optind == argc) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	status = run_command(argc - optind, argv + optind);
	if (fflush(stdout) || ferror(stdout)) {
		cmd_complain("cannot write: %s", strerror(errno));
		return STATUS_NO;
	}
	return status;
}
