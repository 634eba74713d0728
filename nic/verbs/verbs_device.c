/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_device.c - which RDMA device, and which of its ports, is the interface.
 *
 * The device's GID table says so for each port (ibv_query_gid_table(3)), in terms of our network namespace. A port without
 * GIDs, since RoCE is switched off there, is found by sysfs, if that is of our namespace, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nic/verbs/verbs.h"

#define MAX_GIDS 512

static bool read_number(const char *ifname, const char *file, unsigned *value)
{
	char path[96];
	FILE *f;
	bool good;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", ifname, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	good = fscanf(f, "%u", value) == 1;
	fclose(f);
	return good;
}

/* The port of @ctx that the interface is, by GIDs; 0: none. */
static uint8_t port_by_gid(struct ibv_context *ctx, int ifindex)
{
	struct ibv_gid_entry *entry = calloc(MAX_GIDS, sizeof(*entry));
	ssize_t n = entry ? ibv_query_gid_table(ctx, entry, MAX_GIDS, 0) : 0;
	uint8_t port = 0;

	for (ssize_t i = 0; i < n && !port; i++)
		if (entry[i].ndev_ifindex == (uint32_t)ifindex)
			port = (uint8_t)entry[i].port_num;
	free(entry);
	return port;
}

/* The same by sysfs. Drivers number their ports in dev_port; older ones did in dev_id. */
static uint8_t port_by_sysfs(const struct verbs_nic *v, const char *device)
{
	unsigned ifindex, port = 0, id = 0;
	char path[160];

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/infiniband/%s", v->nic.ifname,
		 device);
	if (access(path, F_OK) < 0 || !read_number(v->nic.ifname, "ifindex", &ifindex) ||
	    ifindex != (unsigned)v->nic.ifindex)
		return 0;
	read_number(v->nic.ifname, "dev_port", &port);
	read_number(v->nic.ifname, "dev_id",
		    &id); /* written as 0x0, so read as 0 where it is hexadecimal */
	return (uint8_t)((port > id ? port : id) + 1);
}

static bool is_ethernet(struct ibv_context *ctx, uint8_t port)
{
	struct ibv_port_attr attr;

	return ibv_query_port(ctx, port, &attr) == 0 && attr.link_layer == IBV_LINK_LAYER_ETHERNET;
}

/* Opens @device if a port of it is the interface. */
static bool try_device(struct verbs_nic *v, struct ibv_device *device)
{
	struct ibv_context *ctx = ibv_open_device(device);

	if (!ctx)
		return false;
	v->port = port_by_gid(ctx, v->nic.ifindex);
	if (!v->port)
		v->port = port_by_sysfs(v, ibv_get_device_name(device));
	if (v->port && is_ethernet(ctx, v->port)) {
		v->ctx = ctx;
		return true;
	}
	ibv_close_device(ctx);
	return false;
}

static void read_abilities(struct verbs_nic *v)
{
	struct ibv_device_attr_ex attr;

	memset(&attr, 0, sizeof(attr));
	if (ibv_query_device_ex(v->ctx, NULL, &attr) != 0)
		return;
	v->checksums = (attr.orig_attr.device_cap_flags &
			(unsigned)(IBV_DEVICE_RAW_IP_CSUM | IBV_DEVICE_UD_IP_CSUM)) != 0;
	v->clock = attr.completion_timestamp_mask != 0;
}

int verbs_device_open(struct verbs_nic *v, struct nic_params *params)
{
	int count = 0;
	struct ibv_device **list = ibv_get_device_list(&count);

	if (!list && errno != ENOSYS)
		return verbs_why_call(v, params, errno, "can not list RDMA devices");
	if (!list || !count) {
		if (list)
			ibv_free_device_list(list);
		return verbs_why(params, -ENODEV,
				 "no RDMA device on this host, so no verbs: KBACCEL_NIC=xdp, or for a "
				 "ConnectX `modprobe mlx5_ib` (mlx4_ib) and `apt install "
				 "ibverbs-providers`");
	}
	for (int i = 0; i < count && !v->ctx; i++)
		try_device(v, list[i]);
	ibv_free_device_list(list);
	if (!v->ctx)
		return verbs_why(params, -ENODEV,
				 "none of the %d RDMA device(s) is %s: `rdma link` shows which "
				 "interfaces they are; else KBACCEL_NIC=xdp",
				 count, v->nic.ifname);
	read_abilities(v);
	return 0;
}
