/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault.h - a NIC with a bad cable: wraps another NIC and spoils what it receives, repeatably. For
 * tests.
 *
 * Each rate is in frames out of NIC_FAULT_ONE and applies on its own, in the order of the fields;
 * the same seed and the same frames give the same faults. Transmission and steering are the inner
 * NIC's.
 */
#ifndef NIC_FAULT_H
#define NIC_FAULT_H

#include "nic/nic.h"

#define NIC_FAULT_ONE 1000u
#define NIC_FAULT_HOLD 8 /* frames held back at a time */

struct nic_fault_params {
	uint64_t seed;
	unsigned drop;
	unsigned corrupt;   /* one bit is flipped */
	unsigned truncate;  /* cut to a shorter length, at least 1 */
	unsigned duplicate; /* the copy comes right behind, if the burst and the pool have room */
	unsigned reorder; /* held back until a later burst, at the latest the next that is empty */
};

/* What was done, for tests to compare with what they see. */
struct nic_fault_stats {
	uint64_t dropped, corrupted, truncated, duplicated, held;
};

/* Takes @inner over: nic_close() of the wrapper closes it too. */
int nic_fault_wrap(struct nic *inner, const struct nic_fault_params *params, struct nic **out);

void nic_fault_get_stats(const struct nic *nic, struct nic_fault_stats *stats);

#endif
