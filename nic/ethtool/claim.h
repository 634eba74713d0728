/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * claim.h - RX queues of one's own: taken out of the interface's RSS table, so that nothing gets there but what ntuple rules steer
 * to them, and given back at the end (docs/nic.md).
 *
 * Several processes may have queues of one interface. What each has taken, and the RSS table as it was before the first of
 * them, is recorded (record.h) before anything is changed, and is undone by whoever closes last, by the next one that opens
 * the interface, or by `kbaccel clean`. What somebody else has changed meanwhile stays as it is.
 *
 * Rules are for ports, with the local address where the socket has one. They bring frames to the queue and decide nothing: the
 * XDP program passes what no flow is for. So a rule may stay when its socket is gone, and does: it goes when it is one of
 * the oldest of many, or when its place is needed.
 *
 * Calls on one claim are serialised by the caller. claim_expect(), claim_open() and claim_close() make system calls, the
 * others do not. Failures are -errno.
 */
#ifndef NIC_ETHTOOL_CLAIM_H
#define NIC_ETHTOOL_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "nic/nic.h"

struct claim;

struct claim_wish {
	const char *ifname;
	unsigned want;	 /* queues */
	unsigned queues; /* that there are, those above NIC_MAX_QUEUES left out */
	uint64_t busy;	 /* those that are not to be had */
	void (*log)(int level, const char *text);
	const bool *confined; /* is it true at the end of the process, then nothing is given back: there is a filter that might kill */
};

/* As many queues as there are of those wanted. -errno: none, @why, and nothing is changed. */
int claim_open(const struct claim_wish *wish, struct claim **out, char why[NIC_WHY_LEN]);

/* Bit mask. */
uint64_t claim_queues(const struct claim *c);

/* Gives the queues back, unless other processes have the claim, too (it was open when they were forked). */
void claim_close(struct claim *c);

/* In the child of a fork: only its own references. */
void claim_abandon(struct claim *c);

/*
 * Has rules added for @flow, so that claim_steer() will find them. 0 if at least one of its address families has one. -ENOSPC
 * the NIC's table is full, -EOPNOTSUPP it does not take such a rule, -EPERM privilege missing.
 */
int claim_expect(struct claim *c, const struct nic_flow *flow);

/* @flow is steered, or no more. -EOPNOTSUPP: there is no rule for it. */
int claim_steer(struct claim *c, const struct nic_flow *flow, bool on);
void claim_steer_none(struct claim *c);

/* An address of the host, or no more. */
void claim_local(struct claim *c, const struct ipaddr *addr, bool on);

/*
 * Undoes what dead processes have left: on @ifname, or (NULL) on all interfaces of this network namespace. How many processes'
 * traces were removed, or -errno; @others (NULL or): how many files are of other namespaces, and were not touched.
 */
int claim_reap(const char *ifname, unsigned *others);

/* Could claim_open() succeed, as far as can be told without changing anything? -errno and @why if not. */
int claim_possible(const struct claim_wish *wish, char why[NIC_WHY_LEN]);

#endif
