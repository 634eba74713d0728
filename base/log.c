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

#include "base/sandbox.h"

#ifdef SYS_newfstatat
#define STAT_CALL SYS_newfstatat
#else
#define STAT_CALL SYS_fstatat
#endif

enum log_level log_threshold = LOG_LEVEL_WARN;

static struct stat stderr_was;
static bool stderr_watched, stderr_open;

void log_init(void)
{
	stderr_open = fstat(STDERR_FILENO, &stderr_was) == 0;
	stderr_watched = true;
}

bool log_is_silenced(void)
{
	return sandbox_forbids(SYS_write) || sandbox_forbids(SYS_getpid) ||
	       sandbox_forbids(STAT_CALL);
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

static void format(struct log_line *l, enum log_level level, const char *text, va_list ap)
{
	int room = (int)sizeof(l->text), n, m;

	n = snprintf(l->text, sizeof(l->text), "kbaccel[%d]: %s: ", (int)getpid(),
		     level_names[level]);
	m = vsnprintf(l->text + n, (size_t)(room - n - 1), text, ap);
	if (m > 0)
		n += m < room - n - 1 ? m : room - n - 2;
	l->text[n++] = '\n';
	l->len = n;
}

void log_prepare(struct log_line *l, enum log_level level, const char *text, ...)
{
	int saved = errno;
	va_list ap;

	l->len = 0;
	if (level <= log_threshold && !log_is_silenced() && stderr_is_the_same()) {
		va_start(ap, text);
		format(l, level, text, ap);
		va_end(ap);
	}
	errno = saved;
}

void log_put(const struct log_line *l)
{
	if (l->len)
		own_call6(SYS_write, STDERR_FILENO, (long)l->text, l->len, 0, 0, 0);
}

void log_write(enum log_level level, const char *text, ...)
{
	struct log_line l = { .len = 0 };
	int saved = errno;
	va_list ap;

	if (level <= log_threshold && !log_is_silenced() && stderr_is_the_same()) {
		va_start(ap, text);
		format(&l, level, text, ap);
		va_end(ap);
	}
	log_put(&l);
	errno = saved;
}
