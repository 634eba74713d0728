/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_link.c - what kind of interface it is: address, MTU, queues, driver. Asked by ioctl, which
 * looks into the network namespace of the caller; sysfs may show another one.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/rawcall.h"
#include "nic/ethtool/bond.h"
#include "nic/xdp/xdp.h"

#define VLAN_FRAME_OVERHEAD 18
#define SMALL_FRAME 2048
#define LARGE_FRAME 4096

struct link_query {
	int fd;
	struct ifreq ifr;
};

static int query(struct link_query *lq, unsigned long request)
{
	return (int)rawcall6(SYS_ioctl, lq->fd, (long)request, (long)&lq->ifr, 0, 0, 0);
}

static int query_ethtool(struct link_query *lq, void *command)
{
	lq->ifr.ifr_data = command;
	return query(lq, SIOCETHTOOL);
}

/*
 * Drivers without a channel count have one queue; a bond's frames come by those of its ports.
 *
 * A bond would take a program in driver mode and run it in its ports. The frames are the port's then, and an AF_XDP socket takes none
 * but those of the interface that it is bound to (net/xdp/xsk.c xsk_rcv_check()): all that is steered would be lost.
 * Behind the port's receive handler, in generic mode, they are the bond's.
 */
static void read_queues(struct xdp_nic *x, struct link_query *lq)
{
	struct ethtool_channels ch = { .cmd = ETHTOOL_GCHANNELS };
	struct ethtool e = { .fd = lq->fd };
	unsigned ports;

	memcpy(e.ifname, x->nic.ifname, sizeof(e.ifname));
	ports = bond_queues(&e);
	x->generic_only = ports || x->loopback;
	x->rx_queues = x->tx_queues = ports ? ports : 1;
	if (query_ethtool(lq, &ch) < 0)
		return;
	if (ch.combined_count + ch.rx_count)
		x->rx_queues = ch.combined_count + ch.rx_count;
	if (ch.combined_count + ch.tx_count)
		x->tx_queues = ch.combined_count + ch.tx_count;
}

/*
 * Has the frame possibly never been on a wire, so that its sender left the checksum to hardware
 * that is not there? True for links without a device under them, and for the paravirtual devices of
 * virtual machines.
 */
static bool is_virtual(struct link_query *lq)
{
	static const char *const drivers[] = { "virtio_net", "xen_netfront", "vif", "hv_netvsc",
					       "vmxnet3",    "ibmveth",	     "tun", "bridge" };
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (query_ethtool(lq, &info) < 0)
		return true;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(info.driver, drivers[i]) == 0)
			return true;
	return info.bus_info[0] == '\0' || strcmp(info.bus_info, "N/A") == 0;
}

static int read_link(struct xdp_nic *x, struct link_query *lq, struct nic_params *params)
{
	struct nic *nic = &x->nic;
	int err = query(lq, SIOCGIFINDEX);

	if (err < 0)
		return xdp_why(params, err,
			       "no interface %s in this network namespace: `ip link` lists them, "
			       "KBACCEL_INTERFACE chooses",
			       nic->ifname);
	nic->ifindex = lq->ifr.ifr_ifindex;
	err = query(lq, SIOCGIFHWADDR);
	if (err < 0)
		return xdp_why(params, err, "%s: can not read its address: %s", nic->ifname,
			       strerror(-err));
	x->loopback = lq->ifr.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	if (!x->loopback && lq->ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return xdp_why(params, -EOPNOTSUPP,
			       "%s is not an Ethernet interface: choose one with KBACCEL_INTERFACE",
			       nic->ifname);
	memcpy(nic->mac, lq->ifr.ifr_hwaddr.sa_data, sizeof(nic->mac));
	err = query(lq, SIOCGIFMTU);
	if (err < 0)
		return xdp_why(params, err, "%s: can not read its MTU: %s", nic->ifname,
			       strerror(-err));
	nic->mtu = (uint32_t)lq->ifr.ifr_mtu;
	return 0;
}

/* A chunk is a page at the most. */
static void choose_frame(struct xdp_nic *x)
{
	uint32_t need = x->nic.mtu + VLAN_FRAME_OVERHEAD + XDP_HEADROOM;

	x->frame_size = need <= SMALL_FRAME ? SMALL_FRAME : LARGE_FRAME;
	x->wide = need > LARGE_FRAME && !x->guest && !x->loopback;
}

int xdp_link_read(struct xdp_nic *x, struct nic_params *params)
{
	struct nic *nic = &x->nic;
	struct link_query lq;
	int err;

	memset(&lq, 0, sizeof(lq));
	if (!params->ifname || !params->ifname[0] || strlen(params->ifname) >= IF_NAMESIZE)
		return xdp_why(params, -ENODEV, "no interface can have the name \"%.32s\"",
			       params->ifname ? params->ifname : "");
	memcpy(nic->ifname, params->ifname, strlen(params->ifname) + 1);
	memcpy(lq.ifr.ifr_name, nic->ifname, IF_NAMESIZE);
	lq.fd = (int)rawcall6(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
	if (lq.fd < 0)
		return xdp_why(params, lq.fd, "no socket to ask about %s with: %s", nic->ifname,
			       strerror(-lq.fd));
	err = read_link(x, &lq, params);
	if (err == 0) {
		read_queues(x, &lq);
		if (x->loopback)
			nic->flags = NIC_F_VIRTUAL | NIC_F_RX_ONLY;
		else if (is_virtual(&lq))
			nic->flags = NIC_F_VIRTUAL;
	}
	rawcall6(SYS_close, lq.fd, 0, 0, 0, 0, 0);
	choose_frame(x);
	return err;
}
