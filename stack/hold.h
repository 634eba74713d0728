/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hold.h - may the NIC hear of a frame later, together with those that follow? (KBACCEL_TX_BATCH)
 *
 * A kick of the NIC is a system call in AF_XDP's copy mode, and the largest part of what an answer costs. A server that has
 * requests waiting on its socket is back within microseconds, so its answer may wait for the next ones. With nothing left it
 * polls before it waits or is told that there is nothing, and that kicks, as does each sleep, and each poll 50 us later.
 * Only an answer waits, one datagram for each that has been received: who sends of its own accord need not read what has come.
 *
 * What nobody can promise is that it does come back: it may turn to something else in between. So only who has mostly been quick is
 * trusted, and who was late with answers in hand has to prove it anew, for twice as long each time; up to a limit, which by default leaves
 * one answer in sixteen late at the worst: who is late cannot be told from a thread that has lost its processor for a while.
 */
#ifndef STACK_HOLD_H
#define STACK_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/relaxed.h"

#define HOLD_BRISK_US 20 /* from one send to the next */
#define HOLD_LATE_US 200 /* that is late */
#define HOLD_NEED_MIN 16 /* so many quick sends more than slow ones, which take half away */
#define HOLD_NEED_MAX 512
#define HOLD_CREDIT 4  /* times as many at the most: one that is slow now and then stays trusted */
#define HOLD_FORGIVE 8 /* times as many make up for one that was late */

/* Of a socket; zeroed at first. Threads that send at the same time may lose each other's steps. */
struct hold {
	uint64_t last; /* clock_ticks() of the last send */
	uint32_t quick, need;
	uint32_t calm; /* sends since one was late */
	uint32_t owed; /* datagrams of the last receive that have not been answered */
};

static inline void hold_slow(struct hold *h, bool late)
{
	uint32_t need = relaxed_get(h->need);

	relaxed_set(h->quick, late ? 0 : relaxed_get(h->quick) / 2);
	if (late) {
		need = need * 2 < HOLD_NEED_MAX ? need * 2 : HOLD_NEED_MAX;
		relaxed_set(h->calm, 0);
	}
	relaxed_set(h->need, need > HOLD_NEED_MIN ? need : HOLD_NEED_MIN);
}

static inline void hold_forgive(struct hold *h)
{
	uint32_t need = relaxed_get(h->need);

	relaxed_set(h->need, need / 2 > HOLD_NEED_MIN ? need / 2 : HOLD_NEED_MIN);
	relaxed_set(h->calm, 0);
}

static inline void hold_received(struct hold *h, uint32_t n)
{
	relaxed_set(h->owed, n);
}

/* A send at @now; @in_hand: frames wait already. Is it an answer, and the program quick enough to let it wait? */
static inline bool hold_trusts(struct hold *h, uint64_t now, bool in_hand)
{
	uint64_t gap = now - relaxed_get(h->last);
	uint32_t quick = relaxed_get(h->quick), need = relaxed_get(h->need);
	uint32_t owed = relaxed_get(h->owed);

	relaxed_set(h->last, now);
	relaxed_set(h->owed, owed - (owed != 0));
	if (gap > HOLD_BRISK_US * clock_ticks_per_us) {
		hold_slow(h, in_hand && gap > HOLD_LATE_US * clock_ticks_per_us);
		return false;
	}
	if (!owed)
		return false;
	quick += quick < need * HOLD_CREDIT;
	relaxed_set(h->quick, quick);
	relaxed_set(h->calm, relaxed_get(h->calm) + 1);
	if (__builtin_expect(relaxed_get(h->calm) >= need * HOLD_FORGIVE, 0))
		hold_forgive(h);
	return quick >= need && need;
}

#endif
