/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture.c - see capture.h. The memory is shared with a tool that the program's own user, or root, has started; what is read from it
 * decides where is written, so lengths are read once, and checked.
 */
#include "stack/capture.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/sandbox.h"
#include "stack/stack.h"

struct capture_ring *capture_ring;

static struct {
	struct capture_ring *ring; /* mapped; capture_ring, or left from the last one */
	uint64_t len;		   /* as stats->capture said */
	uint32_t slots, slot_size;
} mapped;

static bool is_sound(const struct capture_ring *ring, uint64_t len)
{
	mapped.slots = ring->slots;
	mapped.slot_size = ring->slot_size;
	return ring->magic == CAPTURE_MAGIC && mapped.slots && mapped.slots <= CAPTURE_MAX_SLOTS &&
	       (mapped.slots & (mapped.slots - 1)) == 0 && mapped.slot_size % 8 == 0 &&
	       mapped.slot_size > sizeof(struct capture_slot) &&
	       capture_len(mapped.slots, mapped.slot_size) <= len;
}

static void unmap(void)
{
	if (mapped.ring)
		munmap(mapped.ring, mapped.len);
	mapped.ring = NULL;
	mapped.len = 0;
}

/* The engines stand still. */
static void change(uint64_t len)
{
	void *mem;

	relaxed_set(capture_ring, NULL);
	unmap();
	if (len < sizeof(struct capture_ring))
		return;
	mem = stats_map_behind(capture_offset(), len);
	if (!mem)
		return;
	mapped.ring = mem;
	mapped.len = len;
	if (is_sound(mapped.ring, len)) {
		__atomic_store_n(&mapped.ring->attached, 1, __ATOMIC_RELEASE);
		relaxed_set(capture_ring, mapped.ring);
	}
}

void capture_follow(void)
{
	uint64_t len = __atomic_load_n(&stats->capture, __ATOMIC_ACQUIRE);

	if (__builtin_expect(len == mapped.len, 1) || sandbox_forbids(SYS_mmap) ||
	    sandbox_forbids(SYS_munmap) || sandbox_forbids(SYS_newfstatat) ||
	    !stack_exclusive_begin())
		return;
	change(len);
	stack_exclusive_end();
}

void capture_forked(void)
{
	relaxed_set(capture_ring, NULL);
	mapped.ring = NULL;
	mapped.len = 0;
	stats->capture = 0;
}

/* A place for one frame more; engines are driven by several threads at once. */
static struct capture_slot *reserve(struct capture_ring *ring, uint64_t *number)
{
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);

	do {
		if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) >= mapped.slots) {
			__atomic_fetch_add(&ring->lost, 1, __ATOMIC_RELAXED);
			return NULL;
		}
	} while (!__atomic_compare_exchange_n(&ring->head, &head, head + 1, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	*number = head;
	return capture_slot_of(ring, mapped.slots, mapped.slot_size, head);
}

static void keep(struct capture_ring *ring, const struct nic_queue *q, const struct nic_frame *f,
		 uint64_t stamp, enum capture_direction direction)
{
	uint32_t room = mapped.slot_size - (uint32_t)sizeof(struct capture_slot);
	uint64_t number;
	struct capture_slot *slot = reserve(ring, &number);

	if (!slot)
		return;
	slot->stamp = stamp;
	slot->len = f->len;
	slot->kept = f->len < room ? f->len : room;
	slot->direction = (uint16_t)direction;
	slot->queue = q->index;
	memcpy(slot->ifname, q->nic->ifname, IF_NAMESIZE);
	memcpy(slot->data, f->data, f->len < room ? f->len : room);
	__atomic_store_n(&slot->ready, number + 1, __ATOMIC_RELEASE);
}

void capture_frames_slow(const struct nic_queue *q, const struct nic_frame *frames, unsigned n,
			 enum capture_direction direction)
{
	struct capture_ring *ring = relaxed_get(capture_ring);
	struct timespec now;

	/* The tool is dead or stuck: its next one will say another length, or the same after 0. */
	if (!ring || clock_ns() > __atomic_load_n(&ring->lease_until, __ATOMIC_RELAXED)) {
		relaxed_set(capture_ring, NULL);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	for (unsigned i = 0; i < n; i++)
		keep(ring, q, &frames[i],
		     (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec, direction);
}
