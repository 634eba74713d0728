/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_queue.c - one queue: its memory, its UMEM, its XSK, and the end of all three.
 *
 * One shared mapping holds the frames, then the wide ones if there are any, then struct xdp_queue, then the pools' stacks; a ring's
 * queue (xdp_ring.c) has the same.
 */
#define _GNU_SOURCE
#include "nic/xdp/xdp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/poison.h"
#include "base/rawcall.h"

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.17 */
#endif

#define TX_BUDGET 256

/* One wide frame for so many others. */
#define WIDE_SHARE 16

/* In huge pages where the system has them for shared memory that asks (shmem_enabled: advise): fewer TLB misses. */
static void *map_memory(size_t len, int memory)
{
	int flags = MAP_SHARED | (memory < 0 ? MAP_ANONYMOUS : 0);
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, memory, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, len, MADV_HUGEPAGE);
	return mem;
}

/* Memory that another process will map, too; it can not make it shorter. */
static int make_memory(size_t len)
{
	int fd = memfd_create("kbaccel-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (ftruncate(fd, (off_t)len) < 0 ||
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

struct xdp_queue *xdp_queue_map(struct xdp_nic *nic, const struct nic_params *params, size_t size,
				int memory)
{
	uint32_t wide = nic->wide ? params->frames / WIDE_SHARE : 0;
	size_t umem_len = (size_t)params->frames * nic->frame_size;
	size_t frames_len = umem_len + (size_t)wide * XDP_WIDE_FRAME;
	size_t len = frames_len + size + (params->frames + wide) * sizeof(uint32_t);
	struct xdp_queue *x;
	uint8_t *mem;

	if (nic->guest) {
		memory = make_memory(len);
		if (memory < 0)
			return NULL;
		if (nic->guest->memory[nic->nic.queue_count] >= 0)
			close(nic->guest->memory[nic->nic.queue_count]);
		nic->guest->memory[nic->nic.queue_count] = memory;
	}
	mem = map_memory(len, memory);
	if (!mem)
		return NULL;
	x = (struct xdp_queue *)(mem + frames_len);
	memset(x, 0, size);
	x->umem = mem;
	x->map_len = len;
	x->frames = params->frames;
	x->wide = mem + umem_len;
	x->wide_frames = wide;
	x->pool = (uint32_t *)(mem + frames_len + size);
	x->wide_pool = x->pool + x->frames;
	for (uint32_t i = 0; i < x->frames; i++)
		x->pool[i] = (x->frames - 1 - i) * nic->frame_size;
	x->pool_count = x->frames;
	x->pool_keep = x->frames / 8 < NIC_BURST ? x->frames / 8 : NIC_BURST;
	x->q.nic = &nic->nic;
	x->q.frame_size = nic->frame_size;
	x->q.fd = -1;
	return x;
}

static int create_umem(struct xdp_queue *x, const struct xdp_nic *nic, struct nic_params *params)
{
	struct xsk_umem_config config = {
		.fill_size = 2 * params->rx_ring, /* see xdp_refill() */
		.comp_size = params->tx_ring,
		.frame_size = nic->frame_size,
	};
	uint64_t len = (uint64_t)x->frames * nic->frame_size;
	int err = xsk_umem__create(&x->xsk_umem, x->umem, len, &x->fill, &x->comp, &config);

	if (err == -EPERM || err == -EACCES)
		return xdp_why_privilege(params, err, "can not create an AF_XDP socket");
	if (err == -ENOBUFS || err == -ENOMEM)
		return xdp_why(params, err,
			       "can not lock %llu kB of frame memory for queue %u of %s (%s): "
			       "`ulimit -l unlimited` or LimitMEMLOCK=infinity, or CAP_IPC_LOCK, or "
			       "lower KBACCEL_FRAMES",
			       (unsigned long long)len >> 10, x->q.index, nic->nic.ifname,
			       strerror(-err));
	if (err < 0)
		return xdp_why(params, -EOPNOTSUPP,
			       "can not set up AF_XDP memory (%s): Linux 5.18 or newer with "
			       "CONFIG_XDP_SOCKETS is needed",
			       strerror(-err));
	return 0;
}

static int create_socket(struct xdp_queue *x, const struct xdp_nic *nic, uint16_t bind_flags,
			 const struct nic_params *params)
{
	struct xsk_socket_config config = {
		.rx_size = params->rx_ring,
		.tx_size = params->tx_ring,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = bind_flags | XDP_USE_NEED_WAKEUP,
	};
	bool sends = !(nic->nic.flags & NIC_F_RX_ONLY) && x->q.index < nic->tx_queues;

	x->tx_size = sends ? params->tx_ring : 0;
	x->tx_lazy = x->tx_size / 2 < NIC_BURST ? x->tx_size / 2 : NIC_BURST;
	return xsk_socket__create(&x->xsk, nic->nic.ifname, x->q.index, x->xsk_umem, &x->rx,
				  sends ? &x->tx : NULL, &config);
}

static int why_bind(const struct xdp_nic *nic, unsigned index, int err, struct nic_params *params)
{
	const char *ifname = nic->nic.ifname;

	if (err == -EBUSY)
		return xdp_why(params, err,
			       "queue %u of %s is in use by another AF_XDP program: stop it, or "
			       "choose another interface (KBACCEL_INTERFACE)",
			       index, ifname);
	if (err == -ENETDOWN)
		return xdp_why(params, err, "%s is down: ip link set dev %s up", ifname, ifname);
	if (err == -EPERM || err == -EACCES)
		return xdp_why_privilege(params, err, "can not bind an AF_XDP socket");
	if (err == -ENOMEM || err == -ENOBUFS)
		return xdp_why(params, err,
			       "no memory for the rings of queue %u of %s: lower "
			       "KBACCEL_RX_RING and KBACCEL_TX_RING",
			       index, ifname);
	return xdp_why(params, -EOPNOTSUPP,
		       "%s refuses an AF_XDP socket on queue %u (%s): choose another interface "
		       "(KBACCEL_INTERFACE)",
		       ifname, index, strerror(-err));
}

/* A failed bind leaves the UMEM's socket half set up, so each try has its own. */
static int try_bind(struct xdp_queue *x, const struct xdp_nic *nic, unsigned flags,
		    struct nic_params *params, int *bind_err)
{
	int err = create_umem(x, nic, params);

	*bind_err = 0;
	if (err < 0)
		return err;
	err = create_socket(x, nic, flags, params);
	if (err == 0)
		return 0;
	x->xsk = NULL;
	xsk_umem__delete(x->xsk_umem);
	x->xsk_umem = NULL;
	*bind_err = err;
	return err;
}

/* What the driver or the kernel may lack, the best first: zero copy saves more than jumbo frames past the kernel do. */
static int bind_queue(struct xdp_queue *x, struct xdp_nic *nic, bool zero_copy,
		      struct nic_params *params)
{
	static const unsigned ways[] = { XDP_ZEROCOPY | XDP_USE_SG, XDP_ZEROCOPY,
					 XDP_COPY | XDP_USE_SG, XDP_COPY };
	int bind_err = 0, err = 0;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (((ways[i] & XDP_ZEROCOPY) && !zero_copy) ||
		    ((ways[i] & XDP_USE_SG) && !nic->wide))
			continue;
		err = try_bind(x, nic, ways[i], params, &bind_err);
		if (err == 0) {
			x->zero_copy = ways[i] & XDP_ZEROCOPY;
			nic->wide = ways[i] & XDP_USE_SG;
			return 0;
		}
		if (!bind_err || bind_err == -EBUSY)
			break;
	}
	return bind_err ? why_bind(nic, x->q.index, bind_err, params) : err;
}

/*
 * Frames on their way count against the send buffer; the TX ring is the limit that is meant. Both
 * are optional.
 */
static void raise_limits(const struct xdp_queue *x)
{
	int sndbuf = (int)(x->tx_size * x->q.frame_size);
	int budget = x->tx_size < TX_BUDGET ? (int)x->tx_size : TX_BUDGET;

	rawcall6(SYS_setsockopt, x->q.fd, SOL_SOCKET, SO_SNDBUFFORCE, (long)&sndbuf, sizeof(sndbuf),
		 0);
	rawcall6(SYS_setsockopt, x->q.fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, (long)&budget,
		 sizeof(budget), 0);
}

void xdp_queue_start(struct xdp_queue *x)
{
	poison(x->umem, (size_t)x->frames * x->q.frame_size);
	xdp_wide_reset(x);
	x->nic_wants = x->fill.size / 2;
	xdp_refill(x);
}

int xdp_queue_open(struct xdp_nic *nic, unsigned index, bool zero_copy, struct nic_params *params,
		   struct xdp_queue **out)
{
	struct xdp_queue *x = xdp_queue_map(nic, params, sizeof(struct xdp_queue), -1);
	int err;

	if (!x)
		return xdp_why(params, -ENOMEM,
			       "no memory for %u frames: free some or lower KBACCEL_FRAMES",
			       params->frames);
	x->q.index = (uint16_t)index;
	err = bind_queue(x, nic, zero_copy, params);
	if (err < 0) {
		xdp_queue_close(x);
		return err;
	}
	x->q.fd = xsk_socket__fd(x->xsk);
	rawcall6(SYS_fcntl, x->q.fd, F_SETFD, FD_CLOEXEC, 0, 0, 0);
	if (x->tx_size)
		raise_limits(x);
	*out = x;
	if (nic->guest)
		return 0; /* who gets it fills its rings */
	xdp_queue_start(x);
	return 0;
}

void xdp_pool_forget(struct xdp_queue *x)
{
	memset(x->pool, 0, x->frames * sizeof(x->pool[0]));
}

void xdp_pool_rebuild(struct xdp_queue *x)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < x->frames; i++) {
		if (x->pool[i])
			continue;
		x->pool[n++] = i * x->q.frame_size;
		poison(x->umem + (size_t)i * x->q.frame_size, x->q.frame_size);
	}
	x->pool_count = n;
}

/* The last @n entries that were written to a ring. */
static void mark_fill(struct xdp_queue *x, uint32_t n)
{
	uint32_t end = *x->fill.producer;

	for (uint32_t i = end - n; i != end; i++)
		xdp_pool_mark(x, ((const uint64_t *)x->fill.ring)[i & x->fill.mask]);
}

static void mark_tx(struct xdp_queue *x, uint32_t n)
{
	uint32_t end = *x->tx.producer;

	for (uint32_t i = end - n; i != end; i++)
		xdp_pool_mark(x, ((const struct xdp_desc *)x->tx.ring)[i & x->tx.mask].addr);
}

/* What was read of a ring, or written to it, and not released or submitted, was not. */
static void resume(struct xdp_queue *x)
{
	x->rx.cached_cons = *x->rx.consumer;
	x->rx.cached_prod = __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE);
	x->fill.cached_prod = *x->fill.producer;
	x->fill.cached_cons = __atomic_load_n(x->fill.consumer, __ATOMIC_ACQUIRE) + x->fill.size;
	/* A queue that only receives (lo) may have no completion ring, either. */
	if (!x->tx_size)
		return;
	x->comp.cached_cons = *x->comp.consumer;
	x->comp.cached_prod = __atomic_load_n(x->comp.producer, __ATOMIC_ACQUIRE);
	x->tx.cached_prod = *x->tx.producer;
	x->tx.cached_cons = __atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE) + x->tx.size;
}

/*
 * The rings say what the NIC has: in copy mode it takes frames in the order in which they were given to it, and gives each of them back
 * once, so it has the last ones. Counts of ours may be in the middle of a change. Zero-copy drivers pass frames to the
 * kernel's stack and use them again in another order: what the dead process had stays lost there.
 */
void xdp_recover(struct nic_queue *q)
{
	struct xdp_queue *x = xdp_queue_of(q);

	resume(x);
	x->nic_has = x->fill.cached_prod - x->rx.cached_cons;
	x->tx_out = x->tx_size ? x->tx.cached_prod - x->comp.cached_cons : 0;
	if (x->zero_copy || x->nic_has > x->fill.size || x->tx_out > x->tx_size)
		return;
	xdp_pool_forget(x);
	mark_fill(x, x->nic_has);
	if (x->tx_size)
		mark_tx(x, x->tx_out);
	xdp_pool_rebuild(x);
}

void xdp_queue_close(struct xdp_queue *x)
{
	xdp_queue_unjoin(x);
	if (x->xsk)
		xsk_socket__delete(x->xsk);
	if (x->xsk_umem)
		xsk_umem__delete(x->xsk_umem);
	unpoison(x->umem, x->map_len);
	munmap(x->umem, x->map_len);
}
