/* SPDX-License-Identifier: BSD-3-Clause */
/* test_send_segments.c - one send cut into datagrams (UDP_SEGMENT): where it is cut, and that all of them go or none. */
#define _GNU_SOURCE
#include "stack/send.c"
#include "tests/unit/test_engine.h"

static struct route route_of(const struct iovec *iov, size_t n, uint16_t size)
{
	struct route r = { .d = { .source = addr("10.0.0.1"),
				  .destination = addr("10.0.0.9"),
				  .source_port = htons(53),
				  .destination_port = htons(4000),
				  .ttl = 64,
				  .iov = iov,
				  .iovcnt = n },
			   .more.segment = size };

	for (size_t i = 0; i < n; i++)
		r.d.len += (uint32_t)iov[i].iov_len;
	r.segments = (r.d.len + size - 1) / size;
	return r;
}

/* Every way of cutting three elements: each segment begins where the last one ended, numbered one by one. */
static void cuts_anywhere(void **state)
{
	(void)state;
	for (unsigned a = 0; a <= 12; a++)
		for (unsigned b = 0; a + b <= 12; b++)
			for (uint16_t size = 1; size < 13; size++) {
				struct iovec iov[] = { { payload, a },
						       { payload + a, b },
						       { payload + a + b, 13 - a - b } };
				struct route r = route_of(iov, 3, size);
				struct tx_dgram all = r.d, d;
				unsigned at = 0;

				for (unsigned i = 0; i < r.segments; i++, at += d.len) {
					d = cut(&all, size);
					assert_int_equal(d.id, i);
					assert_int_equal(d.len, 13 - at < size ? 13 - at : size);
					assert_ptr_equal((uint8_t *)d.iov->iov_base + d.skip,
							 payload + at);
				}
				assert_int_equal(at, 13);
				assert_int_equal(all.len, 0);
			}
}

static void all_or_none(void **state)
{
	struct nic_queue *q = e->queue;
	struct iovec iov = { payload, 640 };
	struct route r = route_of(&iov, 1, 10), one = route_of(&iov, 1, 640);
	unsigned room, spare, sent;

	(void)state;
	one.segments = 0;
	lock_acquire(&e->lock);
	for (room = 0; put_frame(e, &one); room++)
		;
	assert_true(room >= 64);
	while (nic_tx_kick(q) == -EAGAIN)
		;
	assert_true(put_frame(e, &r));
	while (nic_tx_kick(q) == -EAGAIN)
		;
	for (unsigned i = 0; i < room - 63; i++)
		assert_true(put_frame(e, &one));
	spare = q->nic->ops->pool_free(q);
	sent = (unsigned)q->stats.tx_frames;
	assert_false(put_frame(e, &r)); /* 63 would fit */
	assert_int_equal(q->stats.tx_frames, sent);
	assert_int_equal(q->nic->ops->pool_free(q), spare);
	r.segments = 63;
	r.d.len = 630;
	assert_true(put_frame(e, &r));
	assert_int_equal(q->stats.tx_frames, sent + 63);
	assert_false(put_frame(e, &one));
	while (nic_tx_kick(q) == -EAGAIN)
		;
	lock_release(&e->lock);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, leave)
	const struct CMUnitTest tests[] = {
		TEST(cuts_anywhere),
		TEST(all_or_none),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
