/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_frames.c - random mutations against everything that reads bytes of strangers: frames (Ethernet to socket), the
 * control messages of sendmsg(), and the text of KBACCEL_PORTS.
 *
 * `fuzz_frames [SECONDS [SEED]]`, 5 s by default; the seed is printed and the same seed does the same. Checked is, besides
 * not crashing: every frame comes back, what is delivered lies inside its frame and has a right checksum, what the
 * port parser accepts it reads the same from its own output. Under AddressSanitizer (make asan) the bytes behind
 * each frame and each control buffer are poisoned, so that a look beyond the end is a failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/ports.h"
#include "stack/checksum.h"
#include "stack/demux.h"
#include "stack/engine.h"
#include "stack/lwip_port.h"
#include "stack/sendcmsg.h"
#include "stack/usermem.h"
#include "tests/unit/test_stack.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define FRAME 2048
#define FRAMES 64
#define MAX_LEN (FRAME - NIC_FRAME_DATA)
#define QUEUED 30 /* datagrams that stay in the queues for a while */

static uint64_t seed;
static const char *phase = "start";
static uint64_t round_number;

static uint32_t rnd(uint32_t below)
{
	return random_next(&seed) % below;
}

static void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("not ok %s, round %lu: ", phase, (unsigned long)round_number);
	vprintf(format, ap);
	putchar('\n');
	va_end(ap);
	exit(1);
}

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			fail("%s:%d: %s", __FILE__, __LINE__, #what);                              \
	} while (0)

/* --- a NIC that has one frame waiting: the one that inject() made --------------------------------------------- */

static _Alignas(FRAME) uint8_t umem[FRAMES][FRAME];
static bool busy[FRAMES];
static unsigned idle = FRAMES;
static struct nic_frame waiting;
static bool is_waiting;

static unsigned rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	(void)q, (void)max;
	if (!is_waiting)
		return 0;
	frames[0] = waiting;
	is_waiting = false;
	return 1;
}

static void give_back(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	(void)q;
	for (unsigned i = 0; i < n; i++) {
		size_t k = (size_t)(data[i] - umem[0]) / FRAME;

		CHECK(k < FRAMES && busy[k]);
		busy[k] = false;
		idle++;
		UNPOISON(umem[k], FRAME);
	}
}

static unsigned pool_free(const struct nic_queue *q)
{
	(void)q;
	return idle;
}

static const struct nic_ops ops = {
	.name = "fuzz",
	.rx_burst = rx_burst,
	.free = give_back,
	.pool_free = pool_free,
};
static struct nic nic = { .ops = &ops, .ifname = "fuzz", .ifindex = 3, .queue_count = 1 };
static struct nic_queue queue = { .nic = &nic, .frame_size = FRAME };
static struct engine *engine;

static void inject(const uint8_t *data, uint32_t len)
{
	unsigned k = 0;

	while (busy[k])
		k++;
	busy[k] = true;
	idle--;
	/* At changing places: nothing may depend on the alignment. */
	waiting = (struct nic_frame){ .data = umem[k] + NIC_FRAME_DATA + rnd(MAX_LEN - len + 1),
				      .len = len };
	waiting.flags = rnd(8) ? 0 : NIC_RX_CSUM_OK;
	memcpy(waiting.data, data, len);
	POISON(waiting.data + len, (size_t)(umem[k] + FRAME - (waiting.data + len)));
	is_waiting = true;
	CHECK(engine_poll(engine) == 1);
}

/* --- frames ---------------------------------------------------------------------------------------------------- */

static struct sock s[4];
static struct test_frame f;

static void make_valid(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	static uint8_t text[1500];
	unsigned len = rnd(4) ? rnd(64) : rnd(1452);
	bool v6 = rnd(2);

	for (unsigned i = 0; i < len; i++)
		text[i] = (uint8_t)rnd(256);
	frame_make(&f, mac, v6 ? "fd00::9" : "10.0.0.9", (uint16_t)(99 + rnd(2)),
		   v6 ? "fd00::1" : "10.0.0.1", (uint16_t)(53 + rnd(2)), len);
	frame_finish(&f, text, len);
}

static void put_interesting(uint8_t *at)
{
	static const uint16_t values[] = { 0,	   1,	   7,	   8,	   20,	   28,
					   40,	   41,	   48,	   60,	   0x7fff, 0x8000,
					   0xffff, 0xfff8, 0x0800, 0x86dd, 0x2000, 0x4000,
					   0x1fff, 17,	   43,	   44,	   58,	   59 };
	uint16_t v = values[rnd(COUNT(values))];

	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void mutate_bytes(uint8_t *data, uint32_t len)
{
	/* Headers are where it matters. */
	uint32_t at = rnd(3) ? rnd(len < 80 ? len : 80) : rnd(len);

	switch (rnd(6)) {
	case 0:
		data[at] ^= (uint8_t)(1u << rnd(8));
		break;
	case 1:
		data[at] = (uint8_t)rnd(256);
		break;
	case 2:
		data[at] = (uint8_t[]){ 0, 0xff, 0x80, 0x7f, 1 }[rnd(5)];
		break;
	case 3:
		if (at + 1 < len)
			put_interesting(data + at);
		break;
	case 4: { /* move a piece */
		uint32_t from = rnd(len), n = rnd(16);

		if (from + n <= len && at + n <= len)
			memmove(data + at, data + from, n);
		break;
	}
	default:
		data[at]++;
	}
}

/* IPv6 extension headers in front of UDP, of random kinds and lengths; IPv4 options. */
static void insert_headers(void)
{
	static const uint8_t kinds[] = { 0, 43, 44, 51, 60, 135, 139, 59, 58 };
	bool v6 = f.data[ETH_HLEN] >> 4 == 6;
	uint32_t at = ETH_HLEN + (v6 ? 40 : 20), n = v6 ? 8 * (1 + rnd(3)) : 4 * (1 + rnd(10));

	if (f.len + n > MAX_LEN || f.len < at)
		return;
	memmove(f.data + at + n, f.data + at, f.len - at);
	f.len += n;
	for (uint32_t i = 0; i < n; i++)
		f.data[at + i] = (uint8_t)rnd(rnd(2) ? 256 : 8);
	if (v6) {
		f.data[at] = rnd(4) ? f.data[ETH_HLEN + 6] : kinds[rnd(COUNT(kinds))];
		f.data[at + 1] = (uint8_t)(rnd(4) ? n / 8 - 1 : rnd(256));
		f.data[ETH_HLEN + 6] = kinds[rnd(COUNT(kinds))];
		f.data[ETH_HLEN + 4] = (uint8_t)((f.len - ETH_HLEN - 40) >> 8);
		f.data[ETH_HLEN + 5] = (uint8_t)(f.len - ETH_HLEN - 40);
	} else {
		f.data[ETH_HLEN] = (uint8_t)(0x40 | (5 + n / 4));
		f.data[ETH_HLEN + 2] = (uint8_t)((f.len - ETH_HLEN) >> 8);
		f.data[ETH_HLEN + 3] = (uint8_t)(f.len - ETH_HLEN);
	}
}

/* So that the changed packet comes past the header checksum and meets what is behind it. */
static void mend_checksums(void)
{
	uint8_t *l3 = f.data + ETH_HLEN;
	uint32_t hlen = (uint32_t)(l3[0] & 15) * 4;
	uint16_t sum;

	if (l3[0] >> 4 != 4 || hlen < 20 || ETH_HLEN + hlen > f.len)
		return;
	memset(l3 + 10, 0, 2);
	sum = htons((uint16_t)~slow_sum(0, l3, hlen));
	memcpy(l3 + 10, &sum, 2);
}

static void make_frame(void)
{
	make_valid();
	if (rnd(8) == 0)
		return;
	while (rnd(8) == 0)
		insert_headers();
	for (uint32_t n = rnd(6); n > 0; n--)
		mutate_bytes(f.data, f.len);
	if (rnd(4) == 0)
		f.len = 1 + rnd(f.len);
	else if (rnd(8) == 0)
		f.len += rnd(MAX_LEN - f.len + 1);
	if (f.len >= ETH_HLEN + 20 && rnd(4))
		mend_checksums();
}

static void check_one(const struct dgram *d, const struct sock *to)
{
	uint32_t udp_len = d->len + 8;
	const uint8_t *udp = d->payload - 8;
	uint32_t sum = 0;

	/* Neither options nor extension headers (R3). */
	CHECK(d->payload - d->l3 == (dgram_is_v6(d) ? 48 : 28));
	CHECK(d->len <= FRAME);
	for (uint32_t i = 0; i < d->len; i++)
		sum += d->payload[i]; /* a look at all of it, for the sanitizer */
	CHECK(sum <= d->len * 255);
	CHECK((uint32_t)(udp[4] << 8 | udp[5]) == udp_len);
	CHECK(dgram_destination_port(d) == to->local_port);
	CHECK(ipaddr_is_any(&to->local) || to->family == AF_INET6 || !dgram_is_v6(d));
	CHECK(d->ifindex == 3);
}

static uint64_t delivered;

static void read_some(bool all)
{
	for (unsigned i = 0; i < COUNT(s); i++) {
		while (s[i].count && (all || rnd(3) == 0 || s[i].count > QUEUED / 4)) {
			struct dgram *d = queue_take(&s[i], 1 + rnd(3));

			for (struct dgram *k = d; k; k = k->next) {
				check_one(k, &s[i]);
				delivered++;
			}
			queue_free(d);
		}
	}
}

static void fuzz_frames(uint64_t until)
{
	unsigned k;

	phase = "frames";
	sock_make(&s[0], AF_INET, "10.0.0.1", 53, NULL, 0);
	sock_make(&s[1], AF_INET6, NULL, 53, NULL, 0);
	sock_make(&s[2], AF_INET, NULL, 54, NULL, 0);
	sock_make(&s[3], AF_INET6, "fd00::1", 54, "fd00::9", 99);
	for (k = 0; k < COUNT(s); k++)
		demux_add(&s[k]);
	for (round_number = 0; clock_ns() < until; round_number++) {
		for (int i = 0; i < 100; i++) {
			make_frame();
			inject(f.data, f.len);
			read_some(false);
		}
		read_some(true);
		engine_reclaim(engine);
		CHECK(idle == FRAMES);
	}
	CHECK(delivered > round_number);
	for (k = 0; k < COUNT(s); k++)
		demux_remove(&s[k]);
	printf("ok frames: %lu injected, %lu delivered\n", (unsigned long)round_number * 100,
	       (unsigned long)delivered);
}

/* --- control messages ------------------------------------------------------------------------------------------ */

static size_t make_control(uint8_t *out)
{
	static const int types[] = { IP_TTL,	   IP_TOS,	  IP_PKTINFO,
				     IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS };
	size_t len = 0;

	for (uint32_t n = rnd(5); n > 0; n--) {
		struct cmsghdr c = { .cmsg_level = rnd(2) ? SOL_IP : SOL_IPV6,
				     .cmsg_type = types[rnd(COUNT(types))] };
		size_t data = (size_t[]){ 1, 4, sizeof(struct in_pktinfo),
					  sizeof(struct in6_pktinfo) }[rnd(4)];

		c.cmsg_len = CMSG_LEN(data);
		if (rnd(6) == 0)
			c.cmsg_len = rnd(2) ? rnd(64) : (size_t)-1 - rnd(64);
		memcpy(out + len, &c, sizeof(c));
		for (size_t i = 0; i < data; i++)
			out[len + CMSG_LEN(0) + i] = (uint8_t)(rnd(2) ? 0 : rnd(256));
		len += CMSG_SPACE(data);
	}
	return len;
}

static void fuzz_control(uint64_t until)
{
	static _Alignas(16) uint8_t memory[4096];
	uint8_t made[512] = { 0 };
	unsigned accepted = 0;

	phase = "control messages";
	for (round_number = 0; clock_ns() < until; round_number++) {
		struct tx_dgram d = { .destination = addr(rnd(2) ? "10.0.0.9" : "fd00::9"),
				      .ttl = 64 };
		size_t len = make_control(made);
		struct msghdr msg = { .msg_controllen = len };
		struct sendcmsg more = { 0 };

		for (uint32_t n = rnd(4); n > 0 && len; n--)
			mutate_bytes(made, (uint32_t)len);
		if (len && rnd(3) == 0)
			msg.msg_controllen = len = rnd((uint32_t)len + 1);
		/* Aligned, as a program's buffer is; the end is where it ends. */
		memcpy(memory, made, len);
		msg.msg_control = memory;
		POISON(memory + len, sizeof(memory) - len);
		accepted += sendcmsg_parse(&msg, rnd(2) ? AF_INET : AF_INET6, &d, &more);
		UNPOISON(memory, sizeof(memory));
	}
	CHECK(accepted > 0);
	printf("ok control messages: %lu parsed, %u accepted\n", (unsigned long)round_number,
	       accepted);
}

/* --- the list of ports ----------------------------------------------------------------------------------------- */

static void make_ports(char *text, size_t room)
{
	static const char *const parts[] = { "53",
					     "4000-4100",
					     "*",
					     ",",
					     "10.0.0.1:",
					     "[fd00::1]:",
					     "[::]:",
					     "-",
					     " ",
					     "65535",
					     "0",
					     "65536",
					     "[",
					     "]",
					     ":",
					     "\t",
					     "::ffff:1.2.3.4",
					     "999999999999",
					     "%eth0",
					     "\xff",
					     "1-1",
					     "0.0.0.0:",
					     "255.255.255.255:",
					     "+1" };
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t n = rnd(12); n > 0; n--) {
		const char *p = parts[rnd(COUNT(parts))];

		if (len + strlen(p) + 2 > room)
			break;
		len += (size_t)sprintf(text + len, "%s%s", p, rnd(3) ? "" : ",");
	}
	if (len && rnd(4) == 0)
		text[rnd((uint32_t)len)] = (char)(1 + rnd(255));
}

static void fuzz_ports(uint64_t until)
{
	static struct config_port_rule rules[16], again[16];
	unsigned accepted = 0;

	phase = "ports";
	for (round_number = 0; clock_ns() < until; round_number++) {
		unsigned count = 99, count2, max = 1 + rnd(16);
		char made[256], back[16 * 96], why[CONFIG_WHY_LEN] = "", *text;
		bool all, all2;
		int r;

		make_ports(made, sizeof(made));
		text = strdup(made); /* with a red zone right behind */
		r = ports_parse(text, rules, max, &count, &all, why, sizeof(why));
		free(text);
		CHECK(r == 0 || r == -EINVAL || r == -E2BIG);
		CHECK(count <= max && (r == 0 || count == 0));
		CHECK(r == 0 || (why[0] && !strpbrk(why, "\n\r\033")));
		if (r || !count)
			continue;
		accepted++;
		for (unsigned i = 0; i < count; i++)
			CHECK(rules[i].first >= 1 && rules[i].first <= rules[i].last);
		ports_format(rules, count, back, sizeof(back));
		CHECK(ports_parse(back, again, 16, &count2, &all2, why, sizeof(why)) == 0);
		CHECK(count2 == count && all2 == all);
		CHECK(memcmp(rules, again, count * sizeof(rules[0])) == 0);
	}
	CHECK(accepted > 0);
	printf("ok ports: %lu parsed, %u accepted\n", (unsigned long)round_number, accepted);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 5;
	uint64_t start, span;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	printf("seed %lu\n", (unsigned long)seed);
	fflush(stdout);
	clock_init();
	usermem_init();
	engine = engine_open(&queue, NULL);
	if (!engine)
		return 1;
	start = clock_ns();
	span = (uint64_t)(seconds * 1e9);
	fuzz_frames(start + span * 8 / 10);
	fuzz_control(start + span * 9 / 10);
	fuzz_ports(start + span);
	engine_close(engine);
	return 0;
}
