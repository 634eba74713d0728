/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * asan_runtime.c - part of build-asan/asan-runtime.so (see the Makefile). Programs that open their modules with RTLD_DEEPBIND would
 * have these call libc's free() for memory of the runtime's malloc(), so the runtime ends them; here they open ordinary ones.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

void *__interceptor_dlopen(const char *file, int mode);

void *dlopen(const char *file, int mode)
{
	return __interceptor_dlopen(file, mode & ~RTLD_DEEPBIND);
}
