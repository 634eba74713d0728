/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poison.h - tells AddressSanitizer which memory of our own allocators nobody may touch at the moment: free objects of slabs,
 * frames that belong to the NIC or the pool. Nothing in other builds.
 *
 * What is poisoned is known to this process only: the child of a fork has what its parent knew then.
 */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#include <stddef.h>

#ifdef __SANITIZE_ADDRESS__

#include <sanitizer/asan_interface.h>

#define POISON_GAP 16 /* bytes behind each object of a slab that are never anybody's */

static inline void poison(const void *p, size_t len)
{
	__asan_poison_memory_region(p, len);
}

static inline void unpoison(const void *p, size_t len)
{
	__asan_unpoison_memory_region(p, len);
}

#else

#define POISON_GAP 0

static inline void poison(const void *p, size_t len)
{
	(void)p;
	(void)len;
}

static inline void unpoison(const void *p, size_t len)
{
	(void)p;
	(void)len;
}

#endif
#endif
