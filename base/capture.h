/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture.h - the frames of the fast path, for `kbaccel capture`: a ring in shared memory between an accelerated process, which
 * copies frames in, and the tool, which takes them out.
 *
 * It lies behind the page of counters in the same memfd (stats.h). The tool makes it long enough, fills the header in, and then
 * tells its length in stats_page.capture; the process maps it at its next tick. It goes on until the tool takes the length back,
 * or has not been heard of for CAPTURE_LEASE_NS. Only one tool at a time: it has a lock (F_OFD_SETLK) on the memfd.
 */
#ifndef BASE_CAPTURE_H
#define BASE_CAPTURE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stats.h"

#define CAPTURE_MAGIC 0x6b62636170740001ull /* "kbcapt" and a version that changes with this file */
#define CAPTURE_LEASE_NS 2000000000ull
#define CAPTURE_MAX_SLOTS 65536

enum capture_direction { CAPTURE_IN = 1, CAPTURE_OUT = 2 }; /* as in the flags of a pcapng packet */

struct capture_slot {
	uint64_t ready; /* number of the frame + 1, once it is all there */
	uint64_t stamp; /* CLOCK_REALTIME, ns */
	uint32_t len;	/* of the frame */
	uint32_t kept;	/* bytes of it that are here */
	uint16_t direction;
	uint16_t queue;
	char ifname[IF_NAMESIZE];
	uint8_t data[];
};

struct capture_ring {
	uint64_t magic;
	uint64_t lease_until; /* clock_ns(): the tool is there */
	uint32_t slots;	      /* a power of two */
	uint32_t slot_size;   /* bytes, with the header */
	uint32_t attached;    /* 1: the process copies */
	uint32_t zero;
	uint64_t head
		__attribute__((aligned(64))); /* frames that were given a slot; the process counts */
	uint64_t lost;			      /* frames that found no free one */
	uint64_t tail __attribute__((aligned(64))); /* frames that the tool has taken */
	uint8_t slot[] __attribute__((aligned(64)));
};

/* Where it begins in the memfd. */
static inline size_t capture_offset(void)
{
	return (sizeof(struct stats_page) + 65535) & ~(size_t)65535;
}

static inline size_t capture_len(uint32_t slots, uint32_t slot_size)
{
	return sizeof(struct capture_ring) + (size_t)slots * slot_size;
}

/* The slot of frame @number. */
static inline struct capture_slot *capture_slot_of(struct capture_ring *ring, uint32_t slots,
						   uint32_t slot_size, uint64_t number)
{
	return (struct capture_slot *)(void *)(ring->slot +
					       (size_t)(number & (slots - 1)) * slot_size);
}

#endif
