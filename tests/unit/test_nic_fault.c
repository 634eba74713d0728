/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_fault.c - the fault decorator does what it says, repeatably, and loses no frame. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nic/fault.h"
#include "nic/loop.h"
#include "tests/unit/test_nic_frames.h"

#define ROUNDS 100
#define PER_ROUND 20
#define SENT (ROUNDS * PER_ROUND)
#define LEN 64

struct outcome {
	unsigned received, out_of_order, repeated, damaged, shorter;
	uint64_t digest;
	struct nic_fault_stats stats;
};

static void send_round(struct nic *a, unsigned round)
{
	struct nic_queue *q = a->queues[0];
	struct nic_frame out[PER_ROUND];
	uint8_t *base[PER_ROUND];

	assert_int_equal(nic_tx_alloc(q, base, PER_ROUND), PER_ROUND);
	for (unsigned i = 0; i < PER_ROUND; i++) {
		uint32_t number = round * PER_ROUND + i;

		out[i] = (struct nic_frame){ .data = base[i] + NIC_FRAME_DATA, .len = LEN };
		for (unsigned k = 0; k < LEN; k += 4)
			memcpy(out[i].data + k, &number, 4);
	}
	assert_int_equal(nic_tx_burst(q, out, PER_ROUND), PER_ROUND);
	while (nic_tx_kick(q) == -EAGAIN)
		;
}

static void judge(struct outcome *o, const struct nic_frame *frame, uint32_t *last)
{
	uint32_t number, word;

	o->received++;
	for (unsigned i = 0; i < frame->len; i++)
		o->digest = (o->digest ^ frame->data[i]) * 0x100000001b3ull;
	if (frame->len < LEN) {
		o->shorter++;
		return;
	}
	memcpy(&number, frame->data, 4);
	for (unsigned k = 4; k < LEN; k += 4) {
		memcpy(&word, frame->data + k, 4);
		if (word != number) {
			o->damaged++;
			return;
		}
	}
	o->repeated += number == *last;
	o->out_of_order += number < *last && *last != UINT32_MAX;
	*last = number;
}

static struct outcome run(const struct nic_fault_params *params)
{
	struct nic_params np = { .rx_ring = 64, .tx_ring = 64, .frames = 256 };
	struct nic_frame in[NIC_BURST];
	struct outcome o = { .received = 0 };
	struct nic *a, *b, *bad;
	uint32_t last = UINT32_MAX;
	unsigned n;

	assert_int_equal(nic_loop_pair(&a, &b, &np), 0);
	nic_loop_deliver_all(b, true);
	assert_int_equal(nic_fault_wrap(b, params, &bad), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		send_round(a, round);
		do {
			n = nic_rx_burst(bad->queues[0], in, NIC_BURST);
			for (unsigned i = 0; i < n; i++) {
				judge(&o, &in[i], &last);
				nic_free(bad->queues[0], &in[i].data, 1);
			}
		} while (bad->ops->arm(bad->queues[0]));
	}
	nic_fault_get_stats(bad, &o.stats);
	assert_int_equal(bad->ops->pool_free(bad->queues[0]), 256);
	nic_close(bad);
	nic_close(a);
	return o;
}

static void no_faults_change_nothing(void **state)
{
	struct nic_fault_params p = { .seed = 1 };
	struct outcome o = run(&p);

	(void)state;
	assert_int_equal(o.received, SENT);
	assert_int_equal(o.out_of_order + o.damaged + o.shorter + o.repeated, 0);
}

static void each_fault_at_its_rate(void **state)
{
	struct nic_fault_params drop = { .seed = 1, .drop = 100 };
	struct nic_fault_params dup = { .seed = 2, .duplicate = 100 };
	struct nic_fault_params order = { .seed = 3, .reorder = 100 };
	struct nic_fault_params flip = { .seed = 4, .corrupt = 100 };
	struct nic_fault_params cut = { .seed = 5, .truncate = 100 };
	struct outcome o;

	(void)state;
	o = run(&drop);
	assert_int_equal(o.received, SENT - o.stats.dropped);
	assert_in_range(o.stats.dropped, SENT / 20, SENT / 5);
	o = run(&dup);
	assert_int_equal(o.received, SENT + o.stats.duplicated);
	assert_int_equal(o.repeated, o.stats.duplicated);
	assert_in_range(o.stats.duplicated, SENT / 20, SENT / 5);
	o = run(&order);
	assert_int_equal(o.received, SENT);
	assert_in_range(o.stats.held, SENT / 20, SENT / 5);
	assert_true(o.out_of_order > 0);
	o = run(&flip);
	assert_int_equal(o.received, SENT);
	assert_int_equal(o.damaged, o.stats.corrupted);
	assert_in_range(o.stats.corrupted, SENT / 20, SENT / 5);
	o = run(&cut);
	assert_int_equal(o.shorter, o.stats.truncated);
	assert_in_range(o.stats.truncated, SENT / 20, SENT / 5);
}

static void the_seed_decides(void **state)
{
	struct nic_fault_params p = {
		.seed = 7, .drop = 50, .corrupt = 50, .truncate = 50, .duplicate = 50, .reorder = 50
	};
	struct outcome first = run(&p), again = run(&p), other;

	(void)state;
	assert_memory_equal(&first, &again, sizeof(first));
	p.seed = 8;
	other = run(&p);
	assert_true(first.digest != other.digest);
}

static void everything_at_once(void **state)
{
	struct nic_fault_params p = { .seed = 9,
				      .corrupt = NIC_FAULT_ONE,
				      .truncate = NIC_FAULT_ONE,
				      .duplicate = NIC_FAULT_ONE,
				      .reorder = NIC_FAULT_ONE };
	struct outcome o = run(&p);

	(void)state;
	assert_int_equal(o.received, SENT + o.stats.duplicated);
	p = (struct nic_fault_params){ .seed = 9, .drop = NIC_FAULT_ONE };
	assert_int_equal(run(&p).received, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_faults_change_nothing),
		cmocka_unit_test(each_fault_at_its_rate),
		cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(everything_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
