/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault.c - see fault.h. Each queue of the wrapper stands before a queue of the inner NIC and has a
 * generator of its own, so that queues stay independent.
 */
#include "nic/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fault_queue {
	struct nic_queue q; /* first */
	struct nic_queue *inner;
	uint64_t random;
	struct nic_frame held[NIC_FAULT_HOLD];
	unsigned held_count;
	struct nic_fault_stats done;
};

struct fault_nic {
	struct nic nic; /* first */
	struct nic *inner;
	struct nic_fault_params params;
};

static struct fault_nic *fault_of(const struct nic *nic)
{
	return (struct fault_nic *)(uintptr_t)nic;
}

static struct fault_queue *queue_of(const struct nic_queue *q)
{
	return (struct fault_queue *)(uintptr_t)q;
}

/* xorshift64*: small, and the same everywhere. */
static uint32_t next_random(struct fault_queue *f)
{
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return (uint32_t)(f->random * 0x2545f4914f6cdd1dull >> 32);
}

static bool happens(struct fault_queue *f, unsigned rate)
{
	return next_random(f) % NIC_FAULT_ONE < rate;
}

/* The inner queue counts; what the caller reads is a copy. */
static void copy_stats(struct fault_queue *f)
{
	f->q.stats = f->inner->stats;
}

static void give_back(struct fault_queue *f, uint8_t *data)
{
	f->inner->nic->ops->free(f->inner, &data, 1);
}

static void corrupt(struct fault_queue *f, struct nic_frame *frame)
{
	uint32_t bit = next_random(f) % (frame->len * 8);

	frame->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	frame->flags &= ~NIC_RX_CSUM_OK;
	f->done.corrupted++;
}

static bool duplicate(struct fault_queue *f, const struct nic_frame *frame, struct nic_frame *copy)
{
	uint8_t *base;

	if (frame->len > f->q.frame_size - NIC_FRAME_DATA ||
	    f->inner->nic->ops->tx_alloc(f->inner, &base, 1) != 1)
		return false;
	*copy = *frame;
	copy->data = base + NIC_FRAME_DATA;
	memcpy(copy->data, frame->data, frame->len);
	f->done.duplicated++;
	return true;
}

static bool hold(struct fault_queue *f, const struct nic_frame *frame)
{
	if (f->held_count == NIC_FAULT_HOLD)
		return false;
	f->held[f->held_count++] = *frame;
	f->done.held++;
	return true;
}

/*
 * Spoils @frame; puts what becomes of it to @out, which has room for @room frames, and returns how
 * many.
 */
static unsigned spoil(struct fault_queue *f, struct nic_frame frame, struct nic_frame *out,
		      unsigned room)
{
	const struct nic_fault_params *p = &fault_of(f->q.nic)->params;
	unsigned n = 0;

	if (happens(f, p->drop)) {
		give_back(f, frame.data);
		f->done.dropped++;
		return 0;
	}
	if (frame.len > 0 && happens(f, p->corrupt))
		corrupt(f, &frame);
	if (frame.len > 1 && happens(f, p->truncate)) {
		frame.len = 1 + next_random(f) % (frame.len - 1);
		f->done.truncated++;
	}
	if (happens(f, p->duplicate) && room > 1)
		n += duplicate(f, &frame, &out[1]);
	if (n == 0 && happens(f, p->reorder) && hold(f, &frame))
		return 0;
	out[0] = frame;
	return n + 1;
}

static unsigned release_held(struct fault_queue *f, struct nic_frame *frames, unsigned room)
{
	unsigned n = f->held_count < room ? f->held_count : room;

	memcpy(frames, f->held, n * sizeof(*frames));
	f->held_count -= n;
	memmove(f->held, f->held + n, f->held_count * sizeof(*f->held));
	return n;
}

static unsigned fault_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	struct fault_queue *f = queue_of(q);
	struct nic_frame got[NIC_BURST], late[NIC_FAULT_HOLD];
	unsigned late_count, n = 0, count;

	/*
	 * Those held now come behind this burst. Room is kept for them, and for a copy of the last
	 * frame.
	 */
	late_count = release_held(f, late, max < NIC_FAULT_HOLD ? max : NIC_FAULT_HOLD);
	count = max - late_count < NIC_BURST ? max - late_count : NIC_BURST;
	if (count > 0)
		count = f->inner->nic->ops->rx_burst(f->inner, got, count);
	for (unsigned i = 0; i < count; i++)
		n += spoil(f, got[i], frames + n, max - late_count - n - (count - 1 - i));
	memcpy(frames + n, late, late_count * sizeof(*late));
	copy_stats(f);
	return n + late_count;
}

static void fault_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	struct fault_queue *f = queue_of(q);

	f->inner->nic->ops->free(f->inner, data, n);
}

static unsigned fault_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n)
{
	struct fault_queue *f = queue_of(q);

	n = f->inner->nic->ops->tx_alloc(f->inner, base, n);
	copy_stats(f);
	return n;
}

static unsigned fault_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n)
{
	struct fault_queue *f = queue_of(q);

	n = f->inner->nic->ops->tx_burst(f->inner, frames, n);
	copy_stats(f);
	return n;
}

static int fault_tx_kick(struct nic_queue *q)
{
	struct fault_queue *f = queue_of(q);
	int ret = f->inner->nic->ops->tx_kick(f->inner);

	copy_stats(f);
	return ret;
}

/* Frames held back do not make the descriptor readable. */
static int fault_arm(struct nic_queue *q)
{
	struct fault_queue *f = queue_of(q);

	return f->held_count > 0 || f->inner->nic->ops->arm(f->inner);
}

static unsigned fault_pool_free(const struct nic_queue *q)
{
	struct fault_queue *f = queue_of(q);

	return f->inner->nic->ops->pool_free(f->inner);
}

static int fault_steer(struct nic *nic, const struct nic_flow *flow, bool on)
{
	struct nic *inner = fault_of(nic)->inner;

	return inner->ops->steer(inner, flow, on);
}

static int fault_owns(struct nic *nic, int fd, uint64_t cookie, bool on)
{
	struct nic *inner = fault_of(nic)->inner;

	return inner->ops->owns(inner, fd, cookie, on);
}

static void fault_no_flows(struct nic *nic)
{
	struct nic *inner = fault_of(nic)->inner;

	inner->ops->steer_none(inner);
}

static void fault_set_mac(struct nic *nic, const uint8_t mac[6])
{
	struct nic *inner = fault_of(nic)->inner;

	inner->ops->set_mac(inner, mac);
	memcpy(nic->mac, mac, sizeof(nic->mac));
}

static int fault_set_local(struct nic *nic, const struct ipaddr *addr, bool on)
{
	struct nic *inner = fault_of(nic)->inner;

	return inner->ops->set_local(inner, addr, on);
}

static void fault_set_lease(struct nic *nic, uint64_t until_ns)
{
	struct nic *inner = fault_of(nic)->inner;

	inner->ops->set_lease(inner, until_ns);
}

static void fault_stats(struct nic_queue *q)
{
	struct fault_queue *f = queue_of(q);

	f->inner->nic->ops->stats(f->inner);
	copy_stats(f);
}

static void fault_close(struct nic *nic)
{
	struct fault_nic *fn = fault_of(nic);

	for (unsigned i = 0; i < nic->queue_count; i++) {
		struct fault_queue *f = queue_of(nic->queues[i]);

		for (unsigned h = 0; h < f->held_count; h++)
			give_back(f, f->held[h].data);
		free(f);
	}
	if (fn->inner)
		nic_close(fn->inner);
	free(fn);
}

/* A wrapper is made around a NIC that is open already. */
static int fault_open(struct nic_params *params, struct nic **out)
{
	(void)out;
	snprintf(params->why, sizeof(params->why), "the fault backend is made by nic_fault_wrap()");
	return -EOPNOTSUPP;
}

static const struct nic_ops fault_ops = {
	.name = "fault",
	.open = fault_open,
	.close = fault_close,
	.abandon = fault_close,
	.rx_burst = fault_rx_burst,
	.free = fault_free,
	.tx_alloc = fault_tx_alloc,
	.tx_burst = fault_tx_burst,
	.tx_kick = fault_tx_kick,
	.arm = fault_arm,
	.pool_free = fault_pool_free,
	.steer = fault_steer,
	.owns = fault_owns,
	.steer_none = fault_no_flows,
	.set_local = fault_set_local,
	.set_mac = fault_set_mac,
	.set_lease = fault_set_lease,
	.stats = fault_stats,
};

int nic_fault_wrap(struct nic *inner, const struct nic_fault_params *params, struct nic **out)
{
	struct fault_nic *fn = calloc(1, sizeof(*fn));

	if (!fn)
		return -ENOMEM;
	fn->nic = *inner;
	fn->nic.ops = &fault_ops;
	fn->nic.queue_count = 0;
	fn->params = *params;
	for (unsigned i = 0; i < inner->queue_count; i++) {
		struct fault_queue *f = calloc(1, sizeof(*f));

		if (!f) {
			fault_close(&fn->nic);
			return -ENOMEM;
		}
		f->q = *inner->queues[i];
		f->q.nic = &fn->nic;
		f->inner = inner->queues[i];
		/* The generator's state must not be zero. */
		f->random = (params->seed + i + 1) * 0x9e3779b97f4a7c15ull | 1;
		fn->nic.queues[fn->nic.queue_count++] = &f->q;
	}
	fn->inner = inner;
	*out = &fn->nic;
	return 0;
}

void nic_fault_get_stats(const struct nic *nic, struct nic_fault_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	for (unsigned i = 0; i < nic->queue_count; i++) {
		const struct nic_fault_stats *done = &queue_of(nic->queues[i])->done;

		stats->dropped += done->dropped;
		stats->corrupted += done->corrupted;
		stats->truncated += done->truncated;
		stats->duplicated += done->duplicated;
		stats->held += done->held;
	}
}
