/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usermem.h - the program's buffers, which may be bad: the kernel answers EFAULT, so must we, never SIGSEGV.
 *
 * A page that a thread uses for the first time is tried by a system call (the kernel copies one byte there or from there, and
 * says whether it could); after that the thread remembers it. A buffer that is unmapped after it was used once is not
 * noticed: the price of not paying a system call for each datagram.
 */
#ifndef STACK_USERMEM_H
#define STACK_USERMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#define USERMEM_BITS 7
#define USERMEM_SLOTS (1 << USERMEM_BITS)
#define USERMEM_SHIFT 12
#ifdef __aarch64__
#define USERMEM_TOP 48 /* bits of an address that may be the program's */
#else
#define USERMEM_TOP 47
#endif

struct usermem_cache {
	uintptr_t readable[USERMEM_SLOTS], writable[USERMEM_SLOTS]; /* page numbers + 1; 0 none */
};

extern __thread struct usermem_cache usermem_cache __attribute__((tls_model("initial-exec")));

/* Opens what the trials need; once, before any other call. 0 or -errno (then every page counts as good). */
int usermem_init(void);

bool usermem_try_write(void *p, size_t len);
bool usermem_try_read(const void *p, size_t len);

/* Buffers come in arrays with large strides: neighbouring slots must not depend on low bits alone. */
static inline uintptr_t usermem_slot(uintptr_t page)
{
	return (page * (uintptr_t)0x9e3779b97f4a7c15ull) >> (8 * sizeof(page) - USERMEM_BITS);
}

static inline bool usermem_page_known(const uintptr_t *table, uintptr_t page)
{
	return table[usermem_slot(page)] == page + 1;
}

/*
 * Can @len bytes at @p be written? Their first byte in each page may be overwritten by the trial, so ask only for what will be written
 * anyway.
 */
static inline bool usermem_writable(void *p, size_t len)
{
	uintptr_t first = (uintptr_t)p >> USERMEM_SHIFT;
	uintptr_t last = ((uintptr_t)p + len - 1) >> USERMEM_SHIFT;

	if (__builtin_expect(len == 0, 0))
		return true;
	if (__builtin_expect(last - first <= 1, 1) &&
	    usermem_page_known(usermem_cache.writable, first) &&
	    (first == last || usermem_page_known(usermem_cache.writable, last)))
		return true;
	return usermem_try_write(p, len);
}

/* The same for an object that keeps its contents, of at most 64 bytes. */
static inline bool usermem_writable_kept(void *p, size_t len)
{
	uint8_t copy[64];
	bool ok;

	if (__builtin_expect(usermem_page_known(usermem_cache.writable,
						(uintptr_t)p >> USERMEM_SHIFT) &&
				     usermem_page_known(usermem_cache.writable,
							((uintptr_t)p + len - 1) >> USERMEM_SHIFT),
			     1))
		return true;
	memcpy(copy, p, len); /* known to be readable */
	ok = usermem_try_write(p, len);
	if (ok)
		memcpy(p, copy, len);
	return ok;
}

static inline bool usermem_readable(const void *p, size_t len)
{
	uintptr_t first = (uintptr_t)p >> USERMEM_SHIFT;
	uintptr_t last = ((uintptr_t)p + len - 1) >> USERMEM_SHIFT;

	if (__builtin_expect(len == 0, 0))
		return true;
	if (__builtin_expect(last - first <= 1, 1) &&
	    usermem_page_known(usermem_cache.readable, first) &&
	    (first == last || usermem_page_known(usermem_cache.readable, last)))
		return true;
	return usermem_try_read(p, len);
}

/*
 * Nothing that the kernel refuses before it looks at the memory itself (access_ok(), a negative length). False: it has to be
 * asked, usermem_judge().
 */
static inline bool usermem_plain(const void *p, size_t len)
{
	uintptr_t at = (uintptr_t)p;

	return (((at | (at + len)) >> USERMEM_TOP) | (len >> 31)) == 0;
}

/*
 * The kernel's verdict on the arguments of a receive call, @nr with @a, @b, @offset, 0 and @flags after the descriptor: it is
 * asked on a socket that never has a datagram. -EAGAIN: it has nothing against them; else the call's result.
 */
long usermem_judge(long nr, const void *a, size_t b, long offset, long flags);

/* Copies what fits in front of the page where it can not, after usermem_writable() has said no. */
void usermem_copy_part(void *to, const void *from, size_t len);

/* Copies to the program; false: EFAULT, and as much as could be written was, as in copy_to_user(). */
static inline bool usermem_copy(void *to, const void *from, size_t len)
{
	if (__builtin_expect(usermem_writable(to, len), 1)) {
		memcpy(to, from, len);
		return true;
	}
	usermem_copy_part(to, from, len);
	return false;
}

/* Copies the @len bytes at @data over the vector; stops where it ends. Bytes copied, or -EFAULT. */
ssize_t usermem_scatter(const struct iovec *iov, size_t n, const void *data, size_t len);

/* Can all of the vector be read? */
bool usermem_iov_readable(const struct iovec *iov, size_t n);

#endif
