/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - messages to the operator, on stderr, one line each: "kbaccel[PID]: warn: text".
 *
 * A line is formatted on the stack and leaves in one write(2); nothing is allocated and errno is kept, so any
 * code of the library may log from any context but a signal-unsafe vsnprintf conversion (%f and locale ones).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

extern enum log_level log_threshold;

/*
 * Remembers what stderr is. A daemon closes it and opens its own files under that number: to those nothing is
 * written.
 */
void log_init(void);

/* The program enters seccomp: it may be killed for the calls that it takes to know what stderr is now. Nothing more is written. */
void log_silence(void);

/* Writes the line if @level is at or above the threshold (KBACCEL_LOG). */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (__builtin_expect(log_threshold >= LOG_LEVEL_DEBUG, 0))                         \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                   \
	} while (0)

#endif
