/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * specdst.h - the "specific destination" of a multicast datagram: ipi_spec_dst of IP_PKTINFO, the address with which the
 * host would answer its sender (net/ipv4/fib_frontend.c fib_compute_spec_dst()).
 */
#ifndef STACK_SPECDST_H
#define STACK_SPECDST_H

#include <stdint.h>

#include "base/ipaddr.h"

/* For an IPv4 datagram from @sender that came in by @ifindex; network order, 0: the interface has no address. */
uint32_t specdst_of(const struct ipaddr *sender, int ifindex);

#endif
