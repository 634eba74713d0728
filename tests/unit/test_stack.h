/* SPDX-License-Identifier: BSD-3-Clause */
/* test_stack.h - for the tests of stack/: sockets made by hand, datagrams in frames made by hand, checksums the slow way. */
#ifndef TESTS_UNIT_TEST_STACK_H
#define TESTS_UNIT_TEST_STACK_H

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "stack/engine.h"
#include "stack/fdtable.h"
#include "stack/sock.h"
#include "tests/unit/test_nic_frames.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* An address as text; NULL: any. */
static inline struct ipaddr ip_of(const char *text)
{
	return text ? addr(text) : (struct ipaddr){ .q = { 0, 0 } };
}

/* A socket as if bound to @local:@port and, with @remote, connected. Ports in host order. */
static inline void sock_make(struct sock *s, int family, const char *local, uint16_t port,
			     const char *remote, uint16_t remote_port)
{
	static struct stats_socket slot;

	memset(s, 0, sizeof(*s));
	s->kind = FILE_SOCK;
	s->refs = 1;
	s->state = SOCK_ACTIVE;
	s->family = (uint8_t)family;
	s->local = ip_of(local);
	s->local_port = htons(port);
	s->remote = ip_of(remote);
	s->remote_port = htons(remote_port);
	s->connected = remote != NULL;
	s->tail = &s->head;
	s->rcvbuf = 212992;
	s->stats = &slot;
	LIST_INIT(&s->items);
}

/* A well-known generator, so that every run is the same. */
static inline uint32_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

/* RFC 1071 as it stands in the text: 16 bits at a time, big-endian. */
static inline uint32_t slow_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The pseudo header's part, for the packet at @l3. */
static inline uint32_t slow_pseudo(const uint8_t *l3, uint32_t udp_len)
{
	const uint8_t tail[] = { (uint8_t)(udp_len >> 8), (uint8_t)udp_len, 0, IPPROTO_UDP };
	uint32_t sum;

	sum = l3[0] >> 4 == 6 ? slow_sum(0, l3 + 8, 32) : slow_sum(0, l3 + 12, 8);
	return slow_sum(sum, tail, sizeof(tail));
}

/* What a correct sender writes into the UDP header at @udp; in host order. */
static inline uint16_t slow_udp_checksum(const uint8_t *l3, const uint8_t *udp, uint32_t len)
{
	uint32_t sum = slow_sum(slow_pseudo(l3, len), udp, 6);
	uint16_t result;

	result = (uint16_t)~slow_sum(sum, udp + 8, len - 8);
	return result ? result : 0xffff;
}

/* Payload and both checksums of a frame from frame_make(). */
static inline void frame_finish(struct test_frame *f, const void *payload, unsigned len)
{
	uint8_t *l3 = f->data + ETH_HLEN;
	bool v6 = l3[0] >> 4 == 6;
	uint8_t *udp = l3 + (v6 ? 40 : 20);
	uint16_t sum;

	memcpy(udp + 8, payload, len);
	sum = htons(slow_udp_checksum(l3, udp, len + 8));
	memcpy(udp + 6, &sum, 2);
	if (v6)
		return;
	memset(l3 + 10, 0, 2);
	sum = htons((uint16_t)~slow_sum(0, l3, 20));
	memcpy(l3 + 10, &sum, 2);
}

static inline void loose_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	(void)q, (void)data, (void)n;
}

/* Whose frames loose datagrams are: of an engine that forgets what is given back. */
static inline struct engine *loose_engine(void)
{
	static const struct nic_ops ops = { .name = "loose", .free = loose_free };
	static struct nic nic = { .ops = &ops };
	static struct nic_queue queue = { .nic = &nic };
	static struct engine engine = { .queue = &queue };

	return &engine;
}

/* A datagram that does not lie in any NIC's frame: queued with @aside, or looked at in place. */
struct loose_dgram {
	struct dgram d;
	struct test_frame f;
};

static inline struct dgram *loose_make(struct loose_dgram *l, const char *src, uint16_t sport,
				       const char *dst, uint16_t dport, const void *payload,
				       unsigned len)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

	frame_make(&l->f, mac, src, sport, dst, dport, len);
	frame_finish(&l->f, payload, len);
	memset(&l->d, 0, sizeof(l->d));
	l->d.engine = loose_engine();
	l->d.l3 = l->f.data + ETH_HLEN;
	l->d.payload = l->f.data + l->f.len - len;
	l->d.len = len;
	return &l->d;
}

#endif
