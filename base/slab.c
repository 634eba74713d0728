/* SPDX-License-Identifier: BSD-3-Clause */
/* slab.c - see slab.h. */
#define _GNU_SOURCE
#include "base/slab.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/rawcall.h"

#define CHUNK (256 * 1024)

static struct slab_free *link_of(const struct slab *s, void *object)
{
	return (struct slab_free *)((char *)object + s->link);
}

static void *object_of(const struct slab *s, struct slab_free *link)
{
	return (char *)link - s->link;
}

static struct slab *slabs;

/* The slab's lock is held, so it is new here or it is not. */
static void enlist(struct slab *s)
{
	s->next = __atomic_load_n(&slabs, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&slabs, &s->next, s, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

void slab_forked(void)
{
	for (struct slab *s = slabs; s; s = s->next)
		lock_reset(&s->lock);
}

static void grow(struct slab *s, size_t bytes)
{
	size_t n = bytes / s->size;
	char *mem;

	if (s->limit && s->total + n > s->limit)
		n = s->limit - s->total;
	if (n == 0)
		return;
	mem = (char *)rawcall6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if ((uintptr_t)mem >= (uintptr_t)-4095)
		return;
	if (s->total == 0)
		enlist(s);
	/* Last object first, so that they are handed out in address order. */
	for (size_t i = n; i-- > 0;) {
		struct slab_free *f = link_of(s, mem + i * s->size);

		f->next = s->free;
		s->free = f;
	}
	s->total += n;
}

void *slab_get(struct slab *s)
{
	struct slab_free *f;

	if (!lock_acquire(&s->lock))
		return NULL;
	if (!s->free)
		grow(s, s->size > CHUNK ? s->size : CHUNK);
	f = s->free;
	if (f) {
		s->free = f->next;
		s->in_use++;
	}
	lock_release(&s->lock);
	return f ? object_of(s, f) : NULL;
}

void slab_put(struct slab *s, void *object)
{
	struct slab_free *f = link_of(s, object);

	if (!lock_acquire(&s->lock))
		return; /* a signal handler inside slab_get(): lose the object rather than corrupt the list */
	f->next = s->free;
	s->free = f;
	s->in_use--;
	lock_release(&s->lock);
}

void slab_reserve(struct slab *s, size_t n)
{
	size_t bytes = (n * s->size + 4095) & ~(size_t)4095;

	if (!lock_acquire(&s->lock))
		return;
	if (s->total - s->in_use < n)
		grow(s, bytes);
	lock_release(&s->lock);
}
