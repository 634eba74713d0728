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
#include "nic/xdp/xdp_generic.h"

#define AF_INET 2 /* <sys/socket.h> is not for BPF */

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64); /* NIC_MAX_QUEUES; frames of further queues pass */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* The .bss of the program: a BPF array that user space has mmapped. */
struct steer_map steer;

/* xdp_generic_shared_info(); 0 in native mode, where the verifier then removes is_batch(). */
const volatile __u32 shared_info;

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

/* Generic mode: does the frame stand for several datagrams, which the kernel will cut or joined? */
static __always_inline bool is_batch(struct xdp_md *ctx)
{
	struct generic_shared_info info;
	struct generic_xdp_buff xdp;
	__u64 at;

	if (!shared_info || bpf_probe_read_kernel(&xdp, sizeof(xdp), ctx))
		return false;
	at = xdp.data_hard_start + xdp.frame_sz - shared_info;
	return bpf_probe_read_kernel(&info, sizeof(info), (const void *)at) == 0 && info.gso_size;
}

/* The socket that the kernel would give the frame to; the caller releases it. */
static __always_inline struct bpf_sock *kernel_socket(struct xdp_md *ctx,
						      const struct steer_key *key)
{
	struct bpf_sock_tuple t;

	if (steer_is_v4(key->local)) {
		t.ipv4.saddr = steer_second(key->remote[1]);
		t.ipv4.daddr = steer_second(key->local[1]);
		t.ipv4.sport = key->remote_port;
		t.ipv4.dport = key->local_port;
		return bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(t.ipv6.saddr, key->remote, sizeof(t.ipv6.saddr));
	__builtin_memcpy(t.ipv6.daddr, key->local, sizeof(t.ipv6.daddr));
	t.ipv6.sport = key->remote_port;
	t.ipv6.dport = key->local_port;
	return bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Is @sk bound to an address of its own? */
static __always_inline bool has_address(const struct bpf_sock *sk, bool v4)
{
	if (v4)
		return sk->src_ip4 != 0;
	return (sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3]) != 0;
}

/* The kinds of rules that a socket of ours with the shape of @sk has. */
static __always_inline __u32 kinds_of(const struct bpf_sock *sk, bool v4)
{
	if (sk->state == BPF_TCP_ESTABLISHED) /* connected, as UDP means it */
		return STEER_CONN;
	if (has_address(sk, v4))
		return STEER_LOCAL;
	if (!v4)
		return STEER_ANY6 | STEER_ANY46;
	return sk->family == AF_INET ? STEER_ANY4 : STEER_ANY46;
}

/*
 * Sockets of other programs may share the port or refine it, so the kernel is asked whose the frame
 * is: of the port's @bits those stay that a socket of this shape can have set. The port is compared
 * because a program of the sk_lookup type may have chosen a socket of another one.
 */
static __always_inline __u32 bits_of_owner(struct xdp_md *ctx, const struct steer_key *key,
					   __u32 bits)
{
	struct bpf_sock *sk = kernel_socket(ctx, key);

	if (!sk)
		return 0;
	if (STEER_NET16(sk->src_port) != key->local_port ||
	    (sk->bound_dev_if && !(bits & STEER_DEVICE)))
		bits = 0;
	else
		bits &= kinds_of(sk, steer_is_v4(key->local));
	bpf_sk_release(sk);
	return bits;
}

SEC("xdp.frags")
int kbaccel_steer(struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data;
	const void *end = (const void *)(long)ctx->data_end;
	struct steer_key key;
	__u32 bits = steer_parse(&steer, data, end, &key);

	if (!bits || !lease_is_live() || !fits_chunk(ctx, data, end) || is_batch(ctx))
		return XDP_PASS;
	if (bits & STEER_SHARED)
		bits = bits_of_owner(ctx, &key, bits);
	if (!steer_match(&steer, &key, bits))
		return XDP_PASS;
	return (int)bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
