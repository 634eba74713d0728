/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_prog.h - the real XDP program, loaded but attached to nothing, for tests that hand it
 * frames through BPF_PROG_TEST_RUN.
 */
#ifndef TESTS_UNIT_TEST_NIC_PROG_H
#define TESTS_UNIT_TEST_NIC_PROG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/bpf.h>

#include "base/clock.h"
#include "nic/steer_map.h"
#include "nic/xdp/xdp_hub.h"
#include "tests/unit/test_nic_frames.h"
#include "xdp_steer.skel.h"

#define MAX_LEN 1792

static struct xdp_steer *skel;
static struct steer_map *map;
static struct steer_host *host;
static int xsk = -1;
static uint32_t cookie_index; /* as in the program */
static struct test_frame f;
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

static uint32_t run_frame(const struct test_frame *frame, uint32_t len, int repeat, uint32_t *ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = len,
		    .repeat = repeat);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.kbaccel_steer), &opts),
			 0);
	if (ns)
		*ns = opts.duration;
	return opts.retval;
}

static bool taken(void)
{
	uint32_t verdict = run_frame(&f, f.len, 1, NULL);

	assert_true(verdict == XDP_PASS || verdict == XDP_REDIRECT);
	return verdict == XDP_REDIRECT;
}

static struct nic_flow flow_of(const char *local, uint16_t port, const char *remote, uint16_t rport)
{
	struct nic_flow flow = { .local_port = htons(port),
				 .remote_port = htons(rport),
				 .families = NIC_FLOW_V4 | NIC_FLOW_V6 };

	if (local)
		flow.local = addr(local);
	if (remote)
		flow.remote = addr(remote);
	return flow;
}

/* The map as it is when a NIC with these two addresses has been opened. */
static void fresh_map(void)
{
	struct nic nic = { .ifname = "veth0", .mac = { 2, 0, 0, 0, 0, 1 } };
	struct ipaddr local4 = addr("10.0.0.1"), local6 = addr("fd00::1");

	memset(map, 0, sizeof(*map));
	memset(host, 0, sizeof(*host));
	steer_host_init(host, &nic, MAX_LEN);
	steer_host_local(host, &local4, true);
	steer_host_local(host, &local6, true);
	steer_map_lease(map, clock_ns() + 60 * NSEC_PER_SEC);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* A table of @len bytes for seat 0 in @outer. */
static int take_table(const struct bpf_map *outer, size_t len, void **mem)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test", 4, (uint32_t)len, 1, &opts);
	uint32_t key = 0;

	if (fd < 0)
		return fd;
	*mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *mem == MAP_FAILED ? -errno : bpf_map_update_elem(bpf_map__fd(outer), &key, &fd, 0);
}

/* Seat 0 with tables of its own, asked for every port: what is tested is the tables. */
static int take_seat(void)
{
	int err = take_table(skel->maps.seats, sizeof(*map), (void **)&map);

	if (err == 0)
		err = take_table(skel->maps.hosts, sizeof(*host), (void **)&host);
	for (unsigned i = 0; i < HUB_QUEUES; i++)
		skel->bss->hub.queue_seat[i] = 1;
	for (unsigned i = 0; i < STEER_PORTS; i++)
		skel->bss->hub.ports[i] = 1;
	return err;
}

/* An XSK that is not bound is enough for the map; the redirect is a verdict only. */
static int open_all(void)
{
	uint32_t key = 0;
	int err;

	xsk = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (xsk < 0)
		return -errno;
	skel = xdp_steer__open();
	if (!skel)
		return -errno;
	skel->rodata->cookie_index = cookie_index;
	err = xdp_steer__load(skel);
	if (err == 0)
		err = take_seat();
	if (err == 0)
		err = bpf_map_update_elem(bpf_map__fd(skel->maps.alive), &key, &xsk, 0);
	return err < 0 ? err : bpf_map_update_elem(bpf_map__fd(skel->maps.xsks), &key, &xsk, 0);
}

/* 0, or the exit status of a test that can not be run. */
static int program_open(void)
{
	int err;

	libbpf_set_print(quiet);
	err = open_all();
	if (err == 0)
		return 0;
	if (err == -EPERM || err == -EACCES || err == -EAFNOSUPPORT) {
		printf("can not load XDP programs here: %s\n", strerror(-err));
		return 77;
	}
	printf("loading failed: %s\n", strerror(-err));
	return 1;
}

static void program_close(void)
{
	xdp_steer__destroy(skel);
	close(xsk);
}

#endif
