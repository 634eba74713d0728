/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_steer.bpf.c - the XDP program: redirects the frames of rule R3 to our sockets and passes all
 * others.
 *
 * It never drops and never writes to a frame. The cheap tests come first: most frames of a host are
 * not ours. Its arithmetic on packet pointers needs CAP_PERFMON besides CAP_BPF and CAP_NET_ADMIN.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "nic/steer_rule.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64); /* NIC_MAX_QUEUES; frames of further queues pass */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* The .bss of the program: a BPF array that user space has mmapped. */
struct steer_map steer;

/*
 * The coarse clock is up to a tick late, which a lease of about a second can bear, and costs
 * nothing.
 */
static __always_inline bool lease_is_live(void)
{
	return *(volatile __u64 *)&steer.lease_until > bpf_ktime_get_coarse_ns();
}

/* A frame of several buffers, or one that is too long, can not be put into one UMEM chunk. */
static __always_inline bool fits_chunk(struct xdp_md *ctx, const void *data, const void *end)
{
	__u64 len = bpf_xdp_get_buff_len(ctx);

	return len <= steer.max_len && len == (__u64)(end - data);
}

SEC("xdp.frags")
int kbaccel_steer(struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data;
	const void *end = (const void *)(long)ctx->data_end;
	struct steer_key key;
	__u32 bits = steer_parse(&steer, data, end, &key);

	if (!bits || !lease_is_live() || !fits_chunk(ctx, data, end))
		return XDP_PASS;
	if (!steer_match(&steer, &key, bits))
		return XDP_PASS;
	return (int)bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
