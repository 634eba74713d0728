/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_steer.bpf.c - the XDP program: hands the frames of rule R3 to the processes that want them and
 * passes all others.
 *
 * It never writes to a frame, and drops none but those that are steered: one that was copied into a
 * ring is done with, and one that finds its ring full is lost and counted. The cheap tests come first: most frames of a host are
 * not ours. Its arithmetic on packet pointers needs CAP_PERFMON besides CAP_BPF and CAP_NET_ADMIN.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "nic/steer_rule.h"
#include "nic/xdp/xdp_cookie.h"
#include "nic/xdp/xdp_generic.h"
#include "nic/xdp/xdp_hub.h"

#define AF_INET 2 /* <sys/socket.h> is not for BPF */

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, HUB_QUEUES); /* frames of further queues pass */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* The steering tables of each seat, which its process has mmapped. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, HUB_SEATS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct steer_map));
		});
} seats SEC(".maps");

/* What bounds these: mmapped by the same process, or by the broker that has opened the seat for it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, HUB_SEATS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct steer_host));
		});
} hosts SEC(".maps");

/* The rings of the seats that have no AF_XDP socket. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, HUB_SEATS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, 65536);
		});
} rings SEC(".maps");

/*
 * A socket of each seat's process, unbound. The kernel takes it out of the map when its last descriptor is closed, so that
 * a process which has died is known as dead at once, not only when its lease has run out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, HUB_SEATS);
	__type(key, __u32);
	__type(value, __u32);
} alive SEC(".maps");

/* The .bss of the program: a BPF array that the processes have mmapped. */
struct hub hub;

/* struct hub_record: HUB_RECORD_SMALL or _LARGE, as long as the longest frame of the interface. */
const volatile __u32 record_len = HUB_RECORD_SMALL;

/* xdp_generic_shared_info(); 0 in native mode, where the verifier then removes is_batch(). */
const volatile __u32 shared_info;

/* xdp_cookie_index(); 0: it is not known where a socket's cookie is. */
const volatile __u32 cookie_index;

/*
 * The coarse clock is up to a tick late, which a lease of about a second can bear, and costs
 * nothing.
 */
static __always_inline bool lease_is_live(const struct steer_map *map)
{
	return *(const volatile __u64 *)&map->lease_until > bpf_ktime_get_coarse_ns();
}

/* A frame of several buffers can not be put into one UMEM chunk. @contiguous: bytes of its first one. */
static __always_inline bool fits(const struct steer_host *host, __u64 len, __u64 contiguous)
{
	return len <= host->max_len && (len == contiguous || host->wide);
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

/* The socket's cookie; 0: it has none. For as long as cookie_index is not 0. */
static __always_inline __u64 cookie_of(const struct bpf_sock *sk)
{
	__u64 head[COOKIE_WORDS];

	if (bpf_probe_read_kernel(head, sizeof(head), sk))
		return 0;
	return head[cookie_index & (COOKIE_WORDS - 1)];
}

/*
 * Sockets of other programs may share the port or refine it, so the kernel is asked whose the frame
 * is. Without its cookie, of the port's @bits those stay that a socket of this shape can have set. The
 * port is compared because a program of the sk_lookup type may have chosen a socket of another one.
 */
static __always_inline __u32 bits_of_owner(struct xdp_md *ctx, const struct steer_host *host,
					   const struct steer_key *key, __u32 bits)
{
	struct bpf_sock *sk = kernel_socket(ctx, key);

	if (!sk)
		return 0;
	if (STEER_NET16(sk->src_port) != key->local_port ||
	    (sk->bound_dev_if && !(bits & STEER_DEVICE)))
		bits = 0;
	else if (cookie_index || host->guarded)
		bits = steer_is_owned(host, cookie_of(sk)) ? bits : 0;
	else
		bits &= kinds_of(sk, steer_is_v4(key->local));
	bpf_sk_release(sk);
	return bits;
}

/* The one element of the map that @outer has for @seat. */
static __always_inline void *tables_of(void *outer, __u32 seat)
{
	void *inner = bpf_map_lookup_elem(outer, &seat);
	__u32 zero = 0;

	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

/*
 * Is the frame for a socket of @seat? A function of its own for the verifier, which looks at it once, however many
 * seats are asked.
 */
__noinline int seat_wants(struct xdp_md *ctx, __u32 seat)
{
	const void *data = (const void *)(long)ctx->data;
	const void *end = (const void *)(long)ctx->data_end;
	const struct steer_host *host;
	const struct steer_map *map;
	__u64 len = bpf_xdp_get_buff_len(ctx);
	struct steer_key key;
	__u32 bits;

	map = tables_of(&seats, seat);
	host = tables_of(&hosts, seat);
	if (!map || !host)
		return false;
	bits = steer_parse(host, map, data, end, (__u32)len, &key);
	if (!bits || !lease_is_live(map) || !bpf_map_lookup_elem(&alive, &seat))
		return false;
	if (!fits(host, len, (__u64)(end - data)) || is_batch(ctx))
		return false;
	if ((bits & STEER_SHARED) || host->guarded)
		bits = bits_of_owner(ctx, host, &key, bits);
	return steer_match(host, map, &key, bits);
}

/* Of both ends of a datagram. */
static __always_inline __u32 flow_hash(const void *data, const void *end)
{
	const struct ethhdr *eth = data;
	const struct iphdr *ip4 = (const void *)(eth + 1);
	const struct ipv6hdr *ip6 = (const void *)(eth + 1);
	const __u32 *word = (const __u32 *)&ip6->saddr;
	__u32 h = 0;

	if ((const void *)(ip4 + 1) + 4 > end)
		return 0;
	if (eth->h_proto == STEER_NET16(ETH_P_IP))
		return (ip4->saddr * 31 ^ ip4->daddr) * 31 ^ *(const __u32 *)(ip4 + 1);
	if ((const void *)(ip6 + 1) + 4 > end)
		return 0;
	for (int i = 0; i < 9; i++) /* both addresses, then the ports */
		h = h * 31 ^ word[i];
	return h;
}

struct choice {
	struct xdp_md *ctx;
	__u32 mask;
	__u32 hash;
	__u32 weight;
	__u32 seat;
};

static long consider(__u32 seat, struct choice *c)
{
	__u32 weight = (c->hash ^ seat * 0x9e3779b1u) * 0x85ebca6bu;

	weight = (weight ^ weight >> 15) * 0xc2b2ae35u;
	weight ^= weight >> 16;
	if ((c->mask >> (seat & 31) & 1) && seat_wants(c->ctx, seat) &&
	    (c->seat == HUB_NO_SEAT || weight > c->weight)) {
		c->weight = weight;
		c->seat = seat;
	}
	return 0;
}

/*
 * Several processes want datagrams of the port. Those of one socket that they share, as forked ones do, or of sockets
 * that only differ in their process: the two ends of the datagram decide, as in a reuseport group of the kernel. Each
 * seat draws a lot for the flow and the highest has it, so that when a process comes or goes the flows between others
 * stay where they are.
 */
static __noinline __u32 one_of(struct xdp_md *ctx, __u32 mask)
{
	struct choice c = {
		.ctx = ctx,
		.mask = mask,
		.hash = flow_hash((const void *)(long)ctx->data, (const void *)(long)ctx->data_end),
		.seat = HUB_NO_SEAT,
	};

	bpf_loop(HUB_SEATS, consider, &c, 0);
	return c.seat;
}

/* The number of the only bit that is set in @mask. */
static __always_inline __u32 bit_number(__u32 mask)
{
	return (mask & 0xaaaaaaaa ? 1 : 0) + (mask & 0xcccccccc ? 2 : 0) +
	       (mask & 0xf0f0f0f0 ? 4 : 0) + (mask & 0xff00ff00 ? 8 : 0) +
	       (mask & 0xffff0000 ? 16 : 0);
}

/*
 * To wake costs an interrupt on this very CPU, which a reader that has just looked does not need. The addition is a barrier: either we
 * see that the seat sleeps, or it has seen our record before it went to sleep.
 */
static __always_inline __u64 wake_flags(struct steer_map *map)
{
	__sync_fetch_and_add(&map->lost, 0);
	if (!*(volatile __u32 *)&map->asleep)
		return BPF_RB_NO_WAKEUP;
	*(volatile __u32 *)&map->asleep = 0;
	return BPF_RB_FORCE_WAKEUP;
}

/* A copy of the frame into the seat's ring. A full one loses it, as a full RX ring does; without a ring the kernel has it. */
static __noinline int copy_to_ring(struct xdp_md *ctx, __u32 seat)
{
	__u64 len = bpf_xdp_get_buff_len(ctx);
	void *ring = bpf_map_lookup_elem(&rings, &seat);
	struct steer_map *map = tables_of(&seats, seat);
	struct hub_record *record;

	/* Before Linux 6.8 the verifier learns no lower bound from "not 0". */
	if (!ring || !map || len < sizeof(struct ethhdr) || len > record_len - sizeof(*record))
		return XDP_PASS;
	record = bpf_ringbuf_reserve(ring, record_len, 0);
	if (!record) {
		__sync_fetch_and_add(&map->lost, 1);
		return XDP_DROP;
	}
	record->len = (__u32)len;
	record->zero = 0;
	if (bpf_xdp_load_bytes(ctx, 0, record->data, (__u32)len)) {
		bpf_ringbuf_discard(record, 0);
		return XDP_PASS;
	}
	bpf_ringbuf_submit(record, wake_flags(map));
	return XDP_DROP;
}

SEC("xdp.frags")
int kbaccel_steer(struct xdp_md *ctx)
{
	__u32 port =
		steer_peek_port((const void *)(long)ctx->data, (const void *)(long)ctx->data_end);
	__u32 mask, seat, queue;

	if (port >= STEER_PORTS)
		return XDP_PASS;
	mask = hub.ports[port];
	if (!mask)
		return XDP_PASS;
	if (mask & (mask - 1)) {
		seat = one_of(ctx, mask);
		if (seat == HUB_NO_SEAT)
			return XDP_PASS;
	} else {
		seat = bit_number(mask);
		if (!seat_wants(ctx, seat))
			return XDP_PASS;
	}
	queue = ctx->rx_queue_index;
	if (queue < HUB_QUEUES && hub.queue_seat[queue] == seat + 1)
		return (int)bpf_redirect_map(&xsks, queue, XDP_PASS);
	return copy_to_ring(ctx, seat);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
