/* SPDX-License-Identifier: BSD-3-Clause */
/* fdtable.c - see fdtable.h. */
#define _GNU_SOURCE
#include "stack/fdtable.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "stack/epoll.h"
#include "stack/sock.h"

struct file **fdtable_page[FDTABLE_PAGES];
unsigned fdtable_used;

int fdtable_owner;

void fdtable_set_owner(void)
{
	fdtable_owner = kernel_getpid();
}

bool fdtable_is_foreign(void)
{
	int pid = kernel_getpid();

	/* Where even that is forbidden nothing is forked. */
	return pid > 0 && pid != fdtable_owner;
}

void file_destroy(struct file *f)
{
	if (f->kind == FILE_SOCK)
		sock_destroy((struct sock *)f);
	else if (f->kind == FILE_EPOLL)
		epoll_destroy((struct epoll_set *)f);
}

static struct file **page_at(unsigned i)
{
	return __atomic_load_n(&fdtable_page[i], __ATOMIC_ACQUIRE);
}

static struct file **page_of(unsigned fd)
{
	struct file **page = page_at(fd / FDTABLE_PAGE), **none = NULL;
	long mem;

	if (page)
		return page;
	mem = own_call6(SYS_mmap, 0, FDTABLE_PAGE * sizeof(*page), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem < 0 && mem >= -4095)
		return NULL;
	page = (struct file **)mem;
	if (__atomic_compare_exchange_n(&fdtable_page[fd / FDTABLE_PAGE], &none, page, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return page;
	own_call6(SYS_munmap, mem, FDTABLE_PAGE * sizeof(*page), 0, 0, 0, 0);
	return none;
}

static void forget(struct file *f)
{
	__atomic_sub_fetch(&fdtable_used, 1, __ATOMIC_RELAXED);
	if (__atomic_sub_fetch(&f->slots, 1, __ATOMIC_ACQ_REL) == 0 && f->kind == FILE_SOCK)
		sock_closed((struct sock *)f);
	file_put(f);
}

bool fdtable_set(int fd, struct file *f)
{
	struct file **page, *old;

	if ((unsigned)fd >= FDTABLE_PAGE * FDTABLE_PAGES || fdtable_is_foreign())
		return false;
	page = page_of((unsigned)fd);
	if (!page)
		return false;
	file_hold(f);
	__atomic_add_fetch(&f->slots, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&fdtable_used, 1, __ATOMIC_RELAXED);
	old = __atomic_exchange_n(&page[(unsigned)fd % FDTABLE_PAGE], f, __ATOMIC_ACQ_REL);
	if (old)
		forget(old);
	return true;
}

void fdtable_clear(int fd)
{
	struct file *old;

	if (!fdtable_peek(fd) || fdtable_is_foreign())
		return;
	old = __atomic_exchange_n(&fdtable_page[fd / FDTABLE_PAGE][fd % FDTABLE_PAGE], NULL,
				  __ATOMIC_ACQ_REL);
	if (old)
		forget(old);
}

void fdtable_clear_range(unsigned first, unsigned last)
{
	if (last >= FDTABLE_PAGE * FDTABLE_PAGES)
		last = FDTABLE_PAGE * FDTABLE_PAGES - 1;
	if (!fdtable_in_use() || fdtable_is_foreign())
		return;
	for (unsigned fd = first; fdtable_in_use() && fd <= last; fd++) {
		if (!page_at(fd / FDTABLE_PAGE))
			fd |= FDTABLE_PAGE - 1; /* nothing on this page */
		else
			fdtable_clear((int)fd);
	}
}

void fdtable_dup(int from, int to)
{
	struct file *f = fdtable_peek(from);

	if (from == to)
		return;
	if (!f || !file_hold_live(f)) {
		fdtable_clear(to);
		return;
	}
	if (!fdtable_set(to, f))
		fdtable_clear(to);
	file_put(f);
}

/* Like a look-up: other threads close descriptors meanwhile. */
static void visit(int fd, void (*fn)(int fd, struct file *f))
{
	struct file *f = fdtable_peek(fd);

	if (!f || !file_hold_live(f))
		return;
	if (fdtable_peek(fd) == f)
		fn(fd, f);
	file_put(f);
}

void fdtable_each(void (*fn)(int fd, struct file *f))
{
	for (int p = 0; p < FDTABLE_PAGES; p++)
		for (int i = 0; page_at((unsigned)p) && i < FDTABLE_PAGE; i++)
			visit(p * FDTABLE_PAGE + i, fn);
}
