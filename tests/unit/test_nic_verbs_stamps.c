/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_verbs_stamps.c - the verbs plugin on devices that stamp what they receive, and on those that do not. */
#define _GNU_SOURCE
#include "tests/unit/test_nic_verbs.h"

#define PTP_AHEAD_NS (37 * NSEC_PER_SEC) /* the device's clock, before the system's */

static uint64_t realtime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t stamp_of(const struct nic_frame *f)
{
	uint64_t stamp;

	memcpy(&stamp, nic_frame_base(q, f->data) + NIC_FRAME_STAMP, sizeof(stamp));
	return stamp;
}

static void begin(void)
{
	need_device();
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
}

static void each_frame_has_its_time(void **state)
{
	uint64_t before = realtime() + PTP_AHEAD_NS, last = before;
	struct nic_frame in[90];
	unsigned n;

	(void)state;
	begin();
	assert_true(nic->flags & NIC_F_HW_STAMPS);
	assert_non_null(strstr(nic->mode, ", stamps"));
	for (int round = 0; round < 20; round++) {
		send_frames(B4, A4, 53, 90);
		n = receive(in, 90);
		assert_int_equal(n, 90);
		for (unsigned i = 0; i < n; i++) {
			assert_true(stamp_of(&in[i]) >= last);
			last = stamp_of(&in[i]);
			assert_int_equal(in[i].data[in[i].len - FRAME_PAYLOAD], i);
		}
		assert_true(last <= realtime() + PTP_AHEAD_NS);
		give_back(in, n);
	}
	assert_int_equal(q->stats.rx_frames, 1800);
	assert_int_equal(q->stats.rx_dropped, 0);
}

/* What arm() finds has its stamps, too; what is not for us is dropped as ever. */
static void found_before_a_sleep(void **state)
{
	struct test_frame f;
	struct nic_frame in[8];

	(void)state;
	begin();
	assert_int_equal(ops->arm(q), 0);
	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	right_checksums(&f);
	to_wire(&f);
	send_frames(B4, A4, 53, 2);
	frame_make(&f, nic->mac, A4, 1000, A4, 53, FRAME_PAYLOAD); /* from our own address */
	to_wire(&f);
	usleep(100000);
	assert_int_equal(ops->arm(q), 1);
	assert_int_equal(receive(in, 8), 3);
	assert_int_equal(in[0].flags, NIC_RX_CSUM_OK);
	for (int i = 0; i < 3; i++)
		assert_true(stamp_of(&in[i]) > realtime() + PTP_AHEAD_NS - 10 * NSEC_PER_SEC);
	give_back(in, 3);
	assert_int_equal(q->stats.rx_dropped, 1);
	assert_false(nic->broken);
}

static void one_completion_at_a_time(void **state)
{
	struct nic_frame in[64];

	(void)state;
	begin();
	setenv("FAKE_VERBS_FAULT", "short_poll", 1);
	for (int round = 0; round < 20; round++) {
		send_frames(B4, A4, 53, 64);
		assert_int_equal(receive(in, 64), 64);
		give_back(in, 64);
	}
	assert_false(nic->broken);
}

/* The clock can not be read for a moment: nobody sleeps, nothing is lost. */
static void a_busy_clock(void **state)
{
	struct nic_frame in[8];

	(void)state;
	begin();
	assert_int_equal(ops->arm(q), 0);
	setenv("FAKE_VERBS_FAULT", "clock_busy=EBUSY", 1);
	send_frames(B4, A4, 53, 5);
	usleep(50000);
	assert_int_equal(ops->arm(q), 1);
	assert_int_equal(nic_rx_burst(q, in, 8), 0);
	assert_int_equal(ops->arm(q), 1);
	unsetenv("FAKE_VERBS_FAULT");
	assert_int_equal(receive(in, 5), 5);
	give_back(in, 5);
	assert_int_equal(q->stats.rx_dropped, 0);
	assert_int_equal(ops->arm(q), 0);
}

/* The same as older libraries have it: a completion is lost each time, but never its buffer. */
static void a_busy_clock_of_older_libraries(void **state)
{
	unsigned lost = 0, got = 0;
	struct nic_frame in[64];

	(void)state;
	begin();
	for (int round = 0; round < 60; round++) {
		send_frames(B4, A4, 53, 8);
		usleep(1000);
		setenv("FAKE_VERBS_FAULT", "start_poll=EBUSY", 1);
		for (int i = 0; i < round % 3; i++)
			assert_int_equal(nic_rx_burst(q, in, 8), 0);
		unsetenv("FAKE_VERBS_FAULT");
		got = receive(in, 8);
		lost += 8 - got;
		assert_int_equal(in[got - 1].data[in[got - 1].len - FRAME_PAYLOAD], 7);
		give_back(in, got);
	}
	assert_true(lost > 40 && lost <= 60);
	assert_int_equal(q->stats.rx_dropped, lost);
	assert_int_equal(q->stats.rx_frames, 60 * 8);
	/* All but what the receive queue has. */
	assert_true(ops->pool_free(q) >= 512 - 128 && ops->pool_free(q) <= 512 - 128 + 31);
	assert_false(nic->broken);
}

/* Buffers that come back in error: nothing is read of them. */
static void the_device_goes(void **state)
{
	struct nic_frame in[8];

	(void)state;
	begin();
	setenv("FAKE_VERBS_FAULT", "start_poll=EIO", 1);
	send_frames(B4, A4, 53, 1);
	usleep(50000);
	assert_int_equal(nic_rx_burst(q, in, 8), 0);
	assert_true(nic->broken);
}

static void a_frame_that_is_too_long(void **state)
{
	static uint8_t frame[2600];
	struct test_frame f;
	struct nic_frame in[64];

	(void)state;
	begin();
	frame_make(&f, nic->mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	memcpy(frame, f.data, f.len);
	assert_int_equal(send(wire, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(receive(in, 64), 0);
	assert_true(nic->broken);
}

/* Without a clock, or while the driver does not stamp, it is a queue like any other. */
static void no_stamps(void **state)
{
	static const struct {
		const char *options, *fault;
		int filter;
	} cases[] = {
		{ "", "", -1 },
		{ "", "", HWTSTAMP_FILTER_NONE },
		{ "", "", HWTSTAMP_FILTER_PTP_V2_EVENT },
		{ "-o no-clock", "", HWTSTAMP_FILTER_ALL },
		{ "-o no-clock-page", "", HWTSTAMP_FILTER_ALL },
		{ "-o mlx4", "", HWTSTAMP_FILTER_ALL },
		{ "", "create_cq_ex=EOPNOTSUPP", HWTSTAMP_FILTER_ALL },
		{ "", "create_cq_ex=ENOMEM", HWTSTAMP_FILTER_ALL },
	};

	(void)state;
	if (!ops)
		skip();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(hca_stop());
		assert_true(hca_start(cases[i].options));
		if (*cases[i].fault)
			setenv("FAKE_VERBS_FAULT", cases[i].fault, 1);
		stamping_filter = cases[i].filter;
		assert_int_equal(open_nic(), 0);
		assert_int_equal(nic->flags & NIC_F_HW_STAMPS, 0);
		assert_null(strstr(nic->mode, "stamps"));
		local(A4, true);
		assert_int_equal(steer_port(53, true), 0);
		send_frames(B4, A4, 53, 10);
		assert_went(10, 0);
		ops->close(nic);
		nic = NULL;
		unsetenv("FAKE_VERBS_FAULT");
	}
	stamping_filter = -1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE_STAMPING(each_frame_has_its_time),
		CASE_STAMPING(found_before_a_sleep),
		CASE_STAMPING(one_completion_at_a_time),
		CASE_STAMPING(a_busy_clock),
		CASE_STAMPING(a_busy_clock_of_older_libraries),
		CASE_STAMPING(the_device_goes),
		CASE_STAMPING(a_frame_that_is_too_long),
		cmocka_unit_test_setup_teardown(no_stamps, start, stop),
	};

	(void)argc;
	verbs_reexec(argv);
	if (!verbs_namespace() || !stamping_begin() || !load())
		ops = NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
