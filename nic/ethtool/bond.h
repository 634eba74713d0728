/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bond.h - is an interface a bond, and by how many queues may its frames come? A bond has no channels of its own.
 */
#ifndef NIC_ETHTOOL_BOND_H
#define NIC_ETHTOOL_BOND_H

#include "nic/ethtool/ethtool.h"

/* The most RX queues that one of the bond's ports has, at least 1; 0: it is no bond. */
unsigned bond_queues(const struct ethtool *e);

#endif
