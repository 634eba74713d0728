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
#include "stack/stack.h"

#define FOLLOW_US 1000000

static struct hostnet_link links[HOSTNET_MAX_LINKS];
static uint64_t due; /* clock_ticks() */

bool hwstamp_filters(uint32_t rx_filters)
{
	return rx_filters & ~(1u << HWTSTAMP_FILTER_NONE);
}

static long ask(int fd, const char *ifname, unsigned long request, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	memcpy(ifr.ifr_name, ifname, sizeof(ifr.ifr_name));
	return own_call6(SYS_ioctl, fd, (long)request, (long)&ifr, 0, 0, 0);
}

static bool can_stamp(int fd, const char *ifname)
{
	struct ethtool_ts_info info = { .cmd = ETHTOOL_GET_TS_INFO };

	return ask(fd, ifname, SIOCETHTOOL, &info) == 0 && hwstamp_filters(info.rx_filters);
}

/* A driver that stamps some datagrams only does not say which: then none of ours is. */
static bool stamps_all(const char *ifname)
{
	struct hwtstamp_config now = { .flags = 0 };

	return ask(hostnet_fd(), ifname, SIOCGHWTSTAMP, &now) == 0 &&
	       now.rx_filter == HWTSTAMP_FILTER_ALL;
}

/* What @l brings is for the interfaces in @ifaces: as one of them, or as a port of one. */
static bool serves(const struct hostnet_link *l, uint32_t ifaces, const struct iface **f)
{
	*f = NULL;
	for (unsigned i = 0; i < stack.ifaces; i++)
		if ((ifaces >> i & 1) && stack.iface[i]->nic->ifindex == l->ifindex)
			*f = stack.iface[i];
	return *f || (ifaces && l->enslaved);
}

bool hwstamp_kernels_only(int fd, uint32_t ifaces, bool phc)
{
	unsigned n = hostnet_links(links, HOSTNET_MAX_LINKS);
	const struct iface *f;

	for (unsigned i = 0; i < n; i++) {
		if (!serves(&links[i], ifaces, &f) ||
		    (f && (f->nic->flags & NIC_F_HW_STAMPS) && !phc))
			continue;
		if (can_stamp(fd, links[i].name))
			return true;
	}
	return false;
}

void hwstamp_read(void)
{
	unsigned n;

	/* What the program's filter lets nobody ask is as it was. */
	if (sandbox_forbids(SYS_ioctl))
		return;
	n = hostnet_links(links, HOSTNET_MAX_LINKS);
	for (unsigned i = 0; i < n; i++) {
		const struct iface *f = stack_iface(links[i].ifindex);
		bool on = f && (f->nic->flags & NIC_F_HW_STAMPS) && stamps_all(links[i].name);

		for (unsigned e = 0; f && e < f->engines; e++)
			relaxed_set(f->engine[e]->stamping, on);
	}
}

void hwstamp_follow(uint64_t now)
{
	if (!relaxed_get(stack.stamp_wanted) || now < relaxed_get(due))
		return;
	relaxed_set(due, now + FOLLOW_US * clock_ticks_per_us);
	hwstamp_read();
}

void hwstamp_changed(void)
{
	relaxed_set(due, 0);
	relaxed_set(stack.tick_due, 0);
}
