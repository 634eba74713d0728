/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdtable.h - from a file descriptor to what we keep for it: a UDP socket or an epoll set.
 *
 * Two levels of plain arrays, filled as numbers are used, so that a huge RLIMIT_NOFILE costs nothing. Look-ups take no lock:
 * read the slot, take a reference, read the slot again; objects are type-stable, so the first read
 * may be stale but never wild. A descriptor without an entry is the kernel's alone.
 */
#ifndef STACK_FDTABLE_H
#define STACK_FDTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/single_threaded.h>

#include "base/relaxed.h"

#define FDTABLE_PAGE 1024
#define FDTABLE_PAGES 1024 /* descriptors above 2^20 stay with the kernel */

enum file_kind { FILE_SOCK = 1, FILE_EPOLL };

/* What every kind begins with. */
struct file {
	int kind;  /* 0: a free object, at which a look-up may still be looking */
	int refs;  /* table slots plus calls in progress */
	int slots; /* of the table: 0 once the program has closed it everywhere */
};

struct sock;
struct epoll_set;

extern struct file **fdtable_page[FDTABLE_PAGES];
extern unsigned fdtable_used; /* slots filled; 0: every look-up fails at once */

static inline bool fdtable_in_use(void)
{
	return relaxed_get(fdtable_used) != 0;
}

static inline void file_hold(struct file *f)
{
	if (__libc_single_threaded)
		f->refs++;
	else
		__atomic_add_fetch(&f->refs, 1, __ATOMIC_ACQUIRE);
}

/* A reference from a pointer that may be stale: false if the object is gone already. */
static inline bool file_hold_live(struct file *f)
{
	int n = relaxed_get(f->refs);

	if (__libc_single_threaded) {
		f->refs += n != 0;
		return n != 0;
	}
	do {
		if (n == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&f->refs, &n, n + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

/* Destroys the object with its last reference. */
void file_destroy(struct file *f);

static inline void file_put(struct file *f)
{
	int left;

	if (__libc_single_threaded)
		left = --f->refs;
	else
		left = __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL);
	if (__builtin_expect(left == 0, 0))
		file_destroy(f);
}

static inline struct file *fdtable_peek(int fd)
{
	struct file **page;

	if (!fdtable_in_use() || (unsigned)fd >= FDTABLE_PAGE * FDTABLE_PAGES)
		return NULL;
	page = __atomic_load_n(&fdtable_page[(unsigned)fd / FDTABLE_PAGE], __ATOMIC_ACQUIRE);
	return page ? __atomic_load_n(&page[(unsigned)fd % FDTABLE_PAGE], __ATOMIC_ACQUIRE) : NULL;
}

/* The object of @fd if it is of @kind, with a reference that file_put() returns; else NULL. */
static inline struct file *fdtable_get(int fd, enum file_kind kind)
{
	struct file *f = fdtable_peek(fd);

	if (__builtin_expect(!f, 1) || relaxed_get(f->kind) != (int)kind || !file_hold_live(f))
		return NULL;
	if (__builtin_expect(fdtable_peek(fd) == f && relaxed_get(f->kind) == (int)kind, 1))
		return f;
	file_put(f);
	return NULL;
}

static inline struct sock *fdtable_sock(int fd)
{
	return (struct sock *)fdtable_get(fd, FILE_SOCK);
}

static inline struct epoll_set *fdtable_epoll(int fd)
{
	return (struct epoll_set *)fdtable_get(fd, FILE_EPOLL);
}

static inline void sock_put(struct sock *s)
{
	file_put((struct file *)s);
}

static inline void epoll_put(struct epoll_set *ep)
{
	file_put((struct file *)ep);
}

/* Gives @fd the object @f (one more reference), or none; whatever was there before loses its slot. False: no room. */
bool fdtable_set(int fd, struct file *f);

/* The descriptor is gone (closed, or replaced). */
void fdtable_clear(int fd);

/* The same for all from @first to @last. */
void fdtable_clear_range(unsigned first, unsigned last);

/* @to now names the same open file as @from. */
void fdtable_dup(int from, int to);

/*
 * This process's id. The child of a vfork shares our memory but not our descriptors: what it closes and copies before it
 * runs another program must not change the table.
 */
void fdtable_set_owner(void);
extern int fdtable_owner;

/* Is this another process, with the memory of the one whose table it is (vfork()), or one that no fork handler was run for? */
bool fdtable_is_foreign(void);

/* Calls @fn for each descriptor that has an object. */
void fdtable_each(void (*fn)(int fd, struct file *f));

#endif
