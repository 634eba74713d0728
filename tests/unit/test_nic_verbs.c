/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_verbs.c - the verbs plugin against the fake device: it keeps the contract of nic.h, in good times. */
#define _GNU_SOURCE
#include <pthread.h>

#include "tests/unit/test_nic_verbs.h"

static void it_is_described(void **state)
{
	(void)state;
	need_device();
	assert_string_equal(nic->ifname, VERBS_IF);
	assert_string_equal(nic->mode, "verbs fake_0 port 1");
	assert_int_equal(nic->flags, NIC_F_NO_INHERIT | NIC_F_HARD_RULES);
	assert_int_equal(nic->queue_count, 1);
	assert_int_equal(nic->mtu, 1500);
	assert_int_equal(q->frame_size, 2048);
	assert_true(fcntl(q->fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(q->fd, F_GETFL) & O_NONBLOCK);
	assert_false(nic->broken);
}

static void only_steered_frames_come(void **state)
{
	(void)state;
	need_device();
	assert_int_equal(local(A4, true), 0);
	send_frames(B4, A4, 53, 3);
	assert_went(0, 3);
	assert_int_equal(steer_port(53, true), 0);
	send_frames(B4, A4, 53, 3);
	assert_went(3, 0);
	send_frames(B4, A4, 54, 2);
	send_frames(B4, "10.0.0.2", 53, 2);
	send_frames(B6, A6, 53, 2);
	assert_went(0, 6);
	/* An address that comes later is added to the flow, and taken off with it. */
	assert_int_equal(local(A6, true), 0);
	send_frames(B6, A6, 53, 3);
	assert_went(3, 0);
	assert_int_equal(local(A4, false), 0);
	send_frames(B4, A4, 53, 3);
	assert_went(0, 3);
	assert_int_equal(steer_port(53, false), 0);
	assert_int_equal(steer_port(53, false), -ENOENT);
	send_frames(B6, A6, 53, 3);
	assert_went(0, 3);
}

static void frames_arrive_in_order(void **state)
{
	struct nic_frame in[100];

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	send_frames(B4, A4, 53, 100);
	assert_int_equal(receive(in, 101), 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(in[i].data[42], i);
		assert_int_equal(in[i].len, ETH_HLEN + 28 + FRAME_PAYLOAD);
		assert_true(in[i].data - nic_frame_base(q, in[i].data) >= NIC_FRAME_PRIV);
		/* frame_make() puts a wrong checksum in. */
		assert_int_equal(in[i].flags, 0);
	}
	give_back(in, 100);
	assert_int_equal(q->stats.rx_frames, 100);
	assert_int_equal(q->stats.rx_bytes, 100 * (ETH_HLEN + 28 + FRAME_PAYLOAD));
}

/* The NIC says that sums are right, for IPv4 only; where it does not, they are not known to be wrong. */
static void right_checksums_are_known(void **state)
{
	struct nic_frame in[1];
	struct test_frame f;

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	right_checksums(&f);
	to_wire(&f);
	assert_int_equal(receive(in, 1), 1);
	assert_int_equal(in[0].flags, NIC_RX_CSUM_OK);
	give_back(in, 1);
}

static void without_offload_none_is(void **state)
{
	struct nic_frame in[1];
	struct test_frame f;

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	right_checksums(&f);
	to_wire(&f);
	assert_int_equal(receive(in, 1), 1);
	assert_int_equal(in[0].flags, 0);
	give_back(in, 1);
}

static void a_peer_and_an_address_can_be_named(void **state)
{
	struct nic_flow one = { .local = addr(A4),
				.remote = addr(B4),
				.local_port = htons(53),
				.remote_port = htons(1000) };
	struct nic_flow six = { .local = addr(A6), .local_port = htons(53) };
	struct nic_flow mixed = {
		.local = addr(A6), .remote = addr(B4), .local_port = htons(53), .remote_port = 1
	};

	(void)state;
	need_device();
	assert_int_equal(ops->steer(nic, &one, true), 0);
	assert_int_equal(ops->steer(nic, &six, true), 0);
	assert_int_equal(ops->steer(nic, &mixed, true), -EINVAL);
	send_frames(B4, A4, 53, 2);
	send_frames("10.0.0.8", A4, 53, 2);
	send_frames(B6, A6, 53, 2);
	assert_went(4, 2);
	assert_int_equal(ops->steer(nic, &one, false), 0);
	send_frames(B4, A4, 53, 2);
	assert_went(0, 2);
}

/* Flows that differ in families only want the same rule: it stays until the last is off. */
static void rules_are_counted(void **state)
{
	struct nic_flow both = { .local_port = htons(53), .families = NIC_FLOW_V4 | NIC_FLOW_V6 };
	struct nic_flow four = { .local_port = htons(53), .families = NIC_FLOW_V4 };

	(void)state;
	need_device();
	local(A4, true);
	local(A6, true);
	assert_int_equal(ops->steer(nic, &both, true), 0);
	assert_int_equal(ops->steer(nic, &four, true), 0);
	assert_int_equal(ops->steer(nic, &both, false), 0);
	send_frames(B4, A4, 53, 2);
	send_frames(B6, A6, 53, 2);
	assert_went(2, 2);
	assert_int_equal(ops->steer(nic, &four, false), 0);
	send_frames(B4, A4, 53, 2);
	assert_went(0, 2);
}

static void groups_are_steered(void **state)
{
	static const char *const groups[] = { "239.1.2.3", "ff15::1234" };
	struct test_frame f;

	(void)state;
	need_device();
	for (unsigned i = 0; i < 2; i++) {
		struct nic_flow flow = { .local = addr(groups[i]),
					 .local_port = htons(53),
					 .flags = NIC_FLOW_SHARED };

		frame_make(&f, nic->mac, i ? B6 : B4, 1000, groups[i], 53, FRAME_PAYLOAD);
		frame_to_group(&f);
		assert_int_equal(ops->steer(nic, &flow, true), 0);
		to_wire(&f);
		assert_went(1, 0);
		assert_int_equal(ops->steer(nic, &flow, false), 0);
		to_wire(&f);
		assert_went(0, 1);
	}
}

static void a_shared_port_is_refused(void **state)
{
	struct nic_flow flow = { .local_port = htons(53),
				 .families = NIC_FLOW_V4,
				 .flags = NIC_FLOW_SHARED };

	(void)state;
	need_device();
	local(A4, true);
	assert_int_equal(ops->steer(nic, &flow, true), -EOPNOTSUPP);
	assert_non_null(strstr(nic->steer_why, "SO_REUSEPORT"));
	send_frames(B4, A4, 53, 1);
	assert_went(0, 1);
	assert_int_equal(ops->owns(nic, -1, 7, true), 0);
}

static void the_lease_takes_rules_off_and_back(void **state)
{
	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	ops->set_lease(nic, 0);
	send_frames(B4, A4, 53, 2);
	assert_went(0, 2);
	/* Meanwhile flows come and go. */
	steer_port(54, true);
	steer_port(53, false);
	ops->set_lease(nic, clock_ns() + NSEC_PER_SEC);
	ops->set_lease(nic, clock_ns() + NSEC_PER_SEC);
	send_frames(B4, A4, 53, 2);
	send_frames(B4, A4, 54, 3);
	assert_went(3, 2);
	ops->steer_none(nic);
	send_frames(B4, A4, 54, 2);
	assert_went(0, 2);
	assert_int_equal(steer_port(54, false), -ENOENT);
}

static void another_mac_is_followed(void **state)
{
	static const uint8_t fresh[6] = { 2, 9, 9, 9, 9, 9 };
	struct test_frame f;

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	ops->set_mac(nic, fresh);
	assert_memory_equal(nic->mac, fresh, 6);
	to_wire(&f);
	assert_went(0, 1);
	send_frames(B4, A4, 53, 2);
	assert_went(2, 0);
}

/* Under seccomp no rule changes any more, and nothing is said about that but by an error. */
static void sealed_rules_stay(void **state)
{
	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	nic->sealed = true;
	assert_int_equal(steer_port(54, true), -EPERM);
	assert_non_null(strstr(nic->steer_why, "seccomp"));
	ops->set_lease(nic, 0);
	send_frames(B4, A4, 53, 2);
	assert_went(2, 0);
	assert_int_equal(steer_port(53, false), 0);
	send_frames(B4, A4, 53, 2);
	assert_went(2, 0);
	assert_int_equal(steer_port(53, true), 0);
	nic->sealed = false;
	assert_int_equal(steer_port(53, false), 0);
	send_frames(B4, A4, 53, 2);
	assert_went(0, 2);
}

/* What no kernel will see any more: only what it would have given to a socket goes on. */
static void odd_frames_are_dropped(void **state)
{
	struct test_frame f, tagged;

	(void)state;
	need_device();
	local(A4, true);
	local(A6, true);
	steer_port(53, true);
	frame_make(&f, nic->mac, "127.0.0.1", 1000, A4, 53, FRAME_PAYLOAD);
	to_wire(&f);
	send_frames(A4, A4, 53, 1);
	send_frames("::1", A6, 53, 1);
	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	frame_ip4(&f)->ihl = 6; /* options: the datagram begins 4 bytes later */
	memmove(f.data + 38, f.data + 34, 8 + FRAME_PAYLOAD);
	f.len += 4;
	memcpy(f.data + 34, (uint8_t[]){ 131, 3, 4, 0 }, 4); /* a source route */
	to_wire(&f);
	assert_went(0, 0);
	assert_int_equal(q->stats.rx_dropped, 4);
	memcpy(f.data + 34, (uint8_t[]){ 1, 1, 1, 0 }, 4); /* nothing, four times */
	to_wire(&f);
	assert_went(1, 0);
	for (unsigned id = 0; id < 2; id++) {
		frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
		tagged = f;
		memmove(tagged.data + 16, f.data + 12, f.len - 12);
		memcpy(tagged.data + 12, (uint8_t[]){ 0x81, 0, 0xe0, (uint8_t)id }, 4);
		tagged.len += 4;
		to_wire(&tagged);
	}
	/* A priority is no VLAN. */
	assert_went(1, 0);
	assert_int_equal(q->stats.rx_dropped, 5);
	/* A fragment has no ports that the NIC would look at. */
	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	frame_ip4(&f)->frag_off = htons(0x2000);
	to_wire(&f);
	assert_went(0, 1);
}

static bool readable(int ms)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

static void a_frame_wakes(void **state)
{
	struct nic_frame in[4];

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	for (int round = 0; round < 200; round++) {
		assert_int_equal(ops->arm(q), 0);
		assert_false(readable(0));
		send_frames(B4, A4, 53, 1);
		assert_true(readable(1000));
		/* Before and after it is taken. */
		if (round % 2)
			assert_int_equal(ops->arm(q), 1);
		assert_int_equal(receive(in, 1), 1);
		give_back(in, 1);
	}
}

#define STREAM 20000

static void *stream(void *arg)
{
	struct test_frame f;

	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	for (unsigned i = 0; i < STREAM; i++) {
		if (send(wire, f.data, f.len, 0) != (ssize_t)f.len)
			return NULL;
		if (i % 64 == 0)
			usleep(i % 3 * 100);
	}
	return arg;
}

/* Drain, arm, drain, sleep, with frames coming at any moment: a wake-up that is lost makes the poll time out. */
static void no_wake_up_is_lost(void **state)
{
	struct nic_frame in[NIC_BURST];
	unsigned got = 0, sleeps = 0, n;
	pthread_t thread;

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	assert_int_equal(pthread_create(&thread, NULL, stream, NULL), 0);
	while (got < STREAM) {
		n = nic_rx_burst(q, in, NIC_BURST);
		give_back(in, n);
		got += n;
		if (n || ops->arm(q))
			continue;
		sleeps++;
		if (!readable(2000))
			break;
	}
	pthread_join(thread, NULL);
	/* The ring is short: what did not fit was lost on its way, and nothing waits. */
	print_message("# %u of %u received, %u sleeps\n", got, STREAM, sleeps);
	assert_int_equal(nic_rx_burst(q, in, NIC_BURST), 0);
	assert_true(got > 1000 && sleeps > 50);
	assert_false(nic->broken);
}

static void close_leaves_nothing(void **state)
{
	int fds;

	(void)state;
	need_device();
	ops->close(nic);
	fds = count_fds();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(open_nic(), 0);
		assert_int_equal(local(A4, true), 0);
		assert_int_equal(steer_port(53, true), 0);
		send_frames(B4, A4, 53, 1);
		assert_went(1, 0);
		ops->arm(q);
		ops->close(nic);
		assert_int_equal(count_fds(), fds);
	}
	assert_int_equal(open_nic(), 0);
	send_frames(B4, A4, 53, 1);
	assert_went(0, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_PLAIN(name) cmocka_unit_test_setup_teardown(name, setup_plain, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(it_is_described),
		CASE(only_steered_frames_come),
		CASE(frames_arrive_in_order),
		CASE(right_checksums_are_known),
		CASE_PLAIN(without_offload_none_is),
		CASE(a_peer_and_an_address_can_be_named),
		CASE(rules_are_counted),
		CASE(groups_are_steered),
		CASE(a_shared_port_is_refused),
		CASE(the_lease_takes_rules_off_and_back),
		CASE(another_mac_is_followed),
		CASE(sealed_rules_stay),
		CASE(odd_frames_are_dropped),
		CASE(a_frame_wakes),
		CASE(no_wake_up_is_lost),
		CASE(close_leaves_nothing),
		CASE_STAMPING(only_steered_frames_come),
		CASE_STAMPING(frames_arrive_in_order),
		CASE_STAMPING(odd_frames_are_dropped),
		CASE_STAMPING(a_frame_wakes),
		CASE_STAMPING(no_wake_up_is_lost),
		CASE_STAMPING(close_leaves_nothing),
	};

	(void)argc;
	verbs_reexec(argv);
	if (verbs_namespace() && stamping_begin())
		load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
