/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rawcall.h - a system call without libc in between: for the time before the library is set up, and for code that must not
 * disturb errno. Not a cancellation point.
 */
#ifndef BASE_RAWCALL_H
#define BASE_RAWCALL_H

#include <errno.h>

/* Returns the kernel's answer: a value, or -errno in [-4095, -1]. */
static inline long rawcall6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
#else
#error "rawcall6: add this architecture's system call instruction"
#endif
}

/* libc's form of the same answer: -1 and errno. */
static inline long rawcall_errno(long ret)
{
	if (ret < 0 && ret >= -4095) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

#endif
