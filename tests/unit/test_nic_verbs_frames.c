/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_verbs_frames.c - the verbs plugin against the fake device: sending, and that no frame is lost or has two owners. */
#define _GNU_SOURCE
#include "tests/unit/test_nic_verbs.h"

#define VERBS_SLACK 31 /* receive buffers that are not posted one by one */

static unsigned transmit(unsigned want, unsigned len)
{
	struct nic_frame out[NIC_BURST];
	uint8_t *base[NIC_BURST];
	unsigned n = nic_tx_alloc(q, base, want < NIC_BURST ? want : NIC_BURST);

	for (unsigned i = 0; i < n; i++) {
		out[i] = (struct nic_frame){ .data = base[i] + NIC_FRAME_DATA, .len = len };
		memset(out[i].data, 0, len);
		out[i].data[0] = 2;
		out[i].data[14] = (uint8_t)i;
	}
	assert_int_equal(nic_tx_burst(q, out, n), n);
	assert_int_equal(nic_tx_kick(q), 0);
	return n;
}

static void frames_are_sent(void **state)
{
	uint8_t frame[4096], *base[NIC_BURST];
	unsigned before, sent = 0, got = 0, n;

	(void)state;
	need_device();
	before = ops->pool_free(q);
	for (unsigned round = 0; sent < 5000; round++) {
		n = transmit(1 + round % NIC_BURST, round % 3 ? 60 : 1000);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(frames_at(wire, frame, sizeof(frame), 1, 1000), 1);
			assert_int_equal(frame[14], i);
			got++;
		}
		sent += n;
	}
	assert_int_equal(got, sent);
	n = nic_tx_alloc(q, base, NIC_BURST);
	nic_free(q, base, n);
	assert_true(before - ops->pool_free(q) <= NIC_BURST);
	assert_int_equal(q->stats.tx_frames, sent);
	assert_false(nic->broken);
}

/* Nothing is sent by the device for a while: the ring fills up, and says so. */
static void a_full_tx_ring_is_counted(void **state)
{
	uint8_t frame[4096];
	unsigned sent = 0, n;

	(void)state;
	need_device();
	kill(hca, SIGSTOP);
	while ((n = transmit(40, 60)) > 0)
		sent += n;
	assert_int_equal(sent, 64);
	assert_true(q->stats.tx_full > 0);
	assert_int_equal(frames_at(wire, frame, sizeof(frame), 1, 20), 0);
	kill(hca, SIGCONT);
	assert_int_equal(frames_at(wire, frame, sizeof(frame), 65, 200), 64);
	assert_int_equal(transmit(40, 60), 40);
	assert_int_equal(frames_at(wire, frame, sizeof(frame), 40, 200), 40);
}

/* Frames that are kept back: the NIC goes on until it has none; with frames it goes on again. */
static void a_starved_nic_recovers(void **state)
{
	static struct nic_frame kept[1024];
	unsigned n = 0, more;

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	do {
		send_frames(B4, A4, 53, 64);
		more = receive(kept + n, 64);
		n += more;
	} while (more);
	assert_true(n <= 512 && n >= 512 - 2 * NIC_BURST);
	assert_true(ops->pool_free(q) > 0);
	give_back(kept, n);
	assert_went(0, 0);
	send_frames(B4, A4, 53, 100);
	assert_went(100, 0);
}

/* Each frame has one owner, whatever happens: those of the pool, the NIC and ours make all of them, at any time. */
static void no_frame_is_lost_or_doubled(void **state)
{
	struct nic_frame held[512];
	unsigned count = 0, seed = 1, n;
	uint8_t frame[4096];

	(void)state;
	need_device();
	local(A4, true);
	steer_port(53, true);
	for (unsigned step = 0; step < 3000; step++) {
		seed = seed * 1103515245 + 12345;
		switch (seed >> 16 & 3) {
		case 0:
			send_frames(B4, A4, 53, 1 + (seed >> 20) % 20);
			break;
		case 1:
			if (count < 512 - NIC_BURST)
				count += nic_rx_burst(q, held + count, NIC_BURST);
			break;
		case 2:
			n = count ? (seed >> 20) % (count + 1) : 0;
			give_back(held + count - n, n);
			count -= n;
			break;
		default:
			n = transmit(1 + (seed >> 20) % 16, seed & 1 ? 60 : 900);
			frames_at(wire, frame, sizeof(frame), n, 500);
		}
		for (unsigned i = 0; i < count; i++)
			for (unsigned k = 0; k < i; k++)
				assert_ptr_not_equal(nic_frame_base(q, held[i].data),
						     nic_frame_base(q, held[k].data));
	}
	give_back(held, count);
	while ((n = receive(held, NIC_BURST)) > 0)
		give_back(held, n);
	transmit(64, 60);
	/* All but what the receive queue has, and what is sent and not reported yet. */
	assert_true(ops->pool_free(q) >= 512 - 128 - NIC_BURST);
	assert_true(ops->pool_free(q) <= 512 - 128 + VERBS_SLACK);
	assert_false(nic->broken);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_PLAIN(name) cmocka_unit_test_setup_teardown(name, setup_plain, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_are_sent),
		CASE_PLAIN(frames_are_sent),
		CASE(a_full_tx_ring_is_counted),
		CASE(a_starved_nic_recovers),
		CASE(no_frame_is_lost_or_doubled),
		CASE_STAMPING(a_starved_nic_recovers),
		CASE_STAMPING(no_frame_is_lost_or_doubled),
	};

	(void)argc;
	verbs_reexec(argv);
	if (verbs_namespace() && stamping_begin())
		load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
