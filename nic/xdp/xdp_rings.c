/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_rings.c - the data path: frames between pool, the four rings and the caller.
 *
 * Per burst, not per frame: ring indices are read and published once, the kernel is called only
 * when it asks for it (need_wakeup). System calls are made directly: errno and the host's
 * interception are left alone.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/poison.h"
#include "base/rawcall.h"
#include "nic/xdp/xdp.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The offset of the frame that the @offset into the UMEM points into. */
static inline uint32_t frame_start(const struct xdp_queue *x, uint64_t offset)
{
	return (uint32_t)offset & ~(x->q.frame_size - 1);
}

static inline bool ring_has_entries(const struct xsk_ring_prod *ring)
{
	return ring->cached_prod != __atomic_load_n(ring->consumer, __ATOMIC_RELAXED);
}

/* For a sanitizer: a frame is not the stack's any more. */
static inline void frame_hide(const struct xdp_queue *x, const uint8_t *data)
{
	poison(x->umem + frame_start(x, (uint64_t)(data - x->umem)), x->q.frame_size);
}

/* Wakes the driver that ran out of frames; needed in zero-copy mode only. */
static inline void wake_fill(struct xdp_queue *x)
{
	if (unlikely(xsk_ring_prod__needs_wakeup(&x->fill)) && ring_has_entries(&x->fill))
		rawcall6(SYS_recvfrom, x->q.fd, 0, 0, MSG_DONTWAIT, 0, 0);
}

/*
 * The kernel publishes how many entries of the fill ring it took only when it comes for more, and finds the ring empty if
 * nothing was added by then: the frame at hand is lost, and nobody is woken. So frames are made up for as they are received,
 * by our own count, and the ring is twice as large as that: there is room whatever the kernel has published.
 */
void xdp_refill(struct xdp_queue *x)
{
	uint32_t missing = x->nic_wants - x->nic_has;
	uint32_t free_entries = xsk_prod_nb_free(&x->fill, missing);
	uint32_t room = missing < free_entries ? missing : free_entries;
	uint32_t spare = x->pool_count > x->pool_keep ? x->pool_count - x->pool_keep : 0;
	uint32_t n = room < spare ? room : spare, idx;
	const uint32_t *top = x->pool + x->pool_count;

	if (n && likely(xsk_ring_prod__reserve(&x->fill, n, &idx) == n)) {
		for (uint32_t i = 0; i < n; i++)
			*xsk_ring_prod__fill_addr(&x->fill, idx + i) = *--top;
		x->pool_count -= n;
		x->nic_has += n;
		xsk_ring_prod__submit(&x->fill, n);
	}
	wake_fill(x);
}

unsigned xdp_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	struct xdp_queue *x = xdp_queue_of(q);
	uint32_t idx, n = xsk_ring_cons__peek(&x->rx, max, &idx);
	uint64_t bytes = 0;

	if (n == 0) {
		if (unlikely(x->nic_has < x->nic_wants || xsk_ring_prod__needs_wakeup(&x->fill)))
			xdp_refill(x);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&x->rx, idx + i);

		frames[i].data = x->umem + desc->addr;
		frames[i].len = desc->len;
		frames[i].flags = 0;
		xdp_frame_show(x, &frames[i]);
		bytes += desc->len;
	}
	xsk_ring_cons__release(&x->rx, n);
	x->nic_has -= n;
	q->stats.rx_frames += n;
	q->stats.rx_bytes += bytes;
	xdp_refill(x);
	return n;
}

void xdp_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	struct xdp_queue *x = xdp_queue_of(q);
	uint32_t *top = x->pool + x->pool_count;

	/* A frame given back twice must not push the stack over its end. */
	if (unlikely(n > x->frames - x->pool_count))
		n = x->frames - x->pool_count;
	for (unsigned i = 0; i < n; i++) {
		top[i] = frame_start(x, (uint64_t)(data[i] - x->umem));
		frame_hide(x, data[i]);
	}
	x->pool_count += n;
}

/* Puts transmitted frames back into the pool. */
static void reclaim(struct xdp_queue *x)
{
	uint32_t idx, n = xsk_ring_cons__peek(&x->comp, x->tx_out, &idx);
	uint32_t *top = x->pool + x->pool_count;

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		top[i] = frame_start(x, *xsk_ring_cons__comp_addr(&x->comp, idx + i));
	xsk_ring_cons__release(&x->comp, n);
	x->pool_count += n;
	x->tx_out -= n;
}

/* How many frames could be taken and queued now. */
static inline uint32_t tx_spare(const struct xdp_queue *x)
{
	uint32_t room = x->tx_size - x->tx_out;

	return room < x->pool_count ? room : x->pool_count;
}

unsigned xdp_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n)
{
	struct xdp_queue *x = xdp_queue_of(q);
	const uint32_t *top;

	if (x->tx_out && (x->tx_out >= x->tx_lazy || n > tx_spare(x)))
		reclaim(x);
	if (unlikely(n > tx_spare(x))) {
		q->stats.tx_full++;
		n = tx_spare(x);
	}
	top = x->pool + x->pool_count;
	for (unsigned i = 0; i < n; i++) {
		base[i] = x->umem + *--top;
		unpoison(base[i], x->q.frame_size);
	}
	x->pool_count -= n;
	return n;
}

/* Frames not yet completed never exceed the TX ring, so neither ring can overflow. */
static unsigned tx_room(struct xdp_queue *x, unsigned n)
{
	if (likely(n <= x->tx_size - x->tx_out))
		return n;
	if (x->tx_out)
		reclaim(x);
	if (n <= x->tx_size - x->tx_out)
		return n;
	x->q.stats.tx_full++;
	return x->tx_size - x->tx_out;
}

unsigned xdp_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n)
{
	struct xdp_queue *x = xdp_queue_of(q);
	uint64_t bytes = 0;
	uint32_t idx;

	n = tx_room(x, n);
	if (n == 0 || unlikely(xsk_ring_prod__reserve(&x->tx, n, &idx) != n))
		return 0;
	for (unsigned i = 0; i < n; i++) {
		struct xdp_desc *desc = xsk_ring_prod__tx_desc(&x->tx, idx + i);

		desc->addr = (uint64_t)(frames[i].data - x->umem);
		desc->len = frames[i].len;
		desc->options = 0;
		frame_hide(x, frames[i].data);
		bytes += frames[i].len;
	}
	xsk_ring_prod__submit(&x->tx, n);
	x->tx_out += n;
	q->stats.tx_frames += n;
	q->stats.tx_bytes += bytes;
	return n;
}

int xdp_tx_kick(struct nic_queue *q)
{
	struct xdp_queue *x = xdp_queue_of(q);
	long ret;

	if (!x->tx_size || !xsk_ring_prod__needs_wakeup(&x->tx) || !ring_has_entries(&x->tx))
		return 0;
	ret = rawcall6(SYS_sendto, q->fd, 0, 0, MSG_DONTWAIT, 0, 0);
	q->stats.tx_kicks++;
	/*
	 * Copy mode sends a bounded number in a call, and less when the device or the send buffer
	 * is full.
	 */
	if ((ret == -EAGAIN || ret == -EBUSY || ret == -ENOBUFS) && ring_has_entries(&x->tx))
		return -EAGAIN;
	return 0;
}

int xdp_arm(struct nic_queue *q)
{
	struct xdp_queue *x = xdp_queue_of(q);

	if (xsk_cons_nb_avail(&x->rx, 1))
		return 1;
	/* The kernel must have frames to receive into while the caller sleeps. */
	xdp_refill(x);
	return 0;
}

unsigned xdp_pool_free(const struct nic_queue *q)
{
	return xdp_queue_of(q)->pool_count;
}
