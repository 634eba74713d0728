/* SPDX-License-Identifier: BSD-3-Clause */
/* bond.c - see bond.h. By ioctl, which asks the network namespace of its socket (drivers/net/bonding/bond_main.c bond_do_ioctl()). */
#include "nic/ethtool/bond.h"

#include <linux/if_bonding.h>
#include <linux/sockios.h>
#include <sys/syscall.h>

#include "base/rawcall.h"

static long query(const struct ethtool *e, unsigned long request, const char *ifname, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	memcpy(ifr.ifr_name, ifname, IF_NAMESIZE);
	return rawcall6(SYS_ioctl, e->fd, (long)request, (long)&ifr, 0, 0, 0);
}

static unsigned queues_of(const struct ethtool *e, const char *ifname)
{
	struct ethtool_channels ch = { .cmd = ETHTOOL_GCHANNELS };

	if (query(e, SIOCETHTOOL, ifname, &ch) < 0)
		return 1;
	return ch.combined_count + ch.rx_count;
}

unsigned bond_queues(const struct ethtool *e)
{
	struct ifbond bond = { 0 };
	unsigned most = 1;

	if (query(e, SIOCBONDINFOQUERY, e->ifname, &bond) < 0)
		return 0;
	for (int i = 0; i < bond.num_slaves; i++) {
		struct ifslave port = { .slave_id = i };
		unsigned n = 0;

		if (query(e, SIOCBONDSLAVEINFOQUERY, e->ifname, &port) == 0)
			n = queues_of(e, port.slave_name);
		if (n > most)
			most = n;
	}
	return most;
}
