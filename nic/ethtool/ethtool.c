/* SPDX-License-Identifier: BSD-3-Clause */
/* ethtool.c - see ethtool.h. By ioctl, which asks the network namespace of its socket. */
#define _GNU_SOURCE
#include "nic/ethtool/ethtool.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rawcall.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define ENOTSUPP 524 /* not for programs, and yet */

_Static_assert(offsetof(struct ethtool_rss, size) == offsetof(struct ethtool_rxfh_indir, size) &&
		       offsetof(struct ethtool_rss, queue) ==
			       offsetof(struct ethtool_rxfh_indir, ring_index),
	       "struct ethtool_rss is the kernel's");

static int command(const struct ethtool *e, void *data)
{
	struct ifreq ifr = { .ifr_data = data };
	long ret;

	memcpy(ifr.ifr_name, e->ifname, IF_NAMESIZE);
	ret = rawcall6(SYS_ioctl, e->fd, SIOCETHTOOL, (long)&ifr, 0, 0, 0);
	return ret == -ENOTSUPP ? -EOPNOTSUPP : (int)ret;
}

int ethtool_open(struct ethtool *e, const char *ifname)
{
	memset(e->ifname, 0, sizeof(e->ifname));
	strncpy(e->ifname, ifname, IF_NAMESIZE - 1);
	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return e->fd < 0 ? -errno : 0;
}

void ethtool_close(struct ethtool *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

int ethtool_ifindex(const struct ethtool *e)
{
	struct ifreq ifr;
	long ret;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, e->ifname, IF_NAMESIZE);
	ret = rawcall6(SYS_ioctl, e->fd, SIOCGIFINDEX, (long)&ifr, 0, 0, 0);
	return ret < 0 ? (int)ret : ifr.ifr_ifindex;
}

int ethtool_find(struct ethtool *e, int ifindex)
{
	struct ifreq ifr;
	long ret;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_ifindex = ifindex;
	ret = rawcall6(SYS_ioctl, e->fd, SIOCGIFNAME, (long)&ifr, 0, 0, 0);
	if (ret == 0)
		memcpy(e->ifname, ifr.ifr_name, IF_NAMESIZE);
	return (int)ret;
}

uint64_t ethtool_netns(const struct ethtool *e)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	rawcall6(SYS_getsockopt, e->fd, SOL_SOCKET, SO_NETNS_COOKIE, (long)&cookie, (long)&len, 0);
	return cookie;
}

int ethtool_queues(const struct ethtool *e)
{
	struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_GRXRINGS };
	int err = command(e, &nfc);

	return err < 0 ? err : (int)nfc.data;
}

static int read_main(const struct ethtool *e, struct ethtool_rss *rss)
{
	int err;

	rss->cmd = ETHTOOL_GRXFHINDIR;
	rss->size = 0;
	err = command(e, rss);
	if (err < 0)
		return err;
	if (rss->size == 0)
		return -EOPNOTSUPP;
	if (rss->size > ETHTOOL_MAX_RSS)
		return -E2BIG;
	return command(e, rss);
}

int ethtool_read_rss(const struct ethtool *e, uint32_t context, struct ethtool_rss *rss)
{
	struct {
		struct ethtool_rxfh head;
		uint32_t queue[ETHTOOL_MAX_RSS];
	} other = { .head = { .cmd = ETHTOOL_GRSSH, .rss_context = context } };
	int err;

	if (context == 0)
		return read_main(e, rss);
	err = command(e, &other);
	if (err < 0)
		return err;
	if (other.head.indir_size > ETHTOOL_MAX_RSS)
		return -E2BIG;
	other.head.key_size = 0;
	err = command(e, &other);
	rss->size = other.head.indir_size;
	memcpy(rss->queue, other.queue, rss->size * sizeof(rss->queue[0]));
	return err;
}

int ethtool_write_rss(const struct ethtool *e, struct ethtool_rss *rss)
{
	rss->cmd = ETHTOOL_SRXFHINDIR;
	return command(e, rss);
}

static int flags(const struct ethtool *e, uint32_t *value)
{
	struct ethtool_value v = { .cmd = ETHTOOL_GFLAGS };
	int err = command(e, &v);

	*value = v.data;
	return err;
}

int ethtool_ntuple(const struct ethtool *e, bool *on)
{
	uint32_t value;
	int err = flags(e, &value);

	*on = err == 0 && (value & ETH_FLAG_NTUPLE);
	return err;
}

int ethtool_set_ntuple(const struct ethtool *e, bool on)
{
	struct ethtool_value v = { .cmd = ETHTOOL_SFLAGS };
	int err = flags(e, &v.data);

	if (err < 0)
		return err;
	v.data = on ? v.data | ETH_FLAG_NTUPLE : v.data & ~(uint32_t)ETH_FLAG_NTUPLE;
	return command(e, &v);
}

int ethtool_list_rules(const struct ethtool *e, struct ethtool_rules *rules)
{
	struct ethtool_rxnfc *nfc = &rules->list.head;
	int err;

	memset(nfc, 0, sizeof(*nfc));
	nfc->cmd = ETHTOOL_GRXCLSRLCNT;
	err = command(e, nfc);
	if (err < 0)
		return err;
	rules->driver_picks = nfc->data & RX_CLS_LOC_SPECIAL;
	if (nfc->rule_cnt > ETHTOOL_MAX_RULES)
		return -E2BIG;
	/* The size of the table: some drivers tell it here, some with the list. */
	rules->room = (uint32_t)nfc->data & ~RX_CLS_LOC_SPECIAL;
	nfc->cmd = ETHTOOL_GRXCLSRLALL;
	nfc->data = 0;
	err = command(e, nfc);
	if (err < 0)
		return err;
	rules->count = nfc->rule_cnt;
	if (nfc->data)
		rules->room = (uint32_t)nfc->data & ~RX_CLS_LOC_SPECIAL;
	return 0;
}

int ethtool_read_rule(const struct ethtool *e, uint32_t location, struct ethtool_rx_flow_spec *rule,
		      uint32_t *context)
{
	struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_GRXCLSRULE };
	int err;

	nfc.fs.location = location;
	err = command(e, &nfc);
	if (err == 0) {
		*rule = nfc.fs;
		*context = nfc.rss_context;
	}
	return err;
}

int ethtool_add_rule(const struct ethtool *e, struct ethtool_rx_flow_spec *rule)
{
	struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_SRXCLSRLINS, .fs = *rule };
	int err = command(e, &nfc);

	if (err == 0)
		rule->location = nfc.fs.location;
	return err;
}

int ethtool_delete_rule(const struct ethtool *e, uint32_t location)
{
	struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_SRXCLSRLDEL };

	nfc.fs.location = location;
	return command(e, &nfc);
}
