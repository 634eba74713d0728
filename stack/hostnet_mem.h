/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_mem.h - memory for the mirrored tables: anonymous mappings that grow.
 *
 * Tables change while notifications are read, which may happen inside a signal handler of the host
 * program that interrupted malloc(): so the tables never use it.
 */
#ifndef STACK_HOSTNET_MEM_H
#define STACK_HOSTNET_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/ipaddr.h"

struct hostnet_mem {
	void *base;
	size_t bytes;
};

/* Makes room for @bytes at least, keeping what is there; the new part is zero. 0 or -ENOMEM. */
int hostnet_mem_grow(struct hostnet_mem *mem, size_t bytes);

/* A fresh, zeroed block of @bytes in *@mem, whatever was in there. 0 or -ENOMEM. */
int hostnet_mem_new(struct hostnet_mem *mem, size_t bytes);

void hostnet_mem_free(struct hostnet_mem *mem);

/*
 * A hash for tables that are indexed by its low bits. ipaddr_hash() alone will not do: for IPv4 its
 * low bits come from the first octets only.
 */
static inline uint32_t hostnet_hash(const struct ipaddr *addr, uint32_t salt)
{
	uint32_t h = ipaddr_hash(addr) + salt * 0x9e3779b1u;

	h = (h ^ h >> 16) * 0x7feb352du;
	h = (h ^ h >> 15) * 0x846ca68bu;
	return h ^ h >> 16;
}

/* Takes memory for all that is to come, before the program forbids itself mmap(). */
void hostnet_mem_confine(void);

#endif
