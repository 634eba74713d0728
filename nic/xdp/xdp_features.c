/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_features.c - does the interface join datagrams before a program in generic mode sees them? Generic XDP runs behind GRO. The
 * kernel cuts joined datagrams again in front of a socket (net/ipv4/udp.c udp_queue_rcv_skb()); we
 * could not, since nothing in the frame tells them from one long datagram.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/rawcall.h"
#include "nic/xdp/xdp.h"

#define MAX_FEATURES 256

struct feature_query {
	int fd;
	struct ifreq ifr;
	struct {
		struct ethtool_gstrings head;
		char name[MAX_FEATURES][ETH_GSTRING_LEN];
	} names;
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block block[MAX_FEATURES / 32];
	} values;
};

static bool ask(struct feature_query *q, void *command)
{
	q->ifr.ifr_data = command;
	return rawcall6(SYS_ioctl, q->fd, SIOCETHTOOL, (long)&q->ifr, 0, 0, 0) >= 0;
}

static bool is_active(const struct feature_query *q, const char *name)
{
	for (unsigned i = 0; i < q->names.head.len && i < q->values.head.size * 32; i++)
		if (strncmp(q->names.name[i], name, ETH_GSTRING_LEN) == 0)
			return q->values.block[i / 32].active >> (i % 32) & 1;
	return false;
}

static bool joins(struct feature_query *q)
{
	struct {
		struct ethtool_sset_info head;
		__u32 count;
	} set = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };

	if (!ask(q, &set) || !set.head.sset_mask || set.count > MAX_FEATURES)
		return false;
	q->names.head = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS,
						   .string_set = ETH_SS_FEATURES,
						   .len = set.count };
	q->values.head = (struct ethtool_gfeatures){ .cmd = ETHTOOL_GFEATURES,
						     .size = (set.count + 31) / 32 };
	return ask(q, &q->names) && ask(q, &q->values) && is_active(q, "rx-gro") &&
	       (is_active(q, "rx-gro-list") || is_active(q, "rx-udp-gro-forwarding"));
}

bool xdp_link_joins(const struct xdp_nic *x)
{
	struct feature_query *q = calloc(1, sizeof(*q));
	bool yes = false;

	if (!q)
		return true;
	memcpy(q->ifr.ifr_name, x->nic.ifname, IF_NAMESIZE);
	q->fd = (int)rawcall6(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
	if (q->fd >= 0) {
		yes = joins(q);
		rawcall6(SYS_close, q->fd, 0, 0, 0, 0, 0);
	}
	free(q);
	return yes;
}
