/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_rings.c - the data path: frames between pool, receive queue, send queue and the caller. No system call.
 *
 * A doorbell is the expensive part of posting, so receive buffers are posted VERBS_BATCH at a time, and sends together, by the
 * kick. Small frames are inlined: the NIC has them with the doorbell, and their memory is free at once. Only every
 * tx_every-th send reports its completion, for all before it.
 */
#include <errno.h>
#include <string.h>

#include "nic/verbs/verbs.h"

/* Behind ipaddr.h: libc's and the kernel's headers agree in this order only. */
#include "nic/steer_rule.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define VLAN_HLEN 4
#define VLAN_ID_MASK 0x0fff

/* For a sanitizer: a frame is not the stack's any more. */
static inline void frame_hide(const struct verbs_queue *x, uint32_t offset)
{
	poison(x->umem + verbs_frame_start(x, offset), x->q.frame_size);
}

/* ---- receiving ---- */

/* Posts @n frames of the pool; they were counted. */
static void post_receives(struct verbs_queue *x, uint32_t n)
{
	struct ibv_recv_wr wr[NIC_BURST], *bad = NULL;
	struct ibv_sge sge[NIC_BURST];
	uint32_t posted = n;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t offset = x->pool[x->pool_count - 1 - i] + VERBS_HEADROOM;

		sge[i] = (struct ibv_sge){ .addr = (uintptr_t)(x->umem + offset),
					   .length = x->q.frame_size - VERBS_HEADROOM,
					   .lkey = x->mr->lkey };
		wr[i] = (struct ibv_recv_wr){ .wr_id = offset,
					      .next = i + 1 < n ? &wr[i + 1] : NULL,
					      .sg_list = &sge[i],
					      .num_sge = 1 };
	}
	if (unlikely(ibv_post_recv(x->qp, wr, &bad) != 0)) {
		posted = bad ? (uint32_t)(bad - wr) : 0;
		verbs_broken(x->v, "it takes no more receive buffers");
	}
	if (unlikely(x->stamping))
		verbs_stamp_posted(x, posted);
	x->pool_count -= posted;
	x->nic_has += posted;
}

void verbs_refill(struct verbs_queue *x)
{
	while (x->nic_has < x->rx_size && !x->v->nic.broken) {
		uint32_t n = x->rx_size - x->nic_has;
		uint32_t spare = x->pool_count > x->pool_keep ? x->pool_count - x->pool_keep : 0;

		n = n < NIC_BURST ? n : NIC_BURST;
		n = n < spare ? n : spare;
		if (!n)
			return;
		post_receives(x, n);
	}
}

/* Options of IPv4 that a host looks at: those of source routing, which none follows without being told to (accept_source_route). */
static __attribute__((noinline)) bool has_plain_options(const uint8_t *ip, uint32_t header)
{
	uint32_t at = sizeof(struct iphdr), len;

	for (; at < header && ip[at] != IPOPT_END; at += len) {
		len = ip[at] == IPOPT_NOOP ? 1 : at + 1 < header ? ip[at + 1] : 0;
		if (!len || (len < 2 && ip[at] != IPOPT_NOOP) || at + len > header ||
		    ip[at] == IPOPT_LSRR || ip[at] == IPOPT_SSRR)
			return false;
	}
	return true;
}

/* Would the kernel give it to a socket of this host, coming from outside? */
static inline bool is_plain4(const struct verbs_queue *x, const struct nic_frame *f)
{
	const struct iphdr *ip = (const void *)(f->data + ETH_HLEN);
	uint32_t header = ip->ihl * 4u;
	__u64 from[2] = { 0, 0 };

	if (f->len < ETH_HLEN + sizeof(*ip) + sizeof(struct udphdr) || ip->version != 4 ||
	    header < sizeof(*ip) || f->len < ETH_HLEN + header + sizeof(struct udphdr) ||
	    ip->protocol != IPPROTO_UDP || (ip->frag_off & STEER_NET16(STEER_IP_NOT_DF)))
		return false;
	from[1] = steer_pair(STEER_MAPPED_WORD, ip->saddr);
	if (unlikely(header > sizeof(*ip)) && !has_plain_options((const uint8_t *)ip, header))
		return false;
	return !steer_martian4(ip->saddr) && !steer_martian_to4(ip->daddr) &&
	       ip->saddr != ip->daddr && !steer_is_local(x->v->host, from);
}

static inline bool is_plain6(const struct verbs_queue *x, const struct nic_frame *f)
{
	const struct ipv6hdr *ip = (const void *)(f->data + ETH_HLEN);
	const __u32 *src = (const __u32 *)&ip->saddr, *dst = (const __u32 *)&ip->daddr;
	__u64 from[2], to[2];

	if (f->len < ETH_HLEN + sizeof(*ip) + sizeof(struct udphdr) ||
	    (*(const uint8_t *)ip & 0xf0) != 0x60 || ip->nexthdr != IPPROTO_UDP)
		return false;
	from[0] = steer_pair(src[0], src[1]);
	from[1] = steer_pair(src[2], src[3]);
	to[0] = steer_pair(dst[0], dst[1]);
	to[1] = steer_pair(dst[2], dst[3]);
	if (steer_martian6(x->v->host, from[0], from[1]) ||
	    (!steer_is_group(to) && steer_martian6(x->v->host, to[0], to[1])))
		return false;
	return (from[0] != to[0] || from[1] != to[1]) && !steer_is_local(x->v->host, from);
}

/*
 * Rule R3, as far as hardware leaves it to us: what the NIC has given us the kernel will never see, so what it would drop is
 * dropped here, and what it alone could serve (extension headers) is lost, and counted. A tag without a
 * VLAN number is only a priority.
 */
static inline bool is_plain(const struct verbs_queue *x, struct nic_frame *f)
{
	const struct ethhdr *eth = (const struct ethhdr *)f->data;

	if (unlikely(f->len > ETH_HLEN + VLAN_HLEN && eth->h_proto == STEER_NET16(ETH_P_8021Q))) {
		if (((f->data[14] << 8 | f->data[15]) & VLAN_ID_MASK) != 0)
			return false;
		memmove(f->data + VLAN_HLEN, f->data, 2 * ETH_ALEN);
		f->data += VLAN_HLEN;
		f->len -= VLAN_HLEN;
		eth = (const struct ethhdr *)f->data;
	}
	if (eth->h_proto == STEER_NET16(ETH_P_IP))
		return is_plain4(x, f);
	return eth->h_proto == STEER_NET16(ETH_P_IPV6) && is_plain6(x, f);
}

/* A completion in error has no length; after the first the queue pair is dead. */
static void receive_failed(struct verbs_queue *x, const struct ibv_wc *wc)
{
	verbs_pool_put(x, (uint32_t)wc->wr_id);
	if (wc->status == IBV_WC_LOC_LEN_ERR)
		verbs_broken(x->v, "a frame was longer than the MTU at start");
	else
		verbs_broken(x->v, "a receive has failed");
}

static unsigned take_completions(struct verbs_queue *x, const struct ibv_wc *wc, unsigned n,
				 struct nic_frame *frames)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++, wc++) {
		struct nic_frame *f = &frames[kept];

		if (unlikely(wc->status != IBV_WC_SUCCESS)) {
			receive_failed(x, wc);
			continue;
		}
		f->data = x->umem + wc->wr_id;
		f->len = wc->byte_len;
		f->flags = x->v->checksums && (wc->wc_flags & IBV_WC_IP_CSUM_OK) ? NIC_RX_CSUM_OK
										 : 0;
		unpoison(nic_frame_base(&x->q, f->data), NIC_FRAME_PRIV);
		unpoison(f->data, f->len);
		x->q.stats.rx_bytes += f->len;
		if (likely(is_plain(x, f))) {
			kept++;
			continue;
		}
		x->q.stats.rx_dropped++;
		frame_hide(x, (uint32_t)wc->wr_id);
		verbs_pool_put(x, (uint32_t)wc->wr_id);
	}
	return kept;
}

unsigned verbs_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	struct verbs_queue *x = verbs_queue_of(q);
	const struct ibv_wc *wc = x->wc + x->wc_next;
	unsigned kept;
	int n = (int)(x->wc_count - x->wc_next);

	if (likely(n == 0)) {
		wc = x->wc;
		n = verbs_poll(x, (int)max);
		x->wc_next = x->wc_count = 0;
		if (unlikely(n < 0))
			verbs_broken(x->v, VERBS_CQ_DEAD);
		if (n <= 0) {
			if (unlikely(x->nic_has < x->rx_size - VERBS_BATCH))
				verbs_refill(x);
			return 0;
		}
		x->polled = true;
	} else {
		n = n < (int)max ? n : (int)max;
		x->wc_next += (unsigned)n;
	}
	x->nic_has -= (uint32_t)n;
	q->stats.rx_frames += (unsigned)n;
	kept = take_completions(x, wc, (unsigned)n, frames);
	if (x->nic_has <= x->rx_size - VERBS_BATCH)
		verbs_refill(x);
	return kept;
}

void verbs_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	struct verbs_queue *x = verbs_queue_of(q);

	/* A frame given back twice must not push the stack over its end. */
	if (unlikely(n > x->frames - x->pool_count))
		n = x->frames - x->pool_count;
	for (unsigned i = 0; i < n; i++) {
		uint32_t offset = (uint32_t)(data[i] - x->umem);

		frame_hide(x, offset);
		verbs_pool_put(x, offset);
	}
}

/* ---- sending ---- */

/* Sends up to number @upto are complete. */
static void tx_complete(struct verbs_queue *x, uint32_t upto)
{
	for (; x->tx_tail != upto; x->tx_tail++) {
		uint32_t offset = x->tx_slot[x->tx_tail & (x->tx_size - 1)];

		if (offset != VERBS_INLINED)
			verbs_pool_put(x, offset);
	}
}

static void reap(struct verbs_queue *x)
{
	struct ibv_wc wc[8];
	int n;

	do {
		n = ibv_poll_cq(x->scq, 8, wc);
		for (int i = 0; i < n; i++) {
			if (unlikely(wc[i].status != IBV_WC_SUCCESS))
				verbs_broken(x->v, "a send has failed");
			tx_complete(x, (uint32_t)wc[i].wr_id);
		}
	} while (n == 8);
	if (unlikely(n < 0))
		verbs_broken(x->v, VERBS_CQ_DEAD);
}

/* How many frames could be taken and queued now. */
static inline uint32_t tx_spare(const struct verbs_queue *x)
{
	uint32_t room = x->tx_size - (x->tx_head - x->tx_tail) - x->staged;

	return room < x->pool_count ? room : x->pool_count;
}

unsigned verbs_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n)
{
	struct verbs_queue *x = verbs_queue_of(q);

	if (x->tx_head - x->tx_tail > x->tx_every || n > tx_spare(x))
		reap(x);
	if (unlikely(n > tx_spare(x))) {
		q->stats.tx_full++;
		n = tx_spare(x);
	}
	for (unsigned i = 0; i < n; i++) {
		base[i] = x->umem + x->pool[--x->pool_count];
		unpoison(base[i], x->q.frame_size);
	}
	return n;
}

/* The first @posted of the staged frames are the NIC's; what is left is lost. */
static void count_posted(struct verbs_queue *x, unsigned posted)
{
	for (unsigned i = 0; i < x->staged; i++) {
		uint32_t offset = (uint32_t)(x->stage[i].data - x->umem);
		bool inlined = x->stage[i].len <= x->max_inline;

		frame_hide(x, offset);
		if (i < posted)
			x->tx_slot[x->tx_head++ & (x->tx_size - 1)] = inlined ? VERBS_INLINED
									      : offset;
		if (i >= posted || inlined)
			verbs_pool_put(x, offset);
	}
	x->q.stats.tx_full += x->staged - posted;
	x->staged = 0;
}

static void post_staged(struct verbs_queue *x)
{
	struct ibv_send_wr wr[NIC_BURST], *bad = NULL;
	struct ibv_sge sge[NIC_BURST];
	unsigned posted = x->staged;
	int err;

	for (unsigned i = 0; i < x->staged; i++) {
		const struct nic_frame *f = &x->stage[i];
		uint32_t number = x->tx_head + i + 1;
		bool reports = number % x->tx_every == 0;

		sge[i] = (struct ibv_sge){ .addr = (uintptr_t)f->data,
					   .length = f->len,
					   .lkey = x->mr->lkey };
		wr[i] = (struct ibv_send_wr){
			.wr_id = number,
			.next = i + 1 < x->staged ? &wr[i + 1] : NULL,
			.sg_list = &sge[i],
			.num_sge = 1,
			.opcode = IBV_WR_SEND,
			.send_flags = (f->len <= x->max_inline ? IBV_SEND_INLINE : 0u) |
				      (reports ? IBV_SEND_SIGNALED : 0u)
		};
	}
	err = ibv_post_send(x->qp, wr, &bad);
	if (unlikely(err)) {
		posted = bad ? (unsigned)(bad - wr) : 0;
		if (err != ENOMEM)
			verbs_broken(x->v, "it takes no more sends");
	}
	count_posted(x, posted);
}

unsigned verbs_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n)
{
	struct verbs_queue *x = verbs_queue_of(q);
	uint32_t room = x->tx_size - (x->tx_head - x->tx_tail) - x->staged;

	if (unlikely(n > room)) {
		reap(x);
		room = x->tx_size - (x->tx_head - x->tx_tail) - x->staged;
		q->stats.tx_full += n > room;
		n = n < room ? n : room;
	}
	for (unsigned i = 0; i < n; i++) {
		x->stage[x->staged++] = frames[i];
		q->stats.tx_bytes += frames[i].len;
		if (x->staged == NIC_BURST)
			post_staged(x);
	}
	q->stats.tx_frames += n;
	return n;
}

int verbs_tx_kick(struct nic_queue *q)
{
	struct verbs_queue *x = verbs_queue_of(q);

	if (x->staged)
		post_staged(x);
	return 0;
}

unsigned verbs_pool_free(const struct nic_queue *q)
{
	return verbs_queue_of(q)->pool_count;
}
