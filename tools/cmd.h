/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd.h - the commands of `kbaccel` and what they share. A command gets argv with its own name in
 * argv[0] and returns the exit status: 0 yes, 1 no (nothing found, cannot accelerate ...), 2 wrong
 * usage.
 */
#ifndef TOOLS_CMD_H
#define TOOLS_CMD_H

#include <stddef.h>

enum { STATUS_OK, STATUS_NO, STATUS_USAGE };

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_capture(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_clean(int argc, char **argv);

/* "kbaccel: text" on stderr; returns STATUS_USAGE, with a hint at `kbaccel COMMAND --help`. */
int cmd_misused(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "kbaccel: text" on stderr. */
void cmd_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * For commands without options of their own: handles --help and refuses other options. -1: go on at
 * optind.
 */
int cmd_only_help(int argc, char **argv, const char *usage);

/*
 * The full path of "libkbaccel.so" or "kbaccel-xdp.so": beside this program (a build directory),
 * else where `make install` puts it. 0 or -ENOENT.
 */
int cmd_find_file(const char *file, char *path, size_t len);

/*
 * Copies at most @len - 1 characters of foreign text; what a terminal could take for a command
 * becomes "?".
 */
void cmd_clean_text(const char *from, size_t size, char *text, size_t len);

#endif
