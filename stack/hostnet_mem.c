/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet_mem.c - see hostnet_mem.h. System calls are made directly: errno is the host program's.
 */
#define _GNU_SOURCE
#include "stack/hostnet_mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/sandbox.h"

#define LEAST_KEPT (8 << 20)
#define GRANULE 16384 /* a small table needs no second mapping */

/* Where the program forbids itself mmap() and munmap(): what was taken before that, and what tables gave back. */
struct kept {
	struct kept *next;
	size_t bytes;
};

static struct kept *kept;
static size_t used;

static void keep(void *base, size_t bytes)
{
	struct kept *k = base;

	k->next = kept;
	k->bytes = bytes;
	kept = k;
}

static void *take_kept(size_t bytes)
{
	struct kept *k, **link = &kept;
	size_t rest;

	while ((k = *link) && k->bytes < bytes)
		link = &k->next;
	if (!k)
		return NULL;
	*link = k->next;
	rest = k->bytes - bytes;
	memset(k, 0, bytes);
	if (rest)
		keep((char *)k + bytes, rest);
	return k;
}

void hostnet_mem_confine(void)
{
	size_t bytes = 2 * used > LEAST_KEPT ? 2 * used : LEAST_KEPT;
	long ret = own_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (ret >= 0 || ret < -4095)
		keep((void *)ret, bytes);
}

int hostnet_mem_new(struct hostnet_mem *mem, size_t bytes)
{
	long ret;

	bytes = (bytes + GRANULE - 1) & ~(size_t)(GRANULE - 1);
	mem->bytes = bytes;
	mem->base = take_kept(bytes);
	if (mem->base)
		return 0;
	mem->bytes = 0;
	ret = own_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ret < 0 && ret >= -4095)
		return -ENOMEM;
	mem->base = (void *)ret;
	mem->bytes = bytes;
	used += bytes;
	return 0;
}

int hostnet_mem_grow(struct hostnet_mem *mem, size_t bytes)
{
	struct hostnet_mem fresh;
	int ret;

	if (bytes <= mem->bytes)
		return 0;
	ret = hostnet_mem_new(&fresh, bytes > 2 * mem->bytes ? bytes : 2 * mem->bytes);
	if (ret)
		return ret;
	if (mem->bytes)
		memcpy(fresh.base, mem->base, mem->bytes);
	hostnet_mem_free(mem);
	*mem = fresh;
	return 0;
}

void hostnet_mem_free(struct hostnet_mem *mem)
{
	if (mem->bytes && sandbox_forbids(SYS_munmap)) {
		keep(mem->base, mem->bytes);
	} else if (mem->bytes) {
		own_call6(SYS_munmap, (long)mem->base, (long)mem->bytes, 0, 0, 0, 0);
		used -= mem->bytes;
	}
	mem->base = NULL;
	mem->bytes = 0;
}
