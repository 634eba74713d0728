/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slab.h - objects of one size from memory of our own (mmap), never returned to the system.
 *
 * The library must not call malloc() on its data path: the call may come from a signal handler, or from inside the program's own
 * allocator. Freed objects keep their type: a reader that raced with a free still looks at such an object, which
 * is what the lock-free look-up of the fd table relies on (SLAB_SHOWN()).
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

#include "base/lock.h"

struct slab_free {
	struct slab_free *next;
};

struct slab {
	size_t size;  /* of an object; a multiple of 16 */
	size_t link;  /* where in a free object the link lives */
	size_t shown; /* bytes at the beginning of a free object that may be read */
	size_t limit; /* objects at most, 0: no limit */
	struct lock lock;
	struct slab_free *free; /* objects that were used before */
	char *fresh;		/* memory that was not: objects are cut off it one by one */
	size_t fresh_left;	/* objects in it */
	size_t total, in_use;
	struct slab *next; /* all slabs that own memory, for slab_forked() */
};

/*
 * @link_field: a pointer-sized field which may be overwritten while the object is free. Nobody looks at a free object, or, with
 * SLAB_SHOWN(), at its first @bytes only (a sanitizer watches over it).
 */
#define SLAB(type, link_field, max) SLAB_SHOWN(type, link_field, max, 0)
#define SLAB_SHOWN(type, link_field, max, bytes)                                                   \
	{                                                                                          \
		.size = (sizeof(type) + 15) & ~(size_t)15, .link = offsetof(type, link_field),     \
		.shown = (bytes), .limit = (max)                                                   \
	}

/* An object with old contents (zero the first time), or NULL: limit reached, no memory, or re-entered by a signal handler. */
void *slab_get(struct slab *s);
void slab_put(struct slab *s, void *object);

/* In the child of a fork: threads that held a slab's lock are gone. */
void slab_forked(void);

/*
 * Takes address space for @n objects now, so that so many slab_get() calls need no system call: a sandboxed server may not be
 * allowed mmap() any more. Pages are touched only when objects on them are handed out.
 */
void slab_reserve(struct slab *s, size_t n);

#endif
