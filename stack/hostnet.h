/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostnet.h - what the kernel knows about the network, mirrored by rtnetlink: links, local addresses, routes and
 * neighbours of this network namespace.
 *
 * The kernel stays the owner: nothing here ever changes its tables. The mirror is filled by dumps at open and kept by notifications, which
 * hostnet_refresh() reads. A lookup either gives everything that is needed to build an Ethernet frame, or says
 * that the datagram has to go through the shadow (R11), where the kernel does whatever is special.
 *
 * Not mirrored, so always "through the shadow": policy rules beyond the three that every host has, multipath routes, lightweight
 * tunnels (RTA_ENCAP), type-of-service routes, blackhole/unreachable/prohibit/throw routes, local, broadcast, multicast
 * and loopback destinations, interfaces that are not Ethernet.
 *
 * Concurrency: one lock inside; any thread may call. hostnet_generation is read without it.
 * After fork the child owns a copy that no longer follows: hostnet_reopen().
 */
#ifndef STACK_HOSTNET_H
#define STACK_HOSTNET_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"

#define HOSTNET_MAX_LINKS 256

struct hostnet_link {
	int ifindex;
	char name[IF_NAMESIZE];
	uint32_t mtu;
	uint32_t flags; /* IFF_* */
	uint16_t type;	/* ARPHRD_* */
	uint8_t mac[6];
	bool enslaved;	     /* port of a bridge, bond or VRF */
	bool vrf;	     /* is a VRF, or a port of one */
	bool has_v4, has_v6; /* has a (non link-local) route of that family, in the main table */
};

/* How to reach a destination: enough for an Ethernet frame. */
struct hostnet_hop {
	struct ipaddr source; /* address the kernel would choose; or the one that was given; also without a neighbour */
	int ifindex;
	uint32_t mtu; /* bytes of IP packet; min of route, link and what was learned of the path */
	uint8_t mac[6]; /* of the neighbour */
	bool gateway;	/* next hop is not the destination itself */
	bool confirm;	/* neighbour is STALE: send one datagram now and then through the shadow */
};

/* Why a lookup gave no hop; all mean "through the shadow". */
enum hostnet_verdict {
	HOSTNET_OK,
	HOSTNET_NO_ROUTE,
	HOSTNET_ODD_ROUTE,    /* not mirrored, see above */
	HOSTNET_LOCAL,	      /* to an own, broadcast or multicast address */
	HOSTNET_NO_NEIGHBOUR, /* not resolved yet */
};

/* Changes whenever a link, address, route, rule or neighbour did; cached hops of an older generation are void. */
extern uint32_t hostnet_generation;

/* Called for each local address that came (@on) or went, first for all existing ones from hostnet_open(). */
typedef void (*hostnet_addr_fn)(const struct ipaddr *addr, int ifindex, bool on);

/*
 * Opens the netlink socket (high fd number, close-on-exec, see fds.h) and reads all tables. 0 or -errno.
 * Called again it only replaces @fn.
 */
int hostnet_open(hostnet_addr_fn fn);
void hostnet_close(void);

/* Forgets everything and opens anew; for the child of a fork. */
int hostnet_reopen(void);

/* In the child of a fork: opens anew if a thread that did not come along was in the middle of a change. */
void hostnet_forked(void);

/* Reads waiting notifications without blocking; tables are dumped again when some were lost (ENOBUFS). */
void hostnet_refresh(void);

/*
 * Looks @dst up. @source: the address the socket is bound to or that was asked for, or "any".
 * @oif: interface the socket is bound to (SO_BINDTODEVICE, scope of a link-local address), or 0.
 * Fills @hop with HOSTNET_OK only.
 */
enum hostnet_verdict hostnet_lookup(const struct ipaddr *dst, const struct ipaddr *source, int oif,
				    struct hostnet_hop *hop);

/*
 * The same for the multicast group @dst by way of the interface @oif, which is not 0: no neighbour has to be resolved. That
 * this host has no member, or that its members are not to hear it, is the caller's to know.
 */
enum hostnet_verdict hostnet_lookup_group(const struct ipaddr *dst, const struct ipaddr *source,
					  int oif, struct hostnet_hop *hop);

/* Is it an address of this host (any interface)? @ifindex, if not NULL, gets the interface that carries it. */
bool hostnet_is_local(const struct ipaddr *addr, int *ifindex);

/* The netlink socket, of our network namespace: for ioctl(). -1: there is none. */
int hostnet_fd(void);

/* Copies the known links; returns how many. */
unsigned hostnet_links(struct hostnet_link *links, unsigned max);

/* Takes the memory that it may come to need, before the program forbids itself mmap(). */
void hostnet_confine(void);

#endif
