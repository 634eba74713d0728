/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_wire.h - what fake_nic.c's tables say, for the program at the other end of the veth pair. Compiled for BPF, too. */
#ifndef TESTS_NETNS_FAKE_WIRE_H
#define TESTS_NETNS_FAKE_WIRE_H

#include <linux/types.h>

#define WIRE_RSS 128
#define WIRE_RULES 256

struct wire_rule {
	__u8 v6;
	__u8 any;   /* address */
	__u16 port; /* network order */
	__u32 queue;
	__u32 addr[4]; /* the first word for IPv4 */
};

struct wire {
	__u32 entries; /* of the RSS table, a power of two */
	__u32 rules;   /* the first that matches decides */
	__u32 table[WIRE_RSS];
	struct wire_rule rule[WIRE_RULES];
};

#endif
