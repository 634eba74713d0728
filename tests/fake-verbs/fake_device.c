/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_device.c - the list of devices, opening one, and what it can do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fake-verbs/fake_lib.h"

static struct ibv_device the_device = {
	.node_type = IBV_NODE_CA,
	.transport_type = IBV_TRANSPORT_IB,
	.name = "fake_0",
	.dev_name = "uverbs0",
	.dev_path = "/sys/class/infiniband_verbs/uverbs0",
	.ibdev_path = "/sys/class/infiniband/fake_0",
};

API struct ibv_device **ibv_get_device_list(int *count)
{
	struct ibv_device **list = calloc(2, sizeof(struct ibv_device *));
	int err = fake_fault("get_device_list"), fd;

	if (count)
		*count = 0;
	if (err || !getenv("FAKE_VERBS")) {
		free(list);
		errno = err ? err : ENOSYS;
		return NULL;
	}
	fd = fake_connect();
	if (fd >= 0) {
		close(fd);
		list[0] = &the_device;
		if (count)
			*count = 1;
	}
	return list;
}

API void ibv_free_device_list(struct ibv_device **list)
{
	free(list);
}

API const char *ibv_get_device_name(struct ibv_device *device)
{
	return device->name;
}

#undef ibv_query_port
API int ibv_query_port(struct ibv_context *ctx, uint8_t port, struct _compat_ibv_port_attr *compat)
{
	struct ibv_port_attr *attr = (struct ibv_port_attr *)compat;
	struct fake_request request = { .op = FAKE_PORT };
	struct fake_reply reply;
	int err = port == 1 ? fake_call(ctx, &request, &reply, NULL, 0) : EINVAL;

	if (err)
		return err;
	attr->state = reply.device.port_state;
	attr->link_layer = (uint8_t)reply.device.link_layer;
	attr->gid_tbl_len = 1;
	return 0;
}

static int query_port(struct ibv_context *ctx, uint8_t port, struct ibv_port_attr *attr, size_t len)
{
	memset(attr, 0, len);
	return ibv_query_port(ctx, port, (struct _compat_ibv_port_attr *)attr);
}

static void fill_attr(struct ibv_context *ctx, struct ibv_device_attr *attr)
{
	const struct fake_device *d = &context_of(ctx)->device;

	memset(attr, 0, sizeof(*attr));
	attr->max_qp_wr = (int)d->max_wr;
	attr->max_cqe = (int)d->max_cqe;
	attr->max_sge = 4;
	attr->phys_port_cnt = 1;
	attr->device_cap_flags = d->checksums ? IBV_DEVICE_RAW_IP_CSUM : 0;
}

API int ibv_query_device(struct ibv_context *ctx, struct ibv_device_attr *attr)
{
	fill_attr(ctx, attr);
	return 0;
}

static int query_device_ex(struct ibv_context *ctx, const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *attr, size_t size)
{
	if (input && input->comp_mask)
		return EINVAL;
	memset(attr, 0, size);
	fill_attr(ctx, &attr->orig_attr);
	if (context_of(ctx)->device.clock != FAKE_CLOCK_NONE) {
		attr->completion_timestamp_mask = (1ull << 48) - 1;
		attr->hca_core_clock = 1000000;
	}
	attr->raw_packet_caps = context_of(ctx)->device.checksums ? IBV_RAW_PACKET_CAP_IP_CSUM : 0;
	return 0;
}

API ssize_t _ibv_query_gid_table(struct ibv_context *ctx, struct ibv_gid_entry *entry, size_t max,
				 uint32_t flags, size_t size)
{
	if (flags)
		return -EINVAL;
	if (!max || !context_of(ctx)->device.ifindex)
		return 0;
	memset(entry, 0, size);
	entry->gid.raw[0] = 0xfe;
	entry->gid.raw[1] = 0x80;
	entry->port_num = 1;
	entry->gid_type = IBV_GID_TYPE_ROCE_V2;
	entry->ndev_ifindex = context_of(ctx)->device.ifindex;
	return 1;
}

static void set_operations(struct context *c)
{
	struct ibv_context *ctx = &c->v.context;

	c->v.sz = sizeof(c->v);
	c->v.query_port = query_port;
	c->v.query_device_ex = query_device_ex;
	c->v.create_cq_ex = fake_create_cq_ex;
	c->v.ibv_create_flow = fake_create_flow;
	c->v.ibv_destroy_flow = fake_destroy_flow;
	ctx->abi_compat = __VERBS_ABI_IS_EXTENDED;
	ctx->ops.poll_cq = fake_poll_cq;
	ctx->ops.req_notify_cq = fake_req_notify;
	ctx->ops.post_send = fake_post_send;
	ctx->ops.post_recv = fake_post_recv;
}

/* Low numbers, as the kernel gives them. */
API struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	struct fake_request request = { .op = FAKE_OPEN };
	struct fake_reply reply;
	struct context *c = calloc(1, sizeof(*c));
	struct ibv_context *ctx = &c->v.context;
	int events[2], err = fake_fault("open_device");

	if (err || pipe2(events, O_CLOEXEC) < 0) {
		free(c);
		errno = err ? err : errno;
		return NULL;
	}
	ctx->device = device;
	ctx->cmd_fd = fake_connect();
	ctx->async_fd = events[0];
	ctx->num_comp_vectors = 1;
	pthread_mutex_init(&ctx->mutex, NULL);
	set_operations(c);
	err = ctx->cmd_fd < 0 ? ENODEV : fake_call(ctx, &request, &reply, &events[1], 1);
	close(events[1]);
	if (err) {
		if (ctx->cmd_fd >= 0)
			close(ctx->cmd_fd);
		close(events[0]);
		free(c);
		errno = err;
		return NULL;
	}
	c->device = reply.device;
	return ctx;
}

API int ibv_close_device(struct ibv_context *ctx)
{
	close(ctx->cmd_fd);
	close(ctx->async_fd);
	pthread_mutex_destroy(&ctx->mutex);
	free(context_of(ctx));
	return 0;
}
