/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_fake_verbs.c - the fake libibverbs itself: what the kernel and the NIC refuse, it refuses too, so that a backend which
 * passes with it has kept their rules. Linked to libibverbs as the plugin is, run with the fake one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/test_verbs.h"

#define RING 8

static bool able;
static struct ibv_context *ctx;
static struct ibv_pd *pd;
static struct ibv_comp_channel *channel;
static struct ibv_cq *rcq, *scq;
static struct ibv_qp *qp;
static struct ibv_mr *mr;
static uint8_t memory[65536];

static struct ibv_qp *make_qp(struct ibv_cq *send_cq, struct ibv_cq *recv_cq, unsigned n)
{
	struct ibv_qp_init_attr attr = { .send_cq = send_cq,
					 .recv_cq = recv_cq,
					 .cap = { .max_send_wr = n,
						  .max_recv_wr = n,
						  .max_send_sge = 1,
						  .max_recv_sge = 1,
						  .max_inline_data = 64 },
					 .qp_type = IBV_QPT_RAW_PACKET };

	return ibv_create_qp(pd, &attr);
}

static int to_state(struct ibv_qp *p, enum ibv_qp_state state, int mask)
{
	struct ibv_qp_attr attr = { .qp_state = state, .port_num = 1 };

	return ibv_modify_qp(p, &attr, mask);
}

static int start_qp(struct ibv_qp *p)
{
	return to_state(p, IBV_QPS_INIT, IBV_QP_STATE | IBV_QP_PORT) ||
	       to_state(p, IBV_QPS_RTR, IBV_QP_STATE) || to_state(p, IBV_QPS_RTS, IBV_QP_STATE);
}

static int setup(void **state)
{
	struct ibv_device **list;

	(void)state;
	if (!able)
		return 0;
	if (!hca_start(""))
		return -1;
	list = ibv_get_device_list(NULL);
	ctx = ibv_open_device(list[0]);
	ibv_free_device_list(list);
	pd = ibv_alloc_pd(ctx);
	channel = ibv_create_comp_channel(ctx);
	fcntl(channel->fd, F_SETFL, O_NONBLOCK);
	fcntl(ctx->async_fd, F_SETFL, O_NONBLOCK);
	rcq = ibv_create_cq(ctx, RING, NULL, channel, 0);
	scq = ibv_create_cq(ctx, RING, NULL, NULL, 0);
	mr = ibv_reg_mr(pd, memory, sizeof(memory), IBV_ACCESS_LOCAL_WRITE);
	qp = make_qp(scq, rcq, RING);
	return qp && mr ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	if (!able)
		return 0;
	if ((qp && ibv_destroy_qp(qp)) || ibv_destroy_cq(rcq) || ibv_destroy_cq(scq) ||
	    ibv_destroy_comp_channel(channel) || ibv_dereg_mr(mr) || ibv_dealloc_pd(pd) ||
	    ibv_close_device(ctx))
		return -1;
	return hca_stop() ? 0 : -1;
}

static void need(void)
{
	if (!able)
		skip();
}

static void states_follow_one_another(void **state)
{
	(void)state;
	need();
	assert_int_equal(to_state(qp, IBV_QPS_RTR, IBV_QP_STATE), EINVAL);
	assert_int_equal(to_state(qp, IBV_QPS_INIT, IBV_QP_STATE), EINVAL);
	assert_int_equal(to_state(qp, IBV_QPS_INIT, IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX),
			 EINVAL);
	assert_int_equal(to_state(qp, IBV_QPS_INIT, IBV_QP_STATE | IBV_QP_PORT), 0);
	assert_int_equal(to_state(qp, IBV_QPS_RTS, IBV_QP_STATE), EINVAL);
	assert_int_equal(to_state(qp, IBV_QPS_RTR, IBV_QP_STATE | IBV_QP_AV), EINVAL);
	assert_int_equal(to_state(qp, IBV_QPS_RTR, IBV_QP_STATE), 0);
	assert_int_equal(to_state(qp, IBV_QPS_RTS, IBV_QP_STATE), 0);
	assert_int_equal(to_state(qp, IBV_QPS_ERR, IBV_QP_STATE), 0);
	assert_int_equal(to_state(qp, IBV_QPS_INIT, IBV_QP_STATE | IBV_QP_PORT), EINVAL);
	assert_int_equal(to_state(qp, IBV_QPS_RESET, IBV_QP_STATE), 0);
	assert_int_equal(start_qp(qp), 0);
}

static void other_kinds_of_queue_pairs_are_refused(void **state)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = scq, .recv_cq = rcq, .qp_type = IBV_QPT_UD, .cap = { .max_send_wr = 1 }
	};

	(void)state;
	need();
	assert_null(ibv_create_qp(pd, &attr));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_null(make_qp(scq, rcq, 100000));
	assert_int_equal(errno, EINVAL);
	assert_null(ibv_create_cq(ctx, 100000, NULL, NULL, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(ibv_create_cq(ctx, 4, NULL, NULL, 1));
}

struct rule {
	struct ibv_flow_attr attr;
	struct ibv_flow_spec_eth eth;
	struct ibv_flow_spec_ipv4 ip;
	struct ibv_flow_spec_tcp_udp udp;
};

static struct rule good_rule(void)
{
	struct rule r = { .attr = { .type = IBV_FLOW_ATTR_NORMAL,
				    .size = sizeof(r),
				    .num_of_specs = 3,
				    .port = 1 },
			  .eth = { .type = IBV_FLOW_SPEC_ETH, .size = sizeof(r.eth) },
			  .ip = { .type = IBV_FLOW_SPEC_IPV4, .size = sizeof(r.ip) },
			  .udp = { .type = IBV_FLOW_SPEC_UDP, .size = sizeof(r.udp) } };

	memset(r.eth.mask.dst_mac, 0xff, 6);
	r.eth.val.dst_mac[0] = 2;
	r.eth.val.ether_type = htons(ETH_P_IP);
	r.eth.mask.ether_type = 0xffff;
	r.udp.val.dst_port = htons(53);
	r.udp.mask.dst_port = 0xffff;
	return r;
}

static void assert_refused(struct rule r, int err)
{
	assert_null(ibv_create_flow(qp, &r.attr));
	assert_int_equal(errno, err);
}

static void rules_are_checked(void **state)
{
	struct ibv_flow *first, *second;
	struct rule r = good_rule();
	struct ibv_qp *other;

	(void)state;
	need();
	r.attr.comp_mask = 1;
	assert_refused(r, EINVAL);
	r = good_rule();
	r.attr.port = 2;
	assert_refused(r, EINVAL);
	r = good_rule();
	r.attr.num_of_specs = 11;
	assert_refused(r, EINVAL);
	r = good_rule();
	r.attr.priority = 16;
	assert_refused(r, ENOMEM);
	r = good_rule();
	r.attr.flags = 1u << 7;
	assert_refused(r, EINVAL);
	r = good_rule();
	r.ip.size -= 4; /* the next specification would begin in the middle of this one */
	assert_refused(r, EINVAL);
	r = good_rule();
	r.eth.val.ether_type = htons(ETH_P_IPV6);
	assert_refused(r, EINVAL);
	r = good_rule();
	r.eth.mask.ether_type = 0;
	assert_refused(r, EINVAL);
	r = good_rule();
	first = ibv_create_flow(qp, &r.attr);
	assert_non_null(first);
	assert_refused(r, EEXIST);
	other = make_qp(scq, rcq, RING);
	assert_null(ibv_create_flow(other, &r.attr));
	assert_int_equal(errno, EEXIST);
	/* A group's frames are copied, so several queue pairs may have the same rule. */
	r.eth.val.dst_mac[0] = 1;
	second = ibv_create_flow(other, &r.attr);
	assert_non_null(second);
	assert_int_equal(ibv_destroy_flow(first), 0);
	first = ibv_create_flow(qp, &r.attr);
	assert_non_null(first);
	assert_int_equal(ibv_destroy_flow(first), 0);
	assert_int_equal(ibv_destroy_flow(second), 0);
	assert_int_equal(ibv_destroy_qp(other), 0);
}

static void what_is_used_is_not_destroyed(void **state)
{
	struct rule r = good_rule();
	struct ibv_flow *flow;

	(void)state;
	need();
	flow = ibv_create_flow(qp, &r.attr);
	assert_non_null(flow);
	assert_int_equal(ibv_destroy_qp(qp), EBUSY);
	assert_int_equal(ibv_destroy_cq(rcq), EBUSY);
	assert_int_equal(ibv_destroy_comp_channel(channel), EBUSY);
	assert_int_equal(ibv_dealloc_pd(pd), EBUSY);
	assert_int_equal(ibv_destroy_flow(flow), 0);
}

static int post_receive(uint64_t id, uint32_t len)
{
	struct ibv_sge sge = { .addr = (uintptr_t)memory, .length = len, .lkey = mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = id, .sg_list = &sge, .num_sge = 1 }, *bad;

	return ibv_post_recv(qp, &wr, &bad);
}

static int post_send(uint64_t id, uint32_t lkey, unsigned flags)
{
	struct ibv_sge sge = { .addr = (uintptr_t)memory, .length = 60, .lkey = lkey };
	struct ibv_send_wr wr = { .wr_id = id,
				  .sg_list = &sge,
				  .num_sge = 1,
				  .opcode = IBV_WR_SEND,
				  .send_flags = flags },
			   *bad;

	return ibv_post_send(qp, &wr, &bad);
}

static int poll_for(struct ibv_cq *cq, struct ibv_wc *wc, int n)
{
	int got = 0;

	for (int i = 0; i < 500 && got < n; i++) {
		int more = ibv_poll_cq(cq, n - got, wc + got);

		if (more < 0)
			return more;
		got += more;
		usleep(more ? 0 : 1000);
	}
	return got;
}

static void places_are_free_when_completions_say_so(void **state)
{
	struct ibv_wc wc[RING];
	uint8_t frame[128];

	(void)state;
	need();
	assert_int_equal(post_receive(1, 100), EINVAL); /* in RESET */
	assert_int_equal(start_qp(qp), 0);
	for (int i = 0; i < RING; i++)
		assert_int_equal(post_receive((uint64_t)i, 100), 0);
	assert_int_equal(post_receive(9, 100), ENOMEM);
	/* Sends that do not report leave their place taken, although they are done. */
	for (int i = 0; i < RING - 1; i++)
		assert_int_equal(post_send((uint64_t)i, mr->lkey, 0), 0);
	assert_int_equal(frames_at(wire, frame, sizeof(frame), RING - 1, 500), RING - 1);
	assert_int_equal(poll_for(scq, wc, 0), 0);
	assert_int_equal(post_send(7, mr->lkey, IBV_SEND_SIGNALED), 0);
	assert_int_equal(post_send(8, mr->lkey, 0), ENOMEM);
	assert_int_equal(poll_for(scq, wc, 1), 1);
	assert_int_equal(wc[0].wr_id, 7);
	assert_int_equal(post_send(8, mr->lkey, 0), 0);
}

static void errors_flush_the_queues(void **state)
{
	struct ibv_async_event event;
	struct ibv_wc wc[RING];

	(void)state;
	need();
	assert_int_equal(start_qp(qp), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(post_receive((uint64_t)i, 100), 0);
	assert_int_equal(post_send(1, mr->lkey + 100, 0), 0); /* a key that is none */
	assert_int_equal(poll_for(scq, wc, 1), 1);
	assert_int_equal(wc[0].status, IBV_WC_LOC_PROT_ERR);
	assert_int_equal(poll_for(rcq, wc, 3), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wc[i].status, IBV_WC_WR_FLUSH_ERR);
		assert_int_equal(wc[i].wr_id, i);
	}
	assert_int_equal(ibv_get_async_event(ctx, &event), 0);
	assert_int_equal(event.event_type, IBV_EVENT_QP_FATAL);
	ibv_ack_async_event(&event);
}

static void inline_data_has_a_limit(void **state)
{
	(void)state;
	need();
	assert_int_equal(start_qp(qp), 0);
	assert_int_equal(post_send(1, 0, IBV_SEND_INLINE | IBV_SEND_SIGNALED), 0); /* no key needed */
	memset(memory, 0, 60);
	struct ibv_sge sge = { .addr = (uintptr_t)memory, .length = 65 };
	struct ibv_send_wr wr = { .sg_list = &sge,
				  .num_sge = 1,
				  .opcode = IBV_WR_SEND,
				  .send_flags = IBV_SEND_INLINE },
			   *bad = NULL;

	assert_int_equal(ibv_post_send(qp, &wr, &bad), EINVAL);
	assert_ptr_equal(bad, &wr);
}

/* One event for each arming, for what comes after it; each must be acknowledged. */
static void events_are_for_what_comes_later(void **state)
{
	struct rule r = good_rule();
	struct ibv_flow *flow;
	struct ibv_wc wc[RING];
	struct ibv_cq *cq;
	uint8_t frame[60] = { 2, [12] = 8, [14] = 0x45, [23] = 17, [37] = 53 };
	void *context;

	(void)state;
	need();
	assert_int_equal(start_qp(qp), 0);
	flow = ibv_create_flow(qp, &r.attr);
	assert_non_null(flow);
	for (int i = 0; i < RING; i++)
		post_receive((uint64_t)i, 100);
	assert_int_equal(send(wire, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(poll_for(rcq, wc, 1), 1);
	assert_int_equal(ibv_get_cq_event(channel, &cq, &context), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send(wire, frame, sizeof(frame), 0), sizeof(frame));
	usleep(50000);
	assert_int_equal(ibv_req_notify_cq(rcq, 0), 0);
	usleep(50000);
	assert_int_equal(ibv_get_cq_event(channel, &cq, &context), -1);
	assert_int_equal(poll_for(rcq, wc, 1), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(send(wire, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(poll_for(rcq, wc, 2), 2);
	assert_int_equal(ibv_get_cq_event(channel, &cq, &context), 0);
	assert_ptr_equal(cq, rcq);
	assert_int_equal(ibv_get_cq_event(channel, &cq, &context), -1);
	ibv_ack_cq_events(rcq, 1);
	assert_int_equal(ibv_destroy_flow(flow), 0);
}

static void a_completion_queue_may_overrun(void **state)
{
	struct ibv_async_event event;
	struct ibv_wc wc[RING];
	struct ibv_cq *small;

	(void)state;
	need();
	small = ibv_create_cq(ctx, 2, NULL, NULL, 0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	qp = make_qp(small, rcq, RING);
	assert_int_equal(start_qp(qp), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(post_send((uint64_t)i, mr->lkey, IBV_SEND_SIGNALED), 0);
	usleep(50000);
	assert_int_equal(ibv_get_async_event(ctx, &event), 0);
	assert_int_equal(event.event_type, IBV_EVENT_CQ_ERR);
	ibv_ack_async_event(&event);
	assert_true(ibv_poll_cq(small, RING, wc) < 0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	qp = NULL;
	assert_int_equal(ibv_destroy_cq(small), 0);
}

static void no_buffer_no_frame(void **state)
{
	uint8_t frame[60] = { 2, [12] = 8, [14] = 0x45, [23] = 17, [37] = 53 };
	struct rule r = good_rule();
	struct ibv_flow *flow;
	struct ibv_wc wc[RING];

	(void)state;
	need();
	assert_int_equal(start_qp(qp), 0);
	flow = ibv_create_flow(qp, &r.attr);
	post_receive(1, 100);
	for (int i = 0; i < 3; i++)
		assert_int_equal(send(wire, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(poll_for(rcq, wc, 1), 1);
	assert_int_equal(wc[0].byte_len, sizeof(frame));
	usleep(50000);
	assert_int_equal(ibv_poll_cq(rcq, 1, wc), 0);
	/* Neither the kernel has them, nor are they kept. */
	assert_int_equal(frames_at(kernel_side, frame, sizeof(frame), 1, 20), 0);
	assert_int_equal(ibv_destroy_flow(flow), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(states_follow_one_another),
		CASE(other_kinds_of_queue_pairs_are_refused),
		CASE(rules_are_checked),
		CASE(what_is_used_is_not_destroyed),
		CASE(places_are_free_when_completions_say_so),
		CASE(errors_flush_the_queues),
		CASE(inline_data_has_a_limit),
		CASE(events_are_for_what_comes_later),
		CASE(a_completion_queue_may_overrun),
		CASE(no_buffer_no_frame),
	};

	(void)argc;
	verbs_reexec(argv);
	able = verbs_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
