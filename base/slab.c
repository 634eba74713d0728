/* SPDX-License-Identifier: BSD-3-Clause */
/* slab.c - see slab.h. */
#define _GNU_SOURCE
#include "base/slab.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/poison.h"
#include "base/sandbox.h"

#define CHUNK (256 * 1024)

static struct slab_free *link_of(const struct slab *s, void *object)
{
	return (struct slab_free *)((char *)object + s->link);
}

static void *object_of(const struct slab *s, struct slab_free *link)
{
	return (char *)link - s->link;
}

/* From one object to the next. */
static size_t stride(const struct slab *s)
{
	return s->size + POISON_GAP;
}

/* All but the link, and what may be looked at. */
static void hide(const struct slab *s, char *object)
{
	poison(object + s->shown, s->size - s->shown);
	unpoison(object + s->link, sizeof(struct slab_free));
}

static void *show(const struct slab *s, char *object)
{
	unpoison(object, s->size);
	return object;
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

/* What is left of older fresh memory becomes ordinary free objects. */
static void use_up_fresh(struct slab *s)
{
	for (; s->fresh_left; s->fresh_left--, s->fresh += stride(s)) {
		struct slab_free *f = link_of(s, s->fresh);

		hide(s, s->fresh);
		f->next = s->free;
		s->free = f;
	}
}

static void grow(struct slab *s, size_t bytes)
{
	size_t n = bytes / stride(s);
	char *mem;

	if (s->limit && s->total + n > s->limit)
		n = s->limit - s->total;
	if (n == 0)
		return;
	mem = (char *)own_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if ((uintptr_t)mem >= (uintptr_t)-4095)
		return;
	if (s->total == 0)
		enlist(s);
	use_up_fresh(s);
	poison(mem, bytes);
	s->fresh = mem;
	s->fresh_left = n;
	s->total += n;
}

static void *take(struct slab *s)
{
	struct slab_free *f = s->free;
	void *object;

	if (f) {
		s->free = f->next;
		return show(s, object_of(s, f));
	}
	if (!s->fresh_left)
		return NULL;
	object = s->fresh;
	s->fresh += stride(s);
	s->fresh_left--;
	return show(s, object);
}

void *slab_get(struct slab *s)
{
	void *object;

	if (!lock_acquire(&s->lock))
		return NULL;
	if (!s->free && !s->fresh_left)
		grow(s, stride(s) > CHUNK ? stride(s) : CHUNK);
	object = take(s);
	s->in_use += object != NULL;
	lock_release(&s->lock);
	return object;
}

void slab_put(struct slab *s, void *object)
{
	struct slab_free *f = link_of(s, object);

	if (!lock_acquire(&s->lock))
		return; /* a signal handler inside slab_get(): lose the object rather than corrupt the list */
	f->next = s->free;
	s->free = f;
	s->in_use--;
	hide(s, object);
	lock_release(&s->lock);
}

void slab_reserve(struct slab *s, size_t n)
{
	size_t bytes = (n * stride(s) + 4095) & ~(size_t)4095;

	if (!lock_acquire(&s->lock))
		return;
	if (s->total - s->in_use < n)
		grow(s, bytes);
	lock_release(&s->lock);
}
