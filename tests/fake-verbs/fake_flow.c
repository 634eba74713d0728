/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_flow.c - ibv_create_flow(): what libibverbs itself makes of the attributes (rdma-core libibverbs/cmd.c
 * ibv_cmd_create_flow()): it ignores attr->size, begins behind the attributes and goes on by each specification's size.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake-verbs/fake_lib.h"

static size_t size_of(enum ibv_flow_spec_type type)
{
	switch (type) {
	case IBV_FLOW_SPEC_ETH:
		return sizeof(struct ibv_flow_spec_eth);
	case IBV_FLOW_SPEC_IPV4:
		return sizeof(struct ibv_flow_spec_ipv4);
	case IBV_FLOW_SPEC_IPV6:
		return sizeof(struct ibv_flow_spec_ipv6);
	case IBV_FLOW_SPEC_TCP:
	case IBV_FLOW_SPEC_UDP:
		return sizeof(struct ibv_flow_spec_tcp_udp);
	default:
		return 0;
	}
}

static int copy_specs(struct fake_request *request, const struct ibv_flow_attr *attr)
{
	const uint8_t *at = (const uint8_t *)(attr + 1);

	for (unsigned i = 0; i < attr->num_of_specs; i++) {
		struct ibv_flow_spec_eth head; /* all begin like this one */

		memcpy(&head, at, offsetof(struct ibv_flow_spec_eth, val));
		if (!size_of(head.type) || head.size != size_of(head.type) ||
		    request->flow.len + head.size > FAKE_SPECS_MAX)
			return EINVAL;
		memcpy(request->flow.spec + request->flow.len, at, head.size);
		request->flow.len += head.size;
		at += head.size;
	}
	return 0;
}

struct ibv_flow *fake_create_flow(struct ibv_qp *qp, struct ibv_flow_attr *attr)
{
	struct fake_request request = { .op = FAKE_FLOW, .handle = qp->handle };
	struct fake_reply reply;
	struct ibv_flow *flow;
	int err = fake_fault("create_flow");

	if (!err && attr->comp_mask)
		err = EINVAL;
	if (!err && !fake_may(CAP_NET_RAW))
		err = EPERM;
	if (!err)
		err = copy_specs(&request, attr);
	request.flow.type = attr->type;
	request.flow.priority = attr->priority;
	request.flow.flags = attr->flags;
	request.flow.port = attr->port;
	request.flow.specs = attr->num_of_specs;
	if (!err)
		err = fake_call(qp->context, &request, &reply, NULL, 0);
	if (err) {
		errno = err;
		return NULL;
	}
	flow = calloc(1, sizeof(*flow));
	flow->context = qp->context;
	flow->handle = reply.handle;
	return flow;
}

int fake_destroy_flow(struct ibv_flow *flow)
{
	int err = fake_destroy(flow->context, flow->handle);

	free(flow);
	return err == EIO ? 0 : err;
}
