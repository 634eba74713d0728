/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * groups.h - multicast: which groups a socket is a member of, which senders it hears there, and steering for them.
 *
 * The kernel keeps the memberships and speaks IGMP and MLD; the program joins through its own socket (R1). What
 * the data path has to know is read back: after each call that names a group, the socket's filter for it is asked of the
 * kernel for every interface (MCAST_MSFILTER). So options of all kinds, old and new, any-source and source-specific,
 * need no interpretation of ours.
 *
 * A multicast datagram is for every socket that hears the group, in every process. It may pass the kernel by only if all of those are
 * ours, so a group is steered only while the kernel has no other socket that would get its datagrams (sockdiag.h),
 * and while the host does not route multicast from that interface.
 */
#ifndef STACK_GROUPS_H
#define STACK_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/ipaddr.h"
#include "stack/demux.h"

struct sock;
struct flow;

#define GROUP_SOURCES 16 /* of one membership; the kernel's default limit for IPv4 is 10 */

/* One group on one interface; or, with ifindex 0, only the name of a group that was joined or left. */
struct group {
	struct group *next;
	struct ipaddr addr;
	int ifindex;
	bool exclude;  /* source[] lists whom not to hear; else whom alone to hear */
	bool too_many; /* of them: the kernel's */
	bool fresh;    /* seen in the reading under way */
	bool refused;  /* counted as left to the kernel */
	uint8_t sources;
	struct ipaddr source[GROUP_SOURCES];
	struct flow *flow; /* steered, when not NULL */
};

/* Takes address space while that is allowed (R7). */
void groups_reserve(void);

/*
 * The multicast group that a successful setsockopt(@level, @name, @value, @len) was about, in @group. False: the option is
 * about something else.
 */
bool groups_named(int level, int name, const void *value, socklen_t len, struct ipaddr *group);

/* The memberships of @s in @group may have changed: reads them again and steers accordingly. Takes stack.lock. */
void groups_changed(struct sock *s, int fd, const struct ipaddr *group);

/* The same for all groups that were named before the stack was ready. stack.lock held, as for all below. */
void groups_read(struct sock *s, int fd);

/* Steers what @s is a member of, as far as it may be; for an active socket. Idempotent. */
void groups_steer(struct sock *s);
/* Its rules are gone with the interfaces that had them (flow_forget()). */
void groups_forget_flows(struct sock *s);

void groups_unsteer(struct sock *s);

/* Now and then, while a group is or could be steered: looks for other receivers and routers. */
void groups_check(void);

/* The socket is gone. */
void groups_free(struct sock *s);

/*
 * Does @s hear what @packet's sender sends to @packet's group? As net/ipv4/igmp.c ip_mc_sf_allow() and
 * net/ipv6/mcast.c inet6_mc_check(). Under an engine's lock.
 */
bool groups_hears(const struct sock *s, const struct demux_key *packet, bool v6);

#endif
