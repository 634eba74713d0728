/* SPDX-License-Identifier: BSD-3-Clause */
/* hwstamp.h - hardware receive stamps: AF_XDP brings none, so whoever may get them has to receive by the kernel. */
#ifndef STACK_HWSTAMP_H
#define STACK_HWSTAMP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Can an interface of this host stamp what it receives? Whether it does is no state to rely on: any process may switch it on
 * later. @fd: any socket.
 */
bool hwstamp_possible(int fd);

/* The same of the set of filters that a driver reports (enum hwtstamp_rx_filters, a bit for each). */
bool hwstamp_filters(uint32_t rx_filters);

#endif
