/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_ring.c - the queue of a seat without an AF_XDP socket (xdp_hub.h): the XDP program copies
 * frames into a BPF ring buffer, which is read here in place, and a packet socket sends.
 *
 * A queue takes one AF_XDP socket only, so this is how a second process gets frames of the same
 * interface. It sees nobody else's frames and nobody sees its own. One ring serves all RX queues.
 * Frames are copied out of the ring at once, since it is freed in order.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/poison.h"
#include "base/rawcall.h"
#include "nic/xdp/xdp.h"
#include "nic/xdp/xdp_hub.h"

#define PAGE 4096u
#define TX_PENDING 256

/* In the queue's shared mapping, as struct xdp_queue is. */
struct ring_queue {
	struct xdp_queue x; /* first */
	uint64_t *consumed; /* page 0 of the ring; only we write it */
	const uint64_t *produced;
	const uint8_t *records;
	uint32_t size; /* bytes of records, a power of two */
	int packet_fd;
	uint32_t pending;
	struct nic_frame frames[TX_PENDING]; /* to be sent by the next kick */
};

static struct ring_queue *ring_of(const struct nic_queue *q)
{
	return (struct ring_queue *)(uintptr_t)q;
}

static uint32_t ring_size(const struct xdp_nic *nic, const struct nic_params *params)
{
	uint32_t want = params->rx_ring * (xdp_record_len(nic) + BPF_RINGBUF_HDR_SZ), size = PAGE;

	while (size < want && size < 1u << 30)
		size *= 2;
	return size;
}

static int map_ring(struct ring_queue *r, int fd)
{
	void *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	r->consumed = mem;
	/* The kernel maps the records twice in a row, so that none of them is in two pieces. */
	mem = mmap(NULL, PAGE + 2 * (size_t)r->size, PROT_READ, MAP_SHARED, fd, PAGE);
	if (mem == MAP_FAILED)
		return -errno;
	r->produced = mem;
	r->records = (const uint8_t *)mem + PAGE;
	return 0;
}

static int open_ring(struct ring_queue *r, struct xdp_nic *nic, const struct nic_params *params)
{
	int err, fd;

	r->size = ring_size(nic, params);
	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "kbaccel_ring", 0, 0, r->size, NULL);
	if (fd < 0)
		return fd;
	r->x.q.fd = fd;
	err = map_ring(r, fd);
	return err < 0 ? err : bpf_map_update_elem(nic->fds.rings, &nic->seat, &fd, BPF_ANY);
}

/* For good: whoever gets the socket may bind it to another protocol, but not see what comes then. */
static int make_deaf(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &nothing };
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

/* Sends only: protocol 0 receives nothing. */
static int open_packet(struct ring_queue *r, const struct xdp_nic *nic)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_ifindex = nic->nic.ifindex };
	int one = 1, sndbuf = 4 << 20, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	r->packet_fd = fd;
	if (nic->guest && make_deaf(fd) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf));
	r->x.tx_size = TX_PENDING;
	return 0;
}

int xdp_ring_open(struct xdp_nic *nic, struct nic_params *params, struct xdp_queue **out)
{
	struct ring_queue *r =
		(struct ring_queue *)xdp_queue_map(nic, params, sizeof(struct ring_queue), -1);
	int err;

	if (!r)
		return xdp_why(params, -ENOMEM,
			       "no memory for %u frames: free some or lower KBACCEL_FRAMES",
			       params->frames);
	r->packet_fd = -1;
	err = open_ring(r, nic, params);
	if (err < 0) {
		xdp_ring_close(&r->x);
		return xdp_why_privilege(params, err, "can not make a ring for received frames");
	}
	if (!(nic->nic.flags & NIC_F_RX_ONLY)) {
		err = open_packet(r, nic);
		if (err < 0) {
			xdp_ring_close(&r->x);
			return xdp_why_privilege(params, err,
						 "can not make a packet socket to send by");
		}
	}
	*out = &r->x;
	return 0;
}

uint32_t xdp_ring_size(const struct xdp_queue *x)
{
	return ring_of(&x->q)->size;
}

int xdp_ring_packet(const struct xdp_queue *x)
{
	return ring_of(&x->q)->packet_fd;
}

int xdp_ring_join(struct xdp_nic *nic, const struct nic_params *params, const int fds[3],
		  uint32_t size, struct xdp_queue **out)
{
	struct ring_queue *r =
		(struct ring_queue *)xdp_queue_map(nic, params, sizeof(struct ring_queue), fds[0]);
	int err;

	if (!r) {
		close(fds[1]);
		if (fds[2] >= 0)
			close(fds[2]);
		return -ENOMEM;
	}
	r->x.q.fd = fds[1];
	r->packet_fd = fds[2];
	r->x.tx_size = fds[2] < 0 ? 0 : TX_PENDING;
	r->size = size;
	err = map_ring(r, fds[1]);
	if (err < 0)
		xdp_ring_close(&r->x);
	else
		*out = &r->x;
	return err;
}

void xdp_ring_close(struct xdp_queue *x)
{
	struct ring_queue *r = ring_of(&x->q);

	if (r->packet_fd >= 0)
		close(r->packet_fd);
	if (x->q.fd >= 0)
		close(x->q.fd);
	if (r->produced)
		munmap((void *)(uintptr_t)r->produced, PAGE + 2 * (size_t)r->size);
	if (r->consumed)
		munmap(r->consumed, PAGE);
	unpoison(x->umem, x->map_len);
	munmap(x->umem, x->map_len);
}

/* The length and flags in front of a record (kernel/bpf/ringbuf.c); it is there once it is not busy. */
static uint32_t header_of(const struct ring_queue *r, uint64_t at)
{
	const uint32_t *header = (const uint32_t *)(const void *)(r->records + (at & (r->size - 1)));

	return __atomic_load_n(header, __ATOMIC_ACQUIRE);
}

static void copy_out(struct ring_queue *r, uint64_t at, struct nic_frame *frame)
{
	const struct hub_record *record =
		(const void *)(r->records + (at & (r->size - 1)) + BPF_RINGBUF_HDR_SZ);
	uint32_t room = r->x.q.frame_size - XDP_HEADROOM;

	frame->data = r->x.umem + r->x.pool[--r->x.pool_count] + XDP_HEADROOM;
	frame->len = record->len < room ? record->len : room;
	frame->flags = 0;
	xdp_frame_show(&r->x, frame);
	memcpy(frame->data, record->data, frame->len);
}

unsigned xdp_ring_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	struct ring_queue *r = ring_of(q);
	uint64_t at = *r->consumed, end = __atomic_load_n(r->produced, __ATOMIC_ACQUIRE);
	unsigned n = 0;
	uint32_t header;

	if (at == end)
		return 0;
	while (n < max && at < end && r->x.pool_count > r->x.pool_keep) {
		header = header_of(r, at);
		if (header & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
			copy_out(r, at, &frames[n]);
			q->stats.rx_bytes += frames[n++].len;
		}
		header &= ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		at += (header + BPF_RINGBUF_HDR_SZ + 7) & ~7u;
	}
	__atomic_store_n(r->consumed, at, __ATOMIC_RELEASE);
	q->stats.rx_frames += n;
	return n;
}

/* From here on the program wakes us for the next record (xdp_steer.bpf.c wake_flags()); what came before has to be looked at. */
int xdp_ring_arm(struct nic_queue *q)
{
	const struct ring_queue *r = ring_of(q);
	const struct xdp_nic *x = xdp_nic_of(q->nic);

	__atomic_store_n(&x->map->asleep, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return *r->consumed != __atomic_load_n(r->produced, __ATOMIC_ACQUIRE);
}

unsigned xdp_ring_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n)
{
	struct ring_queue *r = ring_of(q);
	uint32_t room = r->x.tx_size - r->pending;

	if (room > r->x.pool_count)
		room = r->x.pool_count;
	if (n > room) {
		q->stats.tx_full++;
		n = room;
	}
	for (unsigned i = 0; i < n; i++) {
		base[i] = r->x.umem + r->x.pool[--r->x.pool_count];
		unpoison(base[i], q->frame_size);
	}
	return n;
}

unsigned xdp_ring_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n)
{
	struct ring_queue *r = ring_of(q);

	if (n > r->x.tx_size - r->pending)
		n = r->x.tx_size - r->pending;
	memcpy(r->frames + r->pending, frames, n * sizeof(frames[0]));
	r->pending += n;
	for (unsigned i = 0; i < n; i++)
		q->stats.tx_bytes += frames[i].len;
	q->stats.tx_frames += n;
	return n;
}

static bool try_again(long ret)
{
	return ret == -EAGAIN || ret == -ENOBUFS || ret == -EINTR;
}

/* A frame that the device refuses for good is lost there, as on a TX ring. */
int xdp_ring_tx_kick(struct nic_queue *q)
{
	struct ring_queue *r = ring_of(q);
	uint32_t sent = 0;
	long ret = 0;

	for (; sent < r->pending; sent++) {
		const struct nic_frame *f = &r->frames[sent];

		ret = rawcall6(SYS_sendto, r->packet_fd, (long)f->data, f->len, MSG_DONTWAIT, 0, 0);
		if (try_again(ret))
			break;
		xdp_free(q, (uint8_t *const *)&f->data, 1);
	}
	q->stats.tx_kicks += sent;
	memmove(r->frames, r->frames + sent, (r->pending - sent) * sizeof(r->frames[0]));
	r->pending -= sent;
	return r->pending ? -EAGAIN : 0;
}

void xdp_ring_recover(struct nic_queue *q)
{
	struct ring_queue *r = ring_of(q);

	if (r->pending > TX_PENDING)
		r->pending = 0;
	xdp_pool_forget(&r->x);
	for (uint32_t i = 0; i < r->pending; i++)
		xdp_pool_mark(&r->x, (uint64_t)(r->frames[i].data - r->x.umem));
	xdp_pool_rebuild(&r->x);
}
