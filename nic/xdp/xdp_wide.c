/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_wide.c - receiving on an interface whose MTU is more than a UMEM chunk holds, which is a page at the most.
 *
 * Such a frame comes in several chunks (XDP_USE_SG, Linux 6.6; Documentation/networking/af_xdp.rst "Multi-Buffer Support"):
 * all but its last descriptor have XDP_PKT_CONTD. The stack wants a frame in one piece, so it is put together in memory
 * beside the UMEM, and its chunks go back into the pool. A frame of one chunk is passed on where it lies, in order with the others.
 */
#include <string.h>

#include "base/poison.h"
#include "nic/xdp/xdp.h"

/* What a frame that is begun has in place of memory when there is none: the rest of it is passed over. */
#define NOWHERE UINT32_MAX

static bool is_wide(const struct xdp_queue *x, const uint8_t *data)
{
	return data >= x->wide && data < x->wide + (size_t)x->wide_frames * XDP_WIDE_FRAME;
}

static void begin(struct xdp_queue *x)
{
	x->wide_len = 0;
	x->wide_at = x->wide_count ? x->wide_pool[--x->wide_count] : NOWHERE;
	if (x->wide_at == NOWHERE)
		x->wide_lost++;
	else
		unpoison(x->wide + x->wide_at, XDP_WIDE_FRAME);
}

static void add(struct xdp_queue *x, const struct xdp_desc *desc)
{
	uint32_t room = XDP_WIDE_FRAME - XDP_HEADROOM - x->wide_len;
	uint32_t len = desc->len < room ? desc->len : room;

	if (x->wide_at != NOWHERE)
		memcpy(x->wide + x->wide_at + XDP_HEADROOM + x->wide_len, x->umem + desc->addr, len);
	x->wide_len += len;
}

/* Is there a frame? */
static bool finish(struct xdp_queue *x, struct nic_frame *frame)
{
	frame->data = x->wide + x->wide_at + XDP_HEADROOM;
	frame->len = x->wide_len;
	frame->flags = 0;
	return x->wide_at != NOWHERE;
}

/* One more piece; true: it was the last, and @frame is whole. */
static bool gather(struct xdp_queue *x, const struct xdp_desc *desc, bool *begun,
		   struct nic_frame *frame)
{
	uint8_t *chunk = x->umem + desc->addr;

	unpoison(chunk, desc->len);
	if (!*begun)
		begin(x);
	add(x, desc);
	*begun = desc->options & XDP_PKT_CONTD;
	xdp_free(&x->q, &chunk, 1);
	return !*begun && finish(x, frame);
}

unsigned xdp_wide_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	struct xdp_queue *x = xdp_queue_of(q);
	uint32_t idx, n = xsk_ring_cons__peek(&x->rx, max, &idx);
	bool begun = x->wide_begun;
	unsigned whole = 0;

	if (n == 0) {
		if (x->nic_has < x->nic_wants || xsk_ring_prod__needs_wakeup(&x->fill))
			xdp_refill(x);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&x->rx, idx + i);
		struct nic_frame *frame = &frames[whole];

		if (begun || (desc->options & XDP_PKT_CONTD)) {
			if (!gather(x, desc, &begun, frame))
				continue;
		} else {
			frame->data = x->umem + desc->addr;
			frame->len = desc->len;
			frame->flags = 0;
			xdp_frame_show(x, frame);
		}
		q->stats.rx_bytes += frame->len;
		whole++;
	}
	xsk_ring_cons__release(&x->rx, n);
	x->wide_begun =
		begun; /* says what the ring begins with, also to who takes over from a dead owner */
	x->nic_has -= n;
	q->stats.rx_frames += whole;
	xdp_refill(x);
	return whole;
}

static void free_wide(struct xdp_queue *x, const uint8_t *data)
{
	uint32_t at = (uint32_t)(data - x->wide) & ~(uint32_t)(XDP_WIDE_FRAME - 1);

	poison(x->wide + at, XDP_WIDE_FRAME);
	if (x->wide_count < x->wide_frames)
		x->wide_pool[x->wide_count++] = at;
}

void xdp_wide_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	struct xdp_queue *x = xdp_queue_of(q);
	unsigned from = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!is_wide(x, data[i]))
			continue;
		xdp_free(q, data + from, i - from);
		free_wide(x, data[i]);
		from = i + 1;
	}
	xdp_free(q, data + from, n - from);
}

/* All of them are free; what was begun is not put together any more. */
void xdp_wide_reset(struct xdp_queue *x)
{
	x->wide_at = NOWHERE;
	x->wide_count = 0;
	for (uint32_t i = x->wide_frames; i > 0; i--)
		x->wide_pool[x->wide_count++] = (i - 1) * XDP_WIDE_FRAME;
	poison(x->wide, (size_t)x->wide_frames * XDP_WIDE_FRAME);
}

void xdp_wide_recover(struct nic_queue *q)
{
	xdp_recover(q);
	xdp_wide_reset(xdp_queue_of(q));
}
