/* SPDX-License-Identifier: BSD-3-Clause */
/* hwstamp.c - see hwstamp.h. */
#include "stack/hwstamp.h"

#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "base/sandbox.h"
#include "stack/hostnet.h"

bool hwstamp_filters(uint32_t rx_filters)
{
	return rx_filters & ~(1u << HWTSTAMP_FILTER_NONE);
}

static bool can_stamp(int fd, const char *ifname)
{
	struct ethtool_ts_info info = { .cmd = ETHTOOL_GET_TS_INFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };

	memcpy(ifr.ifr_name, ifname, sizeof(ifr.ifr_name));
	return own_call6(SYS_ioctl, fd, SIOCETHTOOL, (long)&ifr, 0, 0, 0) == 0 &&
	       hwstamp_filters(info.rx_filters);
}

/* Called with stack.lock held. */
bool hwstamp_possible(int fd)
{
	static struct hostnet_link links[HOSTNET_MAX_LINKS];
	unsigned n = hostnet_links(links, HOSTNET_MAX_LINKS);

	for (unsigned i = 0; i < n; i++)
		if (can_stamp(fd, links[i].name))
			return true;
	return false;
}
