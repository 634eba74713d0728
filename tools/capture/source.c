/* SPDX-License-Identifier: BSD-3-Clause */
/* source.c - the processes that are captured: rings behind their pages of counters (base/capture.h). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/capture/capture.h"
#include "tools/pages.h"

static bool is_known(const struct sources *s, const struct stat *st)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->list[i].ino == st->st_ino && s->list[i].dev == st->st_dev)
			return true;
	return false;
}

/* One tool at a time; the lock goes with its last descriptor. */
static bool take_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static void *map(int fd, size_t offset, size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	return mem == MAP_FAILED ? NULL : mem;
}

static void unmap(struct source *from)
{
	if (from->ring)
		munmap(from->ring, from->len);
	if (from->page)
		munmap(from->page, sizeof(*from->page));
	close(from->fd);
}

/* A process that still has the ring of a tool that was killed lets it go first: another length is another ring. */
static size_t length_for(const struct sources *s, const struct stats_page *page)
{
	size_t len = capture_len(s->slots, s->slot_size);

	len = (len + 4095) & ~(size_t)4095;
	return page->capture == len ? len + 4096 : len;
}

/* Gives the ring's memory back; it reads as zeros then. */
static void forget(const struct source *from)
{
	fallocate(from->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)capture_offset(),
		  (off_t)from->len);
}

static bool begin(const struct sources *s, struct source *from)
{
	struct capture_ring *ring;

	from->page = map(from->fd, 0, sizeof(*from->page));
	if (!from->page || from->page->magic != STATS_MAGIC ||
	    from->page->size != sizeof(*from->page))
		return false;
	from->len = length_for(s, from->page);
	if (ftruncate(from->fd, (off_t)(capture_offset() + from->len)) < 0)
		return false;
	forget(from); /* what a tool that was killed has left */
	ring = from->ring = map(from->fd, capture_offset(), from->len);
	if (!ring)
		return false;
	ring->magic = CAPTURE_MAGIC;
	ring->lease_until = clock_ns() + CAPTURE_LEASE_NS;
	ring->slots = s->slots;
	ring->slot_size = s->slot_size;
	__atomic_store_n(&from->page->capture, from->len, __ATOMIC_RELEASE);
	return true;
}

static int add(int fd, pid_t pid, void *arg)
{
	struct sources *s = arg;
	struct source *from = &s->list[s->count];
	struct stat st;

	if (s->count == MAX_SOURCES || fstat(fd, &st) < 0 || is_known(s, &st))
		return 0;
	memset(from, 0, sizeof(*from));
	from->pid = pid;
	from->dev = st.st_dev;
	from->ino = st.st_ino;
	from->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (from->fd < 0)
		return 0;
	if (!take_lock(from->fd)) {
		s->busy++;
		close(from->fd);
		return 0;
	}
	if (begin(s, from))
		s->count++;
	else
		unmap(from);
	return 0;
}

unsigned sources_find(struct sources *s, const pid_t *pids, size_t n)
{
	s->busy = s->denied = 0;
	pages_each(pids, n, O_RDWR, add, s, &s->denied);
	return s->count;
}

void sources_renew(struct sources *s)
{
	uint64_t until = clock_ns() + CAPTURE_LEASE_NS;

	for (unsigned i = 0; i < s->count; i++) {
		struct source *from = &s->list[i];

		__atomic_store_n(&from->ring->lease_until, until, __ATOMIC_RELAXED);
		from->attached = __atomic_load_n(&from->ring->attached, __ATOMIC_ACQUIRE) == 1;
		from->lost = __atomic_load_n(&from->ring->lost, __ATOMIC_RELAXED);
	}
}

static struct capture_slot *peek(const struct sources *s, const struct source *from)
{
	struct capture_slot *slot = capture_slot_of(from->ring, s->slots, s->slot_size, from->taken);

	return __atomic_load_n(&slot->ready, __ATOMIC_ACQUIRE) == from->taken + 1 ? slot : NULL;
}

struct capture_slot *sources_next(struct sources *s, struct source **from)
{
	struct capture_slot *best = NULL, *slot;

	for (unsigned i = 0; i < s->count; i++) {
		slot = peek(s, &s->list[i]);
		if (slot && (!best || slot->stamp < best->stamp)) {
			best = slot;
			*from = &s->list[i];
		}
	}
	return best;
}

void source_done(struct source *from)
{
	from->taken++;
	__atomic_store_n(&from->ring->tail, from->taken, __ATOMIC_RELEASE);
}

static bool is_alive(const struct source *from)
{
	return kill(from->pid, 0) == 0 || errno == EPERM;
}

bool sources_alive(struct sources *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (is_alive(&s->list[i]) || peek(s, &s->list[i]))
			continue;
		unmap(&s->list[i]);
		s->list[i--] = s->list[--s->count];
	}
	return s->count > 0;
}

void sources_close(struct sources *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct source *from = &s->list[i];

		__atomic_store_n(&from->page->capture, 0, __ATOMIC_RELEASE);
		forget(from);
		unmap(from);
	}
	s->count = 0;
}
