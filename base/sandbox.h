/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandbox.h - what the program's own seccomp filter leaves to the library.
 *
 * A filter knows the calls of the program, not ours, and may kill for any other. It is seen when the program installs it
 * (preload/privileges.c), and is asked then about each call in sandbox.def. From then on what the library does on its own
 * account goes through own_call6(): a call that the filter would not let through is not made, and says -EPERM.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rawcall.h"
#include "base/relaxed.h"

struct sock_fprog;

#define SANDBOX_CALLS 512

struct sandbox {
	bool entered;			      /* there is a filter that we know of */
	bool opens;			      /* it allows all that it takes to open interfaces */
	uint64_t allowed[SANDBOX_CALLS / 64]; /* of those in sandbox.def */
};

extern struct sandbox sandbox;

/*
 * What remains of @now with another filter, @prog, or with NULL in seccomp's strict mode. Its instructions have to be readable; a
 * filter that the kernel would refuse allows nothing.
 */
struct sandbox sandbox_with(const struct sandbox *now, const struct sock_fprog *prog);

/* From now on the library keeps to @s. */
void sandbox_set(const struct sandbox *s);

/* The first call, by name, that the data path cannot do without and that @s forbids; NULL: all are there. */
const char *sandbox_lacks(const struct sandbox *s);

static inline bool sandbox_forbids_in(const struct sandbox *s, long nr)
{
	return s->entered && (nr < 0 || nr >= SANDBOX_CALLS ||
			      !(relaxed_get(s->allowed[nr / 64]) >> (nr % 64) & 1));
}

/* Would call number @nr, as the library makes it, be stopped? */
static inline bool sandbox_forbids(long nr)
{
	return __builtin_expect(relaxed_get(sandbox.entered), 0) && sandbox_forbids_in(&sandbox, nr);
}

/* As rawcall6(), but -EPERM instead of a call that the program's filter forbids. */
static inline long own_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	return sandbox_forbids(nr) ? -EPERM : rawcall6(nr, a, b, c, d, e, f);
}

#endif
