/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - messages to the operator, on stderr, one line each: "kbaccel[PID]: warn: text".
 *
 * A line is formatted on the stack and leaves in one write(2); nothing is allocated and errno is kept, so any
 * code of the library may log from any context but a signal-unsafe vsnprintf conversion (%f and locale ones). Where the program's
 * seccomp filter forbids what it takes, nothing is written.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

extern enum log_level log_threshold;

/*
 * Remembers what stderr is. A daemon closes it and opens its own files under that number: to those nothing is
 * written.
 */
void log_init(void);

/* Writes the line if @level is at or above the threshold (KBACCEL_LOG). */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Does the program's seccomp filter forbid what it takes to write a line, or to know what stderr is now? */
bool log_is_silenced(void);

/* A line for later, when it could not be made any more: nothing if it is not to be written. */
struct log_line {
	int len;
	char text[1024];
};
void log_prepare(struct log_line *l, enum log_level level, const char *text, ...)
	__attribute__((format(printf, 3, 4)));
void log_put(const struct log_line *l);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (__builtin_expect(log_threshold >= LOG_LEVEL_DEBUG, 0))                         \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                   \
	} while (0)

#endif
