/* SPDX-License-Identifier: BSD-3-Clause */
/* log.c - see log.h. The system call is made directly: stderr may be a socket of ours (inetd). */
#define _GNU_SOURCE
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rawcall.h"
#include "base/relaxed.h"

enum log_level log_threshold = LOG_LEVEL_WARN;

static struct stat stderr_was;
static bool stderr_watched, stderr_open, silent;

void log_init(void)
{
	stderr_open = fstat(STDERR_FILENO, &stderr_was) == 0;
	stderr_watched = true;
}

void log_silence(void)
{
	relaxed_set(silent, true);
}

static bool stderr_is_the_same(void)
{
	struct stat now;

	if (!stderr_watched)
		return true;
	return stderr_open && fstat(STDERR_FILENO, &now) == 0 && now.st_dev == stderr_was.st_dev &&
	       now.st_ino == stderr_was.st_ino;
}

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void log_write(enum log_level level, const char *format, ...)
{
	char line[1024];
	int saved = errno, n, m;
	va_list ap;

	if (level > log_threshold || relaxed_get(silent) || !stderr_is_the_same()) {
		errno = saved;
		return;
	}
	n = snprintf(line, sizeof(line), "kbaccel[%d]: %s: ", (int)getpid(), level_names[level]);
	va_start(ap, format);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, ap);
	va_end(ap);
	if (m > 0)
		n += m < (int)sizeof(line) - n - 1 ? m : (int)sizeof(line) - n - 2;
	line[n++] = '\n';
	rawcall6(SYS_write, STDERR_FILENO, (long)line, n, 0, 0, 0);
	errno = saved;
}
