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

#include "base/rawcall.h"

#define GRANULE 16384 /* a small table needs no second mapping */

int hostnet_mem_new(struct hostnet_mem *mem, size_t bytes)
{
	long ret;

	bytes = (bytes + GRANULE - 1) & ~(size_t)(GRANULE - 1);
	ret = rawcall6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ret < 0 && ret >= -4095)
		return -ENOMEM;
	mem->base = (void *)ret;
	mem->bytes = bytes;
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
	if (mem->bytes)
		rawcall6(SYS_munmap, (long)mem->base, (long)mem->bytes, 0, 0, 0, 0);
	mem->base = NULL;
	mem->bytes = 0;
}
