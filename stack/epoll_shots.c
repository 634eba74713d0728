/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_shots.c - a one-shot member is reported once, by the kernel or by us, to one thread.
 *
 * The kernel's answer and the lock under which we act on it are two things, and between them another thread may report the member, and the
 * program arm it again. So each change on our side has a number. What the kernel said to a call that began before the last one may be
 * of the time before: it is void, and what is armed is made to fire again, so that nothing is lost.
 *
 * Each process knows its own side only. Children of a fork have all sets of the parent, but hardly any uses one: most execute another
 * program, or make their own. A word of memory that all relatives share says whether one ever has; from then on nothing is void.
 */
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/config.h"
#include "base/kernel.h"
#include "base/sandbox.h"
#include "stack/epoll_internal.h"

static uint32_t *used;
static uint32_t unknown; /* instead, where no memory is to be had */

void epoll_shared_prepare(void)
{
	long mem;

	if (used || !config_active())
		return;
	mem = own_call6(SYS_mmap, 0, sizeof(*used), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unknown = mem < 0 && mem >= -4095;
	used = unknown ? &unknown : (uint32_t *)mem;
}

void epoll_shared_note(const struct epoll_set *ep)
{
	if (__builtin_expect(relaxed_get(ep->inherited), 0) && used)
		relaxed_set(*used, 1);
}

static bool is_shared(void)
{
	return used && relaxed_get(*used);
}

static bool has_fd(const struct epoll_item *it)
{
	return it->child || fdtable_peek(it->fd) == (const struct file *)it->sock;
}

void epoll_disarm(struct epoll_item *it, int epfd)
{
	struct epoll_event none = { .events = EPOLLONESHOT | EPOLLET,
				    .data.u64 = epoll_kernel_data(it) };

	relaxed_set(it->armed, false);
	if (has_fd(it) && kernel_epoll_ctl(epfd, EPOLL_CTL_MOD, it->fd, &none) == 0)
		epoll_set_ghost(it, true);
	epoll_count_shot(it);
}

/* It may have fired, for nobody: once more, if it is still to. False: it cannot be told. */
static bool rearm(struct epoll_item *it, int epfd)
{
	struct epoll_event again = { .events = it->events, .data.u64 = epoll_kernel_data(it) };

	return !it->armed ||
	       (has_fd(it) && kernel_epoll_ctl(epfd, EPOLL_CTL_MOD, it->fd, &again) == 0);
}

bool epoll_is_void(struct epoll_item *it, int epfd, const struct epoll_event *event, uint64_t seen)
{
	const struct epoll_set *ep = it->set;

	if (!(it->events & EPOLLONESHOT) || relaxed_get(ep->inherited) || relaxed_get(ep->blind) ||
	    is_shared())
		return false;
	if (it->shot > seen && (it->counted || it->child))
		return rearm(it, epfd);
	return it->ghost && !it->armed && !(event->events & ~(uint32_t)(EPOLLERR | EPOLLHUP));
}
