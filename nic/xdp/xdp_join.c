/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_join.c - a queue's AF_XDP socket that another process, the broker, has made and bound: its four rings are mapped here
 * as libxdp maps those that it makes itself. The data path does not know the difference.
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rawcall.h"
#include "nic/xdp/xdp.h"

struct ring_kind {
	struct xdp_ring_offset at;
	size_t size; /* of an entry */
	off_t pgoff;
};

/* The mapping is noted in @x, to be given up by xdp_queue_unjoin(). */
static uint8_t *map_ring(struct xdp_queue *x, const struct ring_kind *kind, uint32_t entries)
{
	struct xdp_mapping *m = &x->joined[x->joins];
	void *mem;

	m->len = kind->at.desc + entries * kind->size;
	mem = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, x->q.fd,
		   kind->pgoff);
	if (mem == MAP_FAILED)
		return NULL;
	m->mem = mem;
	x->joins++;
	return mem;
}

static int map_producer(struct xdp_queue *x, struct xsk_ring_prod *ring,
			const struct ring_kind *kind, uint32_t entries)
{
	uint8_t *mem = map_ring(x, kind, entries);

	if (!mem)
		return -ENOMEM;
	ring->mask = entries - 1;
	ring->size = entries;
	ring->producer = (uint32_t *)(mem + kind->at.producer);
	ring->consumer = (uint32_t *)(mem + kind->at.consumer);
	ring->flags = (uint32_t *)(mem + kind->at.flags);
	ring->ring = mem + kind->at.desc;
	ring->cached_prod = *ring->producer;
	ring->cached_cons = *ring->consumer + entries;
	return 0;
}

static int map_consumer(struct xdp_queue *x, struct xsk_ring_cons *ring,
			const struct ring_kind *kind, uint32_t entries)
{
	uint8_t *mem = map_ring(x, kind, entries);

	if (!mem)
		return -ENOMEM;
	ring->mask = entries - 1;
	ring->size = entries;
	ring->producer = (uint32_t *)(mem + kind->at.producer);
	ring->consumer = (uint32_t *)(mem + kind->at.consumer);
	ring->flags = (uint32_t *)(mem + kind->at.flags);
	ring->ring = mem + kind->at.desc;
	ring->cached_prod = *ring->producer;
	ring->cached_cons = *ring->consumer;
	return 0;
}

static int map_rings(struct xdp_queue *x, const struct xdp_mmap_offsets *at,
		     const struct nic_params *params)
{
	const struct ring_kind fill = { at->fr, sizeof(uint64_t), (off_t)XDP_UMEM_PGOFF_FILL_RING };
	const struct ring_kind comp = { at->cr, sizeof(uint64_t),
					(off_t)XDP_UMEM_PGOFF_COMPLETION_RING };
	const struct ring_kind rx = { at->rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING };
	const struct ring_kind tx = { at->tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING };
	int err = map_producer(x, &x->fill, &fill, 2 * params->rx_ring);

	if (err == 0)
		err = map_consumer(x, &x->comp, &comp, params->tx_ring);
	if (err == 0)
		err = map_consumer(x, &x->rx, &rx, params->rx_ring);
	if (err == 0 && x->tx_size)
		err = map_producer(x, &x->tx, &tx, x->tx_size);
	return err;
}

int xdp_queue_join(struct xdp_queue *x, int fd, uint32_t tx_size, const struct nic_params *params)
{
	struct xdp_mmap_offsets at;
	socklen_t len = sizeof(at);
	int err;

	x->q.fd = fd;
	x->tx_size = tx_size;
	x->tx_lazy = tx_size / 2 < NIC_BURST ? tx_size / 2 : NIC_BURST;
	if (rawcall6(SYS_getsockopt, fd, SOL_XDP, XDP_MMAP_OFFSETS, (long)&at, (long)&len, 0) < 0 ||
	    len != sizeof(at))
		return -EPROTO;
	err = map_rings(x, &at, params);
	if (err == 0)
		xdp_queue_start(x);
	return err;
}

void xdp_queue_unjoin(struct xdp_queue *x)
{
	if (!x->xsk && x->q.fd >= 0)
		close(x->q.fd);
	while (x->joins > 0) {
		x->joins--;
		munmap(x->joined[x->joins].mem, x->joined[x->joins].len);
	}
}
