/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_measure.bpf.c - finds the place of the cookie in the kernel's socket structure (xdp_cookie.h). Run on a made-up frame, never
 * attached to an interface.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "nic/steer_rule.h"
#include "nic/xdp/xdp_cookie.h"

#define LOOPBACK ((__u32)STEER_NET16(0x7f00) | (__u32)STEER_NET16(1) << 16)

/* The index of the first word that is @cookie, or 0. */
static __always_inline int place_of(const __u64 *head, __u64 cookie)
{
	for (int i = 0; i < COOKIE_WORDS; i++)
		if (head[i] == cookie)
			return i;
	return 0;
}

SEC("xdp")
int kbaccel_measure(struct xdp_md *ctx)
{
	const struct cookie_probe *probe = (const void *)(long)ctx->data;
	struct bpf_sock_tuple t = {};
	__u64 head[COOKIE_WORDS];
	struct bpf_sock *sk;
	long err;

	if ((const void *)(probe + 1) > (const void *)(long)ctx->data_end)
		return 0;
	t.ipv4.saddr = t.ipv4.daddr = LOOPBACK;
	t.ipv4.sport = t.ipv4.dport = probe->port;
	sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	err = bpf_probe_read_kernel(head, sizeof(head), sk);
	bpf_sk_release(sk);
	return err ? 0 : place_of(head, probe->cookie);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
