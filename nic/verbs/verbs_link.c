/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_link.c - what the interface is: address, MTU, and whether tagged frames may come in by it.
 *
 * A flow rule matches a datagram whether or not it has a VLAN tag, so the datagrams of a VLAN on this interface would be taken
 * from it: such an interface is not for us.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rawcall.h"
#include "nic/verbs/verbs.h"

#define FRAME_OVERHEAD 22 /* Ethernet header and two tags */
#define SMALLEST_FRAME 2048
#define LARGEST_FRAME 16384

static int query(int fd, struct ifreq *ifr, unsigned long request)
{
	return (int)rawcall6(SYS_ioctl, fd, (long)request, (long)ifr, 0, 0, 0);
}

static int read_link(struct verbs_nic *v, struct ifreq *ifr, int fd, struct nic_params *params)
{
	struct nic *nic = &v->nic;
	int err = query(fd, ifr, SIOCGIFINDEX);

	if (err < 0)
		return verbs_why(params, err,
				 "no interface %s in this network namespace: `ip link` lists them, "
				 "KBACCEL_INTERFACE chooses",
				 nic->ifname);
	nic->ifindex = ifr->ifr_ifindex;
	err = query(fd, ifr, SIOCGIFHWADDR);
	if (err < 0)
		return verbs_why(params, err, "%s: can not read its address: %s", nic->ifname,
				 strerror(-err));
	if (ifr->ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return verbs_why(params, -EOPNOTSUPP,
				 "%s is not an Ethernet interface: choose one with KBACCEL_INTERFACE",
				 nic->ifname);
	memcpy(nic->mac, ifr->ifr_hwaddr.sa_data, sizeof(nic->mac));
	err = query(fd, ifr, SIOCGIFMTU);
	if (err < 0)
		return verbs_why(params, err, "%s: can not read its MTU: %s", nic->ifname,
				 strerror(-err));
	nic->mtu = (uint32_t)ifr->ifr_mtu;
	return 0;
}

/* Drivers that do not stamp at all do not know the request. */
static bool driver_stamps(int fd, struct ifreq *ifr)
{
	struct hwtstamp_config config = { .flags = 0 };

	ifr->ifr_data = (void *)&config;
	return query(fd, ifr, SIOCGHWTSTAMP) == 0 && config.rx_filter == HWTSTAMP_FILTER_ALL;
}

/* The name of a VLAN interface on @ifname, into @name. */
static bool has_vlan(const char *ifname, char *name, size_t len)
{
	char path[sizeof("/proc/net/vlan/") + NAME_MAX];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s", ifname);
	dir = opendir(path);
	while (!found && dir && (e = readdir(dir))) {
		if (strncmp(e->d_name, "upper_", 6) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/net/vlan/%.200s", e->d_name + 6);
		found = access(path, F_OK) == 0;
		if (found)
			snprintf(name, len, "%s", e->d_name + 6);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Whatever the wire brings must fit: one frame that does not ends the queue. */
static int choose_frame(struct verbs_nic *v, struct nic_params *params)
{
	uint32_t need = VERBS_HEADROOM + v->nic.mtu + FRAME_OVERHEAD;

	for (v->frame_size = SMALLEST_FRAME; v->frame_size < need;)
		v->frame_size *= 2;
	if (v->frame_size <= LARGEST_FRAME)
		return 0;
	return verbs_why(params, -EOPNOTSUPP,
			 "%s has an MTU of %u, more than %d: ip link set dev %s mtu 9000",
			 v->nic.ifname, v->nic.mtu, LARGEST_FRAME - VERBS_HEADROOM - FRAME_OVERHEAD,
			 v->nic.ifname);
}

int verbs_link_read(struct verbs_nic *v, struct nic_params *params)
{
	char vlan[IF_NAMESIZE];
	struct ifreq ifr;
	int fd, err;

	if (!params->ifname || !params->ifname[0] || strlen(params->ifname) >= IF_NAMESIZE)
		return verbs_why(params, -ENODEV, "no interface can have the name \"%.32s\"",
				 params->ifname ? params->ifname : "");
	memset(&ifr, 0, sizeof(ifr));
	memcpy(v->nic.ifname, params->ifname, strlen(params->ifname) + 1);
	memcpy(ifr.ifr_name, v->nic.ifname, IF_NAMESIZE);
	fd = (int)rawcall6(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
	if (fd < 0)
		return verbs_why(params, fd, "no socket to ask about %s with: %s", v->nic.ifname,
				 strerror(-fd));
	err = read_link(v, &ifr, fd, params);
	v->stamps_on = err == 0 && driver_stamps(fd, &ifr);
	rawcall6(SYS_close, fd, 0, 0, 0, 0, 0);
	if (err < 0)
		return err;
	if (has_vlan(v->nic.ifname, vlan, sizeof(vlan)))
		return verbs_why(params, -EOPNOTSUPP,
				 "%s has the VLAN %s on it, whose datagrams a rule in the NIC would "
				 "take as well: KBACCEL_NIC=xdp",
				 v->nic.ifname, vlan);
	return choose_frame(v, params);
}
