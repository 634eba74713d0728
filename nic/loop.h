/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop.h - two NICs in memory that are joined by a wire: what one transmits the other receives. For
 * tests.
 *
 * One queue each. Frames leave at tx_kick(), at most NIC_LOOP_KICK a call, as in AF_XDP copy mode.
 * Steering is the real rule R3: frames that it would leave to the kernel are counted and gone. The
 * two ends may be used by two threads.
 */
#ifndef NIC_LOOP_H
#define NIC_LOOP_H

#include "nic/nic.h"

#define NIC_LOOP_KICK 32

/*
 * Opens both ends, "loopA" and "loopB"; each is closed with nic_close(). params->ifname is not
 * looked at.
 */
int nic_loop_pair(struct nic **a, struct nic **b, struct nic_params *params);

/* Receive everything, steering or not. */
void nic_loop_deliver_all(struct nic *nic, bool on);

/* The clock that the lease is compared with; NULL: clock_ns(). */
void nic_loop_set_clock(struct nic *nic, uint64_t (*now)(void));

/* Frames that came in on the wire and were left to the (absent) kernel. */
uint64_t nic_loop_passed(const struct nic *nic);

#endif
