/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pollset.c - see pollset.h. The kernel is asked about every descriptor, shadows included; what it cannot know, datagrams
 * in our queues, is added to its answer.
 */
#include "stack/pollset.h"
#include "stack/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/fds.h"
#include "base/kernel.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/sock.h"
#include "stack/stack.h"
#include "stack/usermem.h"
#include "stack/wait.h"

#define READ_EVENTS (POLLIN | POLLRDNORM)
#define ON_STACK 128

struct spare;

/* One poll() in progress. */
struct poller {
	struct pollfd *fds; /* copy of the program's, with room for what wait.h adds */
	struct file **file; /* what each is to us, NULL for the kernel's */
	nfds_t n;
	struct pollfd few_fds[ON_STACK + WAIT_EXTRA];
	struct file *few_files[ON_STACK];
	struct spare *mapped; /* when there were too many for the arrays above */
};

static struct file *fast_file(int fd)
{
	struct file *f = fdtable_peek(fd);
	bool fast;

	if (!f)
		return NULL;
	f = fdtable_get(fd, (enum file_kind)relaxed_get(f->kind));
	if (!f)
		return NULL;
	fast = f->kind == FILE_SOCK ? sock_is_fast((struct sock *)f)
				    : epoll_is_fast((struct epoll_set *)f);
	if (fast)
		return f;
	file_put(f);
	return NULL;
}

static bool fd_is_fast(int fd)
{
	struct file *f = fast_file(fd);

	if (f)
		file_put(f);
	return f != NULL;
}

/* More than the process may have open: the kernel says EINVAL, whatever they are. Of few it says so when it is asked about them. */
static bool is_too_many(nfds_t n)
{
	struct rlimit64 limit = { 0, 0 };

	if (__builtin_expect(n <= ON_STACK, 1))
		return false;
	if (own_call6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0) < 0)
		limit.rlim_cur = FDTABLE_PAGE * FDTABLE_PAGES; /* it is forbidden to ask */
	return n > limit.rlim_cur || n > FDTABLE_PAGE * FDTABLE_PAGES;
}

/* Is an inherited socket waited for? Then it is time to adopt it. */
static void adopt_polled(const struct pollfd *fds, nfds_t n)
{
	if (!usermem_readable(fds, n * sizeof(*fds)))
		return;
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].events & READ_EVENTS)
			adopt_named(fds[i].fd);
}

bool poll_is_fast(const struct pollfd *fds, nfds_t n)
{
	if (adopt_any() && n && n <= FDTABLE_PAGE * FDTABLE_PAGES)
		adopt_polled(fds, n);
	if (!fdtable_in_use() || !stack_is_ready() || n == 0 || is_too_many(n) ||
	    !usermem_readable(fds, n * sizeof(*fds)))
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (__builtin_expect(fdtable_peek(fds[i].fd) != NULL, 0) &&
		    (fds[i].events & READ_EVENTS) && fd_is_fast(fds[i].fd))
			return true;
	return false;
}

/* What a large one took is kept for the next. */
static struct spare {
	size_t bytes;
} * spare;

static void unmap(struct spare *m)
{
	if (m)
		own_call6(SYS_munmap, (long)m, (long)m->bytes, 0, 0, 0, 0);
}

static struct spare *map(size_t bytes)
{
	struct spare *m = __atomic_exchange_n(&spare, NULL, __ATOMIC_ACQ_REL);
	long mem;

	if (m && m->bytes >= bytes)
		return m;
	unmap(m);
	mem = own_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem < 0 && mem >= -4095)
		return NULL;
	m = (struct spare *)mem;
	m->bytes = bytes;
	return m;
}

static void keep(struct spare *m)
{
	unmap(__atomic_exchange_n(&spare, m, __ATOMIC_ACQ_REL));
}

#define CONFINED_FDS 4096

static size_t bytes_for(nfds_t n)
{
	return sizeof(struct spare) + n * sizeof(struct file *) +
	       (n + WAIT_EXTRA) * sizeof(struct pollfd);
}

void poll_confine(void)
{
	struct spare *m = map(bytes_for(CONFINED_FDS));

	if (m)
		keep(m);
}

static bool poller_init(struct poller *p, nfds_t n)
{
	p->n = n;
	p->fds = p->few_fds;
	p->file = p->few_files;
	p->mapped = NULL;
	if (n <= ON_STACK)
		return true;
	p->mapped = map(bytes_for(n));
	if (!p->mapped)
		return false;
	p->file = (struct file **)(p->mapped + 1);
	p->fds = (struct pollfd *)(p->file + n);
	return true;
}

static void poller_end(void *arg)
{
	struct poller *p = arg;

	for (nfds_t i = 0; i < p->n; i++)
		if (p->file[i])
			file_put(p->file[i]);
	if (p->mapped)
		keep(p->mapped);
}

static void poller_fill(struct poller *p, const struct pollfd *fds)
{
	if (fds != p->fds)
		memcpy(p->fds, fds, p->n * sizeof(*fds));
	for (nfds_t i = 0; i < p->n; i++) {
		p->file[i] = fast_file(fds[i].fd);
		if (!p->file[i])
			continue;
		if (p->file[i]->kind == FILE_SOCK)
			sock_activate((struct sock *)p->file[i]);
		else
			epoll_activate((struct epoll_set *)p->file[i]);
	}
}

static bool file_readable(struct file *f)
{
	return f->kind == FILE_SOCK ? sock_readable((struct sock *)f)
				    : epoll_readable((struct epoll_set *)f);
}

static bool any_ready(void *arg)
{
	struct poller *p = arg;

	for (nfds_t i = 0; i < p->n; i++)
		if (p->file[i] && (p->fds[i].events & READ_EVENTS) && file_readable(p->file[i]))
			return true;
	return false;
}

/* Adds our events to the kernel's and counts the descriptors that have any. */
static int combine(struct poller *p)
{
	int count = 0;

	for (nfds_t i = 0; i < p->n; i++) {
		if (p->file[i] && file_readable(p->file[i]))
			p->fds[i].revents |= p->fds[i].events & READ_EVENTS;
		count += p->fds[i].revents != 0;
	}
	return count;
}

/* With something ready no signal is let in: the kernel does not say EINTR then. */
static int poll_once(struct poller *p, const sigset_t *mask)
{
	int r = kernel_ppoll(p->fds, p->n, (struct timespec){ 0, 0 }, any_ready(p) ? NULL : mask);

	return r < 0 ? r : combine(p);
}

static bool has_kernels(const struct poller *p)
{
	for (nfds_t i = 0; i < p->n; i++)
		if (!p->file[i] || (p->fds[i].events & POLLOUT) || p->file[i]->kind != FILE_SOCK)
			return true;
	return false;
}

static int poller_run(struct poller *p, uint64_t deadline, const sigset_t *mask)
{
	struct wait_target target = {
		.ready = any_ready, .arg = p, .mixed = has_kernels(p), .release = poller_end
	};
	int r, ready;

	for (;;) {
		wait_tick();
		stack_poll();
		if (deadline == 0 || any_ready(p)) {
			r = poll_once(p, mask);
			if (r || deadline == 0)
				return r;
		}
		r = wait_for(&target, p->fds, (unsigned)p->n, deadline, mask);
		if (r < 0)
			return r;
		/* After these two the kernel's answer for its side stands in revents. */
		if (r == WAIT_KERNEL)
			return combine(p);
		if (r == WAIT_TIMEOUT)
			deadline = 0;
		/* Frames may have come for somebody else: then it goes on. */
		if (r == WAIT_READY) {
			stack_poll();
			ready = combine(p);
			if (ready)
				return ready;
		}
	}
}

/* False: the array can not be written; as much of it as can is. */
static bool poller_answer(const struct poller *p, struct pollfd *fds)
{
	uintptr_t page, known = 0;

	for (nfds_t i = 0; i < p->n; i++) {
		page = ((uintptr_t)&fds[i + 1] - 1) >> USERMEM_SHIFT;
		if (page != known && !usermem_writable_kept(&fds[i], sizeof(*fds)))
			return false;
		known = page;
		fds[i].revents = p->fds[i].revents;
	}
	return true;
}

int poll_wait(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *mask)
{
	struct poller p;
	int r;

	if (!poller_init(&p, n))
		return -ENOMEM;
	poller_fill(&p, fds);
	r = poller_run(&p, deadline, mask);
	family_waited();
	if (r >= 0 && !poller_answer(&p, fds))
		r = -EFAULT;
	poller_end(&p);
	return r;
}

/* What select() calls readable, writable and exceptional (fs/select.c). */
#define SELECT_READ (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL)
#define SELECT_WRITE (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL)
#define SELECT_EXCEPT (POLLPRI | POLLNVAL)
#define UNASKED (POLLHUP | POLLERR | POLLNVAL)

/* The sets may be larger than fd_set: FD_ISSET() of a fortified program would refuse. */
static bool in_set(const fd_set *set, int fd)
{
	const unsigned long *words = (const unsigned long *)set;

	return set && (words[fd / 64] >> (fd % 64) & 1);
}

static unsigned long word_of(const fd_set *set, int i)
{
	const unsigned long *word = (const unsigned long *)set + i;

	return set && usermem_readable(word, sizeof(*word)) ? *word : 0;
}

int select_count(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	int top = FD_SETSIZE;

	if (!stack_is_ready())
		return n;
	for (int i = FD_SETSIZE / 64; i < FDTABLE_PAGE * FDTABLE_PAGES / 64 && i * 64 < n; i++)
		for (unsigned long word = word_of(rd, i) | word_of(wr, i) | word_of(ex, i); word;
		     word &= word - 1) {
			int fd = i * 64 + __builtin_ctzl(word);

			if (fd < n && !fds_is_internal(fd) && kernel_fcntl(fd, F_GETFD, 0) >= 0)
				top = fd + 1;
		}
	return top;
}

static short select_events(int fd, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	return (short)((in_set(rd, fd) ? SELECT_READ & ~UNASKED : 0) |
		       (in_set(wr, fd) ? SELECT_WRITE & ~UNASKED : 0) |
		       (in_set(ex, fd) ? SELECT_EXCEPT & ~UNASKED : 0));
}

bool select_is_fast(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	size_t bytes = (size_t)(n + 63) / 64 * 8;

	(void)wr, (void)ex;
	if (adopt_any() && n > 0 && n <= FDTABLE_PAGE * FDTABLE_PAGES && rd &&
	    usermem_readable(rd, bytes))
		for (int fd = 0; fd < n; fd++)
			if (in_set(rd, fd))
				adopt_named(fd);
	if (!fdtable_in_use() || !stack_is_ready() || n <= 0 || n > FDTABLE_PAGE * FDTABLE_PAGES ||
	    !rd)
		return false;
	if (!usermem_readable(rd, bytes) || (wr && !usermem_readable(wr, bytes)) ||
	    (ex && !usermem_readable(ex, bytes)))
		return false;
	for (int fd = 0; fd < n; fd++)
		if (in_set(rd, fd) && fd_is_fast(fd))
			return true;
	return false;
}

/* Writes one of the sets: those descriptors that have @bit in events. False: it can not be written. */
static bool answer_set(const struct poller *p, int n, fd_set *set, short bit)
{
	unsigned long *words = (unsigned long *)set;
	size_t bytes = (size_t)(n + 63) / 64 * 8;

	if (!set)
		return true;
	if (!usermem_writable(set, bytes))
		return false;
	memset(set, 0, bytes);
	for (nfds_t i = 0; i < p->n; i++)
		if (p->fds[i].events & bit)
			words[p->fds[i].fd / 64] |= 1ul << (p->fds[i].fd % 64);
	return true;
}

static int answer(const struct poller *p, int n, fd_set *rd, fd_set *wr, fd_set *ex)
{
	int bits = 0;

	/* One that was closed while select() waited is ready; that ours were open at the start is known. */
	for (nfds_t i = 0; i < p->n; i++)
		if ((p->fds[i].revents & POLLNVAL) && !p->file[i])
			return -EBADF;
	for (nfds_t i = 0; i < p->n; i++) {
		int fd = p->fds[i].fd, got = p->fds[i].revents;
		int hit = (in_set(rd, fd) && (got & SELECT_READ) ? 1 : 0) |
			  (in_set(wr, fd) && (got & SELECT_WRITE) ? 2 : 0) |
			  (in_set(ex, fd) && (got & SELECT_EXCEPT) ? 4 : 0);

		p->fds[i].events = (short)hit;
		bits += __builtin_popcount((unsigned)hit);
	}
	return answer_set(p, n, rd, 1) && answer_set(p, n, wr, 2) && answer_set(p, n, ex, 4)
		       ? bits
		       : -EFAULT;
}

static nfds_t count_fds(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	nfds_t count = 0;

	for (int fd = 0; fd < n; fd++)
		count += in_set(rd, fd) || in_set(wr, fd) || in_set(ex, fd);
	return count;
}

int select_wait(int n, fd_set *rd, fd_set *wr, fd_set *ex, uint64_t deadline, const sigset_t *mask)
{
	struct poller p;
	nfds_t i = 0;
	int r;

	if (!poller_init(&p, count_fds(n, rd, wr, ex)))
		return -ENOMEM;
	for (int fd = 0; fd < n; fd++)
		if (in_set(rd, fd) || in_set(wr, fd) || in_set(ex, fd))
			p.fds[i++] = (struct pollfd){ .fd = fd,
						      .events = select_events(fd, rd, wr, ex) };
	poller_fill(&p, p.fds);
	r = poller_run(&p, deadline, mask);
	family_waited();
	if (r >= 0)
		r = answer(&p, n, rd, wr, ex);
	poller_end(&p);
	return r;
}
