/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_verbs_faults.c - the verbs plugin when something does not work: what it says, and that nothing is left behind; and
 * when the device goes.
 */
#define _GNU_SOURCE
#include "tests/unit/test_nic_verbs.h"

/* Another device in the place of the one that was started. */
static void restart(const char *options)
{
	assert_true(hca_stop());
	assert_true(hca_start(options));
}

static void each_step_may_fail(void **state)
{
	static const struct {
		const char *fault;
		int err;
		const char *why;
	} cases[] = {
		{ "get_device_list=ENOSYS", -ENODEV, "no RDMA device" },
		{ "get_device_list=EPERM", -EPERM, "list RDMA devices" },
		{ "open_device=ENODEV", -ENODEV, "`rdma link`" },
		{ "alloc_pd=ENOMEM", -ENOMEM, "protection domain" },
		{ "create_comp_channel=EMFILE", -EMFILE, "completion channel" },
		{ "create_cq=EINVAL", -EOPNOTSUPP, "receive completion queue" },
		{ "create_cq=ENOMEM@2", -ENOMEM, "send completion queue" },
		{ "reg_mr=ENOMEM", -ENOMEM, "ulimit -l unlimited" },
		{ "create_qp=EPERM", -EPERM, "CAP_NET_RAW" },
		{ "create_qp=EOPNOTSUPP", -EOPNOTSUPP, "no raw packet queues" },
		{ "create_qp=EINVAL", -EOPNOTSUPP, "KBACCEL_NIC=xdp" },
		{ "create_qp=EIO", -ENODEV, "in reset" },
		{ "modify_qp=EINVAL", -EOPNOTSUPP, "does not start" },
		{ "modify_qp=EPERM@2", -EPERM, "does not start" },
		{ "modify_qp=ENOMEM@3", -ENOMEM, "does not start" },
		{ "post_recv=EINVAL", -ENOMEM, "no receive buffers" },
	};
	int fds = count_fds();

	(void)state;
	if (!ops)
		skip();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("FAKE_VERBS_FAULT", cases[i].fault, 1);
		assert_int_equal(open_nic(), cases[i].err);
		assert_true(says(cases[i].why));
		assert_int_equal(count_fds(), fds);
	}
	unsetenv("FAKE_VERBS_FAULT");
	assert_int_equal(open_nic(), 0);
}

static void no_device_at_all(void **state)
{
	(void)state;
	if (!ops)
		skip();
	unsetenv("FAKE_VERBS");
	assert_int_equal(open_nic(), -ENODEV);
	assert_true(says("no RDMA device on this host") && says("KBACCEL_NIC=xdp"));
	setenv("FAKE_VERBS", hca_path, 1);
	params.ifname = "kb-no-such-if";
	assert_int_equal(ops->open(&params, &nic), -ENODEV);
	assert_true(says("no interface kb-no-such-if"));
	params.ifname = "lo";
	assert_int_equal(ops->open(&params, &nic), -EOPNOTSUPP);
	assert_true(says("not an Ethernet interface"));
	nic = NULL;
}

static void impossible_sizes_are_refused(void **state)
{
	struct nic_params bad = { .ifname = VERBS_IF, .rx_ring = 100, .tx_ring = 64, .frames = 512 };

	(void)state;
	if (!ops)
		skip();
	assert_int_equal(ops->open(&bad, &nic), -EINVAL);
	bad.rx_ring = 128;
	bad.frames = 192;
	assert_int_equal(ops->open(&bad, &nic), -EINVAL);
	nic = NULL;
}

static void other_devices(void **state)
{
	(void)state;
	if (!ops)
		skip();
	restart("-o no-raw");
	assert_int_equal(open_nic(), -EOPNOTSUPP);
	assert_true(says("no raw packet queues"));
	restart("-o infiniband");
	assert_int_equal(open_nic(), -ENODEV);
	assert_true(says("none of the 1 RDMA device(s) is " VERBS_IF));
	/* Fewer work requests than asked for: the rings get shorter. */
	restart("-q 64");
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	send_frames(B4, A4, 53, 50);
	assert_went(50, 0);
}

static void a_vlan_on_it_is_refused(void **state)
{
	(void)state;
	if (!ops)
		skip();
	if (system("ip link add link " VERBS_IF " name kbv0.5 type vlan id 5 2>/dev/null") != 0)
		skip();
	if (access("/sys/class/net/" VERBS_IF "/upper_kbv0.5", F_OK) == 0) {
		assert_int_equal(open_nic(), -EOPNOTSUPP);
		assert_true(says("has the VLAN kbv0.5 on it"));
	}
	assert_int_equal(system("ip link del kbv0.5"), 0);
}

static void a_rule_may_be_refused(void **state)
{
	static const struct {
		const char *fault;
		int err;
		const char *why;
	} cases[] = {
		{ "create_flow=EEXIST", -EEXIST, "another process" },
		{ "create_flow=EPERM", -EPERM, "AmbientCapabilities=CAP_NET_RAW" },
		{ "create_flow=ENOMEM", -ENOSPC, "narrow KBACCEL_PORTS" },
		{ "create_flow=ENOSPC", -ENOSPC, "narrow KBACCEL_PORTS" },
		{ "create_flow=EINVAL", -EOPNOTSUPP, "log_num_mgm_entry_size=-1" },
		{ "create_flow=EIO", -ENODEV, "in reset" },
	};

	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("FAKE_VERBS_FAULT", cases[i].fault, 1);
		assert_int_equal(steer_port(53, true), cases[i].err);
		assert_non_null(strstr(nic->steer_why, cases[i].why));
		assert_int_equal(steer_port(53, false), -ENOENT);
	}
	unsetenv("FAKE_VERBS_FAULT");
	send_frames(B4, A4, 53, 2);
	assert_went(0, 2);
	assert_int_equal(steer_port(53, true), 0);
}

/* Of several addresses the last one fails: none of the rules stays. */
static void no_half_of_a_flow_stays(void **state)
{
	(void)state;
	if (!ops)
		skip();
	restart("-r 3");
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	local("10.0.0.2", true);
	assert_int_equal(steer_port(53, true), 0);
	assert_int_equal(steer_port(54, true), -ENOSPC);
	send_frames(B4, A4, 54, 1);
	send_frames(B4, "10.0.0.2", 54, 1);
	send_frames(B4, "10.0.0.2", 53, 1);
	assert_went(1, 2);
	assert_int_equal(steer_port(53, false), 0);
	assert_int_equal(steer_port(54, true), 0);
}

static void another_process_has_the_rule(void **state)
{
	struct nic *first;

	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	first = nic;
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), -EEXIST);
	assert_int_equal(steer_port(54, true), 0);
	ops->close(first);
	assert_int_equal(steer_port(53, true), 0);
}

/* When rules are put back and one is refused, it is tried again, and the kernel has it meanwhile. */
static void a_rule_that_was_taken_meanwhile(void **state)
{
	struct nic *first;

	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	assert_int_equal(steer_port(54, true), 0);
	ops->set_lease(nic, 0);
	first = nic;
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	ops->set_lease(first, 1000);
	send_frames(B4, A4, 53, 2);
	assert_went(2, 0);
	ops->close(nic);
	nic = first;
	q = nic->queues[0];
	send_frames(B4, A4, 54, 2);
	send_frames(B4, A4, 53, 2);
	assert_went(2, 2);
	ops->set_lease(nic, 2000); /* not yet */
	send_frames(B4, A4, 53, 2);
	assert_went(0, 2);
	ops->set_lease(nic, 1000 + NSEC_PER_SEC);
	send_frames(B4, A4, 53, 2);
	assert_went(2, 0);
}

static void mlx4_has_no_ipv6_rules(void **state)
{
	struct nic_flow six = { .local_port = htons(54), .families = NIC_FLOW_V6 };

	(void)state;
	if (!ops)
		skip();
	restart("-o mlx4");
	assert_int_equal(open_nic(), 0);
	local(A6, true);
	local(A4, true);
	assert_int_equal(ops->steer(nic, &six, true), -EOPNOTSUPP);
	assert_non_null(strstr(nic->steer_why, "IPv6"));
	/* One of both families goes without: the kernel has the rest. */
	assert_int_equal(steer_port(53, true), 0);
	send_frames(B4, A4, 53, 2);
	send_frames(B6, A6, 53, 2);
	assert_went(2, 2);
	assert_int_equal(steer_port(53, false), 0);
	ops->close(nic);
	restart("-o no-steering");
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), -EOPNOTSUPP);
	assert_non_null(strstr(nic->steer_why, "log_num_mgm_entry_size"));
}

static void signal_hca(int sig, const char *answer)
{
	kill(hca, sig);
	assert_true(hca_says(answer));
}

static void a_removed_device_is_noticed(void **state)
{
	struct pollfd p;
	int fds = count_fds();

	(void)state;
	if (!ops)
		skip();
	for (int how = 0; how < 2; how++) {
		assert_int_equal(open_nic(), 0);
		local(A4, true);
		assert_int_equal(steer_port(53, true), 0);
		ops->arm(q);
		signal_hca(SIGUSR1, "device removed");
		send_frames(B4, A4, 53, 2);
		assert_went(0, 2);
		p = (struct pollfd){ .fd = q->fd, .events = POLLIN };
		assert_int_equal(poll(&p, 1, 1000), 1);
		assert_true(p.revents & (POLLHUP | POLLERR));
		/* Its own event says so, or the channel does. */
		if (how)
			ops->stats(q);
		else
			nic->queues[0]->nic->ops->arm(q);
		if (!how && !nic->broken)
			ops->stats(q);
		assert_true(nic->broken);
		assert_int_equal(steer_port(54, true), -ENODEV);
		ops->set_lease(nic, 0);
		ops->close(nic);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(open_nic(), -ENODEV);
		signal_hca(SIGUSR1, "device is back");
	}
	assert_int_equal(open_nic(), 0);
}

static void a_port_that_is_down_comes_back(void **state)
{
	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	signal_hca(SIGUSR2, "port down");
	send_frames(B4, A4, 53, 2);
	assert_went(0, 0);
	ops->stats(q);
	assert_false(nic->broken);
	signal_hca(SIGUSR2, "port up");
	ops->stats(q);
	assert_false(nic->broken);
	send_frames(B4, A4, 53, 2);
	assert_went(2, 0);
}

static void a_frame_that_is_too_long_ends_the_queue(void **state)
{
	struct test_frame f;

	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	frame_make(&f, nic->mac, B4, 1000, A4, 53, 1800);
	to_wire(&f);
	assert_went(0, 0);
	assert_true(nic->broken);
	/* All receive buffers have come back. */
	for (int i = 0; i < 10; i++)
		receive((struct nic_frame[256]){ { 0 } }, 256);
	assert_int_equal(ops->pool_free(q), 512);
}

static void large_frames_fit_a_large_mtu(void **state)
{
	struct test_frame f;

	(void)state;
	if (!ops)
		skip();
	assert_int_equal(system("ip link set " VERBS_IF " mtu 9000"), 0);
	assert_int_equal(open_nic(), 0);
	assert_int_equal(system("ip link set " VERBS_IF " mtu 1500"), 0);
	assert_int_equal(q->frame_size, 16384);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	frame_make(&f, nic->mac, B4, 1000, A4, 53, 4000);
	to_wire(&f);
	assert_went(1, 0);
}

static void sends_may_fail(void **state)
{
	struct nic_frame f;
	uint8_t *base, frame[2048];
	unsigned before;

	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	before = ops->pool_free(q);
	setenv("FAKE_VERBS_FAULT", "post_send=ENOMEM", 1);
	assert_int_equal(nic_tx_alloc(q, &base, 1), 1);
	f = (struct nic_frame){ .data = base + NIC_FRAME_DATA, .len = 60 };
	memset(f.data, 2, 60);
	assert_int_equal(nic_tx_burst(q, &f, 1), 1);
	nic_tx_kick(q);
	assert_int_equal(ops->pool_free(q), before);
	assert_false(nic->broken);
	unsetenv("FAKE_VERBS_FAULT");
	assert_int_equal(nic_tx_alloc(q, &base, 1), 1);
	f.data = base + NIC_FRAME_DATA;
	memset(f.data, 2, 60);
	assert_int_equal(nic_tx_burst(q, &f, 1), 1);
	nic_tx_kick(q);
	assert_int_equal(frames_at(wire, frame, sizeof(frame), 1, 500), 1);
	setenv("FAKE_VERBS_FAULT", "post_send=EIO", 1);
	assert_int_equal(nic_tx_alloc(q, &base, 1), 1);
	f.data = base + NIC_FRAME_DATA;
	assert_int_equal(nic_tx_burst(q, &f, 1), 1);
	nic_tx_kick(q);
	assert_true(nic->broken);
}

static void completions_one_at_a_time(void **state)
{
	(void)state;
	if (!ops)
		skip();
	setenv("FAKE_VERBS_FAULT", "short_poll", 1);
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	send_frames(B4, A4, 53, 100);
	assert_went(100, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(each_step_may_fail),
		CASE(no_device_at_all),
		CASE(impossible_sizes_are_refused),
		CASE(other_devices),
		CASE(a_vlan_on_it_is_refused),
		CASE(a_rule_may_be_refused),
		CASE(no_half_of_a_flow_stays),
		CASE(another_process_has_the_rule),
		CASE(a_rule_that_was_taken_meanwhile),
		CASE(mlx4_has_no_ipv6_rules),
		CASE(a_removed_device_is_noticed),
		CASE(a_port_that_is_down_comes_back),
		CASE(a_frame_that_is_too_long_ends_the_queue),
		CASE(large_frames_fit_a_large_mtu),
		CASE(sends_may_fail),
		CASE(completions_one_at_a_time),
	};

	(void)argc;
	verbs_reexec(argv);
	if (verbs_namespace())
		load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
