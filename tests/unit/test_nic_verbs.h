/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_verbs.h - the verbs plugin, loaded and opened on the fake device, and frames to and from it. */
#ifndef TESTS_UNIT_TEST_NIC_VERBS_H
#define TESTS_UNIT_TEST_NIC_VERBS_H

#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "nic/nic.h"
#include "tests/unit/test_nic_frames.h"
#include "tests/unit/test_stamping.h"
#include "tests/unit/test_verbs.h"

#define A4 "10.0.0.1"
#define B4 "10.0.0.9"
#define A6 "fd00::1"
#define B6 "fd00::9"

static const struct nic_ops *ops;
static struct nic_params params;
static struct nic *nic;
static struct nic_queue *q;

static inline int open_nic(void)
{
	int err;

	params = (struct nic_params){
		.ifname = VERBS_IF, .rx_ring = 128, .tx_ring = 64, .frames = 512
	};
	err = ops->open(&params, &nic);
	if (err < 0)
		print_message("why: %s\n", params.why);
	else
		q = nic->queues[0];
	return err;
}

static inline int steer_port(uint16_t port, bool on)
{
	struct nic_flow flow = { .local_port = htons(port), .families = NIC_FLOW_V4 | NIC_FLOW_V6 };

	return ops->steer(nic, &flow, on);
}

static inline int local(const char *text, bool on)
{
	struct ipaddr a = addr(text);

	return ops->set_local(nic, &a, on);
}

static inline void to_wire(const struct test_frame *f)
{
	assert_int_equal(send(wire, f->data, f->len, 0), f->len);
}

/* @n datagrams, numbered in their first byte of payload. */
static inline void send_frames(const char *from, const char *to, uint16_t port, unsigned n)
{
	struct test_frame f;

	for (unsigned i = 0; i < n; i++) {
		frame_make(&f, nic->mac, from, 1000, to, port, FRAME_PAYLOAD);
		f.data[f.len - FRAME_PAYLOAD] = (uint8_t)i;
		to_wire(&f);
	}
}

/* Up to @want frames, until none has come for 100 ms. */
static inline unsigned receive(struct nic_frame *in, unsigned want)
{
	uint64_t end = clock_ns() + 100 * NSEC_PER_MSEC;
	unsigned n = 0, more;

	while (n < want && clock_ns() < end) {
		more = nic_rx_burst(q, in + n, want - n < NIC_BURST ? want - n : NIC_BURST);
		n += more;
		if (more)
			end = clock_ns() + 100 * NSEC_PER_MSEC;
		else
			usleep(200);
	}
	return n;
}

static inline void give_back(struct nic_frame *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		nic_free(q, &in[i].data, 1);
}

/* How many came to us, and how many to the kernel, of @n that are on their way. */
static inline void assert_went(unsigned ours, unsigned kernels)
{
	struct nic_frame in[256];
	uint8_t frame[4096];
	unsigned n = receive(in, ours + 1),
		 k = frames_at(kernel_side, frame, sizeof(frame), kernels + 1, 50);

	give_back(in, n);
	assert_int_equal(n, ours);
	assert_int_equal(k, kernels);
}

static inline uint32_t add_words(const uint8_t *d, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(d[i] << 8 | d[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline void right_checksums(struct test_frame *f)
{
	uint32_t len = ntohs(frame_udp4(f)->len);

	frame_ip4(f)->check = htons((uint16_t)~add_words((uint8_t *)frame_ip4(f), 20, 0));
	frame_udp4(f)->check = 0;
	frame_udp4(f)->check = htons((uint16_t)~add_words((uint8_t *)frame_udp4(f), len,
							  add_words((uint8_t *)&frame_ip4(f)->saddr,
								    8, IPPROTO_UDP + len)));
}

static inline int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static inline bool load(void)
{
	char path[512];
	nic_backend_fn entry;
	void *handle, *symbol;

	snprintf(path, sizeof(path), "%s/kbaccel-verbs.so", build_dir());
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	symbol = handle ? dlsym(handle, NIC_BACKEND_SYMBOL) : NULL;
	if (!symbol) {
		print_message("no verbs plugin: %s\n", dlerror());
		return false;
	}
	memcpy(&entry, &symbol, sizeof(entry));
	assert_null(entry(NIC_ABI + 1));
	ops = entry(NIC_ABI);
	return ops != NULL;
}

/* The plugin opened on a device of some kind. */
static inline int setup_with(const char *options)
{
	if (!ops)
		return 0;
	return hca_start(options) && open_nic() == 0 ? 0 : -1;
}

static inline int setup(void **state)
{
	(void)state;
	return setup_with("");
}

static inline int setup_plain(void **state)
{
	(void)state;
	return setup_with("-i 0 -o no-checksums");
}

/* The driver stamps (stamping_begin()): the receive queue is one that stamps. */
static inline int setup_stamping(void **state)
{
	(void)state;
	stamping_filter = HWTSTAMP_FILTER_ALL;
	return setup_with("");
}

#define CASE_STAMPING(name) cmocka_unit_test_setup_teardown(name, setup_stamping, teardown)

static inline int teardown(void **state)
{
	(void)state;
	stamping_filter = -1;
	unsetenv("FAKE_VERBS_FAULT");
	if (!ops)
		return 0;
	ops->close(nic);
	return hca_stop() ? 0 : -1;
}

static inline void need_device(void)
{
	if (!ops)
		skip();
}

/* Device only; the plugin is closed behind the case. */
static inline int start(void **state)
{
	(void)state;
	nic = NULL;
	return !ops || hca_start("") ? 0 : -1;
}

static inline int stop(void **state)
{
	(void)state;
	if (nic)
		ops->close(nic);
	nic = NULL;
	unsetenv("FAKE_VERBS_FAULT");
	return !ops || hca_stop() ? 0 : -1;
}

/* The reason, in one line. */
static inline bool says(const char *text)
{
	if (strstr(params.why, text) && !strchr(params.why, '\n'))
		return true;
	print_message("why: %s\n", params.why);
	return false;
}

#endif
