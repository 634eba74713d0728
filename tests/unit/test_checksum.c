/* SPDX-License-Identifier: BSD-3-Clause */
/* test_checksum.c - the fast Internet checksum against the slow one, and which UDP checksums are accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stack/checksum.h"
#include "tests/unit/test_stack.h"

#define LONGEST 1600

static uint8_t memory[LONGEST + 64];

static void fill(uint64_t seed)
{
	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = (uint8_t)random_next(&seed);
}

/* checksum_lwip() gives the sum as it stands in memory; 0 and 0xffff are one number in this arithmetic. */
static void same_sum(const uint8_t *p, size_t len)
{
	uint16_t fast = ntohs(checksum_lwip(p, (int)len));
	uint32_t slow = slow_sum(0, p, len);

	if (fast % 0xffff != slow % 0xffff)
		fail_msg("length %zu at %p: %04x, expected %04x", len, (void *)p, fast, slow);
	assert_int_equal(fast == 0, slow == 0);
}

static void every_length_and_alignment(void **state)
{
	(void)state;
	fill(1);
	for (size_t at = 0; at < 16; at++)
		for (size_t len = 0; len <= 300; len++)
			same_sum(memory + at, len);
	for (size_t len = 300; len <= LONGEST; len++)
		same_sum(memory + len % 16, len);
}

static void carries(void **state)
{
	(void)state;
	memset(memory, 0xff, sizeof(memory));
	for (size_t len = 0; len <= LONGEST; len++)
		same_sum(memory + len % 8, len);
	memset(memory, 0, sizeof(memory));
	for (size_t len = 0; len <= LONGEST; len += 7)
		assert_int_equal(checksum_lwip(memory, (int)len), 0);
	for (size_t i = 0; i < 64; i++) {
		memset(memory, 0xff, 64);
		memory[i] = 0xfe;
		same_sum(memory, 64);
		memset(memory, 0, 64);
		memory[i] = 1;
		same_sum(memory, 64);
	}
}

static void sixty_four_kib(void **state)
{
	uint8_t *big = malloc(65536);

	(void)state;
	memset(big, 0xff, 65536);
	same_sum(big, 65535);
	same_sum(big + 1, 65535);
	for (size_t i = 0; i < 65536; i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	same_sum(big, 65535);
	free(big);
}

static struct loose_dgram packet;

static bool ok(bool allow_partial)
{
	const struct dgram *d = &packet.d;

	return checksum_udp_ok(d->l3, d->payload - 8, d->len + 8, allow_partial);
}

static void state_checksum(uint16_t value)
{
	value = htons(value);
	memcpy(packet.d.payload - 2, &value, 2);
}

static void make(bool v6, unsigned len)
{
	if (v6)
		loose_make(&packet, "2001:db8::7", 1234, "fd00::1:2", 53, memory, len);
	else
		loose_make(&packet, "192.0.2.7", 1234, "10.1.2.3", 53, memory, len);
}

static void right_ones(void **state)
{
	(void)state;
	fill(2);
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned len = 0; len <= 1452; len++) {
			make(v6, len);
			assert_true(ok(false));
			assert_true(ok(true));
		}
}

static void every_flipped_bit_is_noticed(void **state)
{
	(void)state;
	fill(3);
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned len = 0; len < 40; len += 13) {
			uint8_t *end;

			make(v6, len);
			end = packet.d.payload + len;
			for (uint8_t *p = packet.d.l3 + (v6 ? 8 : 12); p < end; p++)
				for (int bit = 0; bit < 8; bit++) {
					*p ^= (uint8_t)(1 << bit);
					assert_false(ok(false));
					assert_false(ok(true));
					*p ^= (uint8_t)(1 << bit);
				}
		}
}

static void swapped_bytes_are_noticed(void **state)
{
	(void)state;
	fill(4);
	make(false, 32);
	packet.d.payload[4] = 1;
	packet.d.payload[5] = 2;
	state_checksum(slow_udp_checksum(packet.d.l3, packet.d.payload - 8, 40));
	assert_true(ok(false));
	packet.d.payload[4] = 2;
	packet.d.payload[5] = 1;
	assert_false(ok(false));
}

/* What a sender leaves for its hardware: the pseudo header's sum, not complemented. */
static void partial_ones(void **state)
{
	(void)state;
	fill(5);
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned len = 0; len < 1400; len += 11) {
			uint16_t partial;

			make(v6, len);
			partial = (uint16_t)slow_pseudo(packet.d.l3, len + 8);
			state_checksum(partial);
			assert_true(ok(true));
			assert_false(ok(false));
			state_checksum((uint16_t)(partial + 1));
			assert_false(ok(true));
			state_checksum((uint16_t)~partial);
			assert_false(ok(true));
		}
}

static void no_checksum(void **state)
{
	(void)state;
	fill(6);
	make(false, 20);
	state_checksum(0);
	assert_true(ok(false));
	assert_true(ok(true));
	make(true, 20);
	state_checksum(0);
	assert_false(ok(false));
	assert_false(ok(true));
}

/* A sum that comes out as zero is sent as 0xffff (RFC 768). */
static void sum_of_zero(void **state)
{
	(void)state;
	fill(7);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		uint16_t sum;

		make(v6, 20);
		memset(packet.d.payload, 0, 2);
		state_checksum(0);
		sum = slow_udp_checksum(packet.d.l3, packet.d.payload - 8, 28);
		packet.d.payload[0] = (uint8_t)(sum >> 8);
		packet.d.payload[1] = (uint8_t)sum;
		assert_int_equal(slow_udp_checksum(packet.d.l3, packet.d.payload - 8, 28), 0xffff);
		state_checksum(0xffff);
		assert_true(ok(false));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_and_alignment),
		cmocka_unit_test(carries),
		cmocka_unit_test(sixty_four_kib),
		cmocka_unit_test(right_ones),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(swapped_bytes_are_noticed),
		cmocka_unit_test(partial_ones),
		cmocka_unit_test(no_checksum),
		cmocka_unit_test(sum_of_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
