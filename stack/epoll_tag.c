/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_tag.c - the data words by which the kernel names the members that we know (see epoll_internal.h). */
#include "stack/epoll_internal.h"

#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/sandbox.h"

/*
 * 24 bits that no pointer and no small number begins with, and that nobody can know; 20 of the item's generation; 20 of
 * its index. A program's own data that looks like one would have to hit all three of a member of the same set.
 */
static uint64_t magic; /* 0: no tag has been given yet */
#define GENERATION(tag) ((uint32_t)((tag) >> 20) & 0xfffff)
#define INDEX(tag) ((uint32_t)(tag)&0xfffff)

#define PAGE 1024
#define PAGES 1024

static struct epoll_item **pages[PAGES];
static uint32_t indices = 1; /* 0: an item without index */

static struct epoll_item **page_of(uint32_t index)
{
	struct epoll_item **page = __atomic_load_n(&pages[index / PAGE], __ATOMIC_ACQUIRE),
			  **none = NULL;
	long mem;

	if (page)
		return page;
	mem = own_call6(SYS_mmap, 0, PAGE * sizeof(*page), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem < 0 && mem >= -4095)
		return NULL;
	if (__atomic_compare_exchange_n(&pages[index / PAGE], &none, (struct epoll_item **)mem,
					false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return (struct epoll_item **)mem;
	own_call6(SYS_munmap, mem, PAGE * sizeof(*page), 0, 0, 0, 0);
	return none;
}

/* The same whenever and wherever it is asked in this process: members are added long before the first chosen bind. */
static uint64_t make_magic(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	uint16_t bits = 0;

	if (random)
		memcpy(&bits, random, sizeof(bits));
	return 0xa50000 | bits;
}

void epoll_tag_reserve(unsigned items)
{
	for (unsigned i = 0; i < items; i += PAGE)
		page_of(i);
}

/* Memory of items is type-stable: an index, once given, stays with it for good. */
static void give_index(struct epoll_item *it)
{
	uint32_t index = __atomic_fetch_add(&indices, 1, __ATOMIC_RELAXED);
	struct epoll_item **page;

	if (index >= PAGES * PAGE) {
		__atomic_store_n(&indices, PAGES * PAGE, __ATOMIC_RELAXED);
		return;
	}
	page = page_of(index);
	if (!page)
		return;
	__atomic_store_n(&page[index % PAGE], it, __ATOMIC_RELEASE);
	it->index = index;
}

void epoll_tag_give(struct epoll_item *it)
{
	uint64_t begin = relaxed_get(magic);

	if (!begin) {
		begin = make_magic();
		relaxed_set(magic, begin);
	}
	if (!it->index)
		give_index(it);
	relaxed_set(it->generation, (it->generation + 1) & 0xfffff);
	relaxed_set(it->tag,
		    it->index ? begin << 40 | (uint64_t)it->generation << 20 | it->index : 0);
}

static struct epoll_item *item_at(uint64_t tag)
{
	uint64_t begin = relaxed_get(magic);
	struct epoll_item **page;

	if (!begin || tag >> 40 != begin)
		return NULL;
	page = __atomic_load_n(&pages[INDEX(tag) / PAGE], __ATOMIC_ACQUIRE);
	return page ? __atomic_load_n(&page[INDEX(tag) % PAGE], __ATOMIC_ACQUIRE) : NULL;
}

struct epoll_item *epoll_tag_find(const struct epoll_set *ep, uint64_t tag)
{
	struct epoll_item *it = item_at(tag);

	return it && relaxed_get(it->tag) == tag && relaxed_get(it->set) == ep ? it : NULL;
}

/* The item may be freed and used again between two of these looks: its data is right if the tag is still there after it. */
bool epoll_tag_translate(const struct epoll_set *ep, uint64_t *data)
{
	const struct epoll_item *it = epoll_tag_find(ep, *data);
	uint64_t own = it ? __atomic_load_n(&it->data, __ATOMIC_ACQUIRE) : 0;

	if (!it || relaxed_get(it->tag) != *data)
		return false;
	*data = own;
	return true;
}

bool epoll_tag_stale(const struct epoll_set *ep, uint64_t tag)
{
	const struct epoll_item *it = item_at(tag);

	return it && !relaxed_get(ep->inherited) &&
	       ((relaxed_get(it->generation) - GENERATION(tag)) & 0xfffff) < 0x80000 &&
	       (relaxed_get(it->tag) != tag || relaxed_get(it->set) != ep);
}
