/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_open.c - the AF_XDP backend as a whole: opening, closing, and the one symbol that the plugin
 * exports.
 *
 * The program is attached before the first queue is bound: that tells at once whether the interface
 * is free, and some drivers want it in place for zero-copy. It passes everything until it is given
 * flows and a lease.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "base/log.h"
#include "nic/ethtool/claim.h"
#include "nic/xdp/xdp.h"

#define MIN_RING 64
#define MAX_RING 16384

/* What libbpf and libxdp take for stderr, see the Makefile; they write there only if their messages go nowhere else. */
extern FILE *__wrap_stderr, *__real_stderr;
FILE *__wrap_stderr;

/* libbpf and libxdp have one message function, for all interfaces. */
static void (*message_sink)(int level, const char *text);

static void forward_message(int level, const char *format, va_list args)
{
	char text[512];
	size_t len;

	if (!message_sink)
		return;
	vsnprintf(text, sizeof(text), format, args);
	len = strcspn(text, "\n");
	text[len] = '\0';
	message_sink(level, text);
}

/*
 * What these libraries call a warning often is an attempt that we expected to fail; `why` tells
 * what matters.
 */
static int libbpf_message(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level != LIBBPF_DEBUG)
		forward_message(level == LIBBPF_WARN ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, format,
				args);
	return 0;
}

static int libxdp_message(enum libxdp_print_level level, const char *format, va_list args)
{
	if (level != LIBXDP_DEBUG)
		forward_message(level == LIBXDP_WARN ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, format,
				args);
	return 0;
}

static bool is_ring_size(unsigned n)
{
	return n >= MIN_RING && n <= MAX_RING && (n & (n - 1)) == 0;
}

int xdp_check_params(struct nic_params *params, uint32_t frame_size)
{
	if (!is_ring_size(params->rx_ring) || !is_ring_size(params->tx_ring))
		return xdp_why(params, -EINVAL,
			       "ring sizes %u and %u: powers of two from %d to %d are possible",
			       params->rx_ring, params->tx_ring, MIN_RING, MAX_RING);
	if (params->frames <= params->rx_ring + params->tx_ring ||
	    params->frames > UINT32_MAX / frame_size)
		return xdp_why(params, -EINVAL, "%u frames: from %u to %u are possible",
			       params->frames, params->rx_ring + params->tx_ring + 1,
			       UINT32_MAX / frame_size);
	return 0;
}

/*
 * The lease is a time of the host's CLOCK_MONOTONIC, which is what the XDP program can read; in a
 * time namespace with an offset ours is another one, and steering would never start or never end.
 */
static int check_clock(struct xdp_nic *x, struct nic_params *params)
{
	FILE *offsets = fopen("/proc/self/timens_offsets", "re");
	long long sec = 0, nsec = 0;
	char line[128];

	if (!offsets)
		return 0; /* a kernel without time namespaces */
	while (fgets(line, sizeof(line), offsets))
		if (sscanf(line, "monotonic %lld %lld", &sec, &nsec) == 2)
			break;
	fclose(offsets);
	if (sec == 0 && nsec == 0)
		return 0;
	return xdp_why(params, -EOPNOTSUPP,
		       "%s: the time namespace shifts CLOCK_MONOTONIC by %lld seconds, which "
		       "steering can not follow: run outside of it, or without --monotonic",
		       x->nic.ifname, sec);
}

static int xdp_open(struct nic_params *params, struct nic **out);

static void xdp_abandon(struct nic *nic)
{
	struct xdp_nic *x = xdp_nic_of(nic);

	xdp_close_queues(x);
	xdp_hub_leave(x);
	if (x->claim)
		claim_abandon(x->claim);
	if (x->grant)
		xdp_guest_close(x);
	free(x);
}

/* What is steered to the seat must not go on to whoever has it, or the queues, next. */
static void xdp_close(struct nic *nic)
{
	struct xdp_nic *x = xdp_nic_of(nic);

	if (x->map) {
		steer_map_lease(x->map, 0);
		xdp_no_flows(nic);
	}
	if (x->claim)
		claim_close(x->claim);
	x->claim = NULL;
	xdp_abandon(nic);
}

/* The program in both forms, as for an ordinary MTU. */
static int xdp_probe(struct nic_params *params)
{
	struct xdp_nic *x = xdp_new(params);
	int err;

	if (!x)
		return -ENOMEM;
	x->frame_size = 2048;
	err = xdp_prog_try(x, params);
	xdp_close(&x->nic);
	return err;
}

/* How frames come and go is different, the rest is not. */
#define XDP_COMMON_OPS                                                                             \
	.name = "xdp", .open = xdp_open, .close = xdp_close, .abandon = xdp_abandon,               \
	.pool_free = xdp_pool_free, .steer = xdp_flow, .expect = xdp_expect, .owns = xdp_owns,     \
	.steer_none = xdp_no_flows, .set_local = xdp_set_local, .set_mac = xdp_set_mac,            \
	.set_lease = xdp_set_lease

static const struct nic_ops xdp_ops = {
	XDP_COMMON_OPS,		.probe = xdp_probe,	  .rx_burst = xdp_rx_burst,
	.free = xdp_free,	.tx_alloc = xdp_tx_alloc, .tx_burst = xdp_tx_burst,
	.tx_kick = xdp_tx_kick, .arm = xdp_arm,		  .recover = xdp_recover,
	.stats = xdp_stats,
};

static const struct nic_ops wide_ops = {
	XDP_COMMON_OPS,		  .rx_burst = xdp_wide_rx_burst, .free = xdp_wide_free,
	.tx_alloc = xdp_tx_alloc, .tx_burst = xdp_tx_burst,	 .tx_kick = xdp_tx_kick,
	.arm = xdp_arm,		  .recover = xdp_wide_recover,	 .stats = xdp_stats,
};

static const struct nic_ops ring_ops = {
	XDP_COMMON_OPS,
	.rx_burst = xdp_ring_rx_burst,
	.free = xdp_free,
	.tx_alloc = xdp_ring_tx_alloc,
	.tx_burst = xdp_ring_tx_burst,
	.tx_kick = xdp_ring_tx_kick,
	.arm = xdp_ring_arm,
	.recover = xdp_ring_recover,
	.stats = xdp_ring_stats,
};

static int bound_guest(struct xdp_nic *x, struct nic_params *params)
{
	unsigned queues = x->rx_queues < NIC_MAX_QUEUES ? x->rx_queues : NIC_MAX_QUEUES;
	uint64_t need = (uint64_t)params->frames * x->frame_size * queues;

	if (!x->guest->transmit)
		x->nic.flags |= NIC_F_RX_ONLY;
	if (need <= x->guest->max_memory)
		return 0;
	return xdp_why(
		params, -EINVAL,
		"%u frames for each of %u queues are %llu MiB, and %llu are allowed: lower KBACCEL_FRAMES, "
		"or raise --memory",
		params->frames, queues, (unsigned long long)need >> 20,
		(unsigned long long)x->guest->max_memory >> 20);
}

int xdp_open_seat(struct xdp_nic *x, struct nic_params *params)
{
	int err = xdp_link_read(x, params);

	if (err == 0 && x->guest)
		err = bound_guest(x, params);
	if (err == 0)
		err = xdp_check_params(params, x->frame_size);
	if (err == 0)
		err = check_clock(x, params);
	if (err == 0)
		err = xdp_hub_enter(x, params);
	return err;
}

const struct nic_ops *xdp_ops_of(const struct xdp_nic *x)
{
	if (x->ring)
		return &ring_ops;
	return x->wide ? &wide_ops : &xdp_ops;
}

struct xdp_nic *xdp_new(struct nic_params *params)
{
	struct xdp_nic *x = calloc(1, sizeof(*x));

	if (!x) {
		xdp_why(params, -ENOMEM, "out of memory");
		return NULL;
	}
	x->nic.ops = &xdp_ops;
	x->link_fd = x->seat_fd = x->alive_fd = -1;
	x->fds = (struct xdp_fds){ -1, -1, -1, -1, -1, -1, -1 };
	__wrap_stderr = __real_stderr;
	message_sink = params->log;
	libbpf_set_print(libbpf_message);
	libxdp_set_print(libxdp_message);
	return x;
}

/* Without privileges: by the broker, if there is one and it lets us; @err and the reason are what was found out without it. */
static int ask_broker(struct nic_params *params, int err, struct nic **out)
{
	struct nic_params again = *params;
	struct xdp_nic *x = params->broker ? xdp_new(&again) : NULL;
	int broker_err = x ? xdp_guest_open(x, &again) : -ENOENT;

	if (broker_err == 0) {
		*out = &x->nic;
		return 0;
	}
	if (x)
		xdp_close(&x->nic);
	if (broker_err != -ENOENT)
		*params = again;
	return broker_err != -ENOENT ? broker_err : err;
}

static int xdp_open(struct nic_params *params, struct nic **out)
{
	struct xdp_nic *x = xdp_new(params);
	int err;

	if (!x)
		return -ENOMEM;
	err = xdp_open_seat(x, params);
	if (err < 0) {
		xdp_close(&x->nic);
		return err == -EPERM ? ask_broker(params, err, out) : err;
	}
	xdp_hub_seal(x);
	*out = &x->nic;
	return 0;
}

__attribute__((visibility("default"))) const struct nic_ops *kbaccel_nic_backend(unsigned abi);

const struct nic_ops *kbaccel_nic_backend(unsigned abi)
{
	return abi == NIC_ABI ? &xdp_ops : NULL;
}
