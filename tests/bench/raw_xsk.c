// SPDX-License-Identifier: BSD-3-Clause
/*
 * raw_xsk.c - AF_XDP with nothing on top: the limit that any library over AF_XDP can come near to.
 *
 * An XDP program redirects IPv4/UDP datagrams for --port to one copy-mode XSK per run (queue --queue); all else passes to the
 * kernel. --mode sink counts and frees; --mode echo swaps addresses and ports and sends the frame back (UDP checksum 0:
 * veth peers hand over frames with partial checksums). --spin polls the ring instead of sleeping in poll().
 *
 * Prints one line, as sink.c does: FRAMES SECONDS RATE BYTES TOTAL. The clock starts --warmup after the first frame.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <xdp/xsk.h>

#include "bench.h"
#include "insn.h"

#define FRAME_SIZE 2048u
#define RING 2048u	     /* entries of each ring, and frames: all of them fit into any ring */
#define FILL_RING (2 * RING) /* twice: the kernel tells late how much of it it has consumed */
#define BATCH 64u
#define WAIT_MS 100
#define UDP_OFF (ETH_HLEN + sizeof(struct iphdr))

struct raw {
	const char *ifname;
	unsigned queue;
	int port;
	bool spin, echo, generic;
	void *memory;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	int fd, link;
	uint64_t frames, bytes, total;
	uint64_t warmup_ns, window_ns, give_up_ns, started, opens, closes;
};

/* The program: frames for @port go to @map, all others to the kernel. */
static int load_program(int map, int port)
{
	/* Every jump that says "not ours" goes to the last two instructions. */
	const struct bpf_insn insns[] = {
		/* 0 */ INSN_LOAD(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, data)),
		/* 1 */ INSN_LOAD(BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct xdp_md, data_end)),
		/* 2 */ INSN_MOV_REG(BPF_REG_4, BPF_REG_2),
		/* 3 */ INSN_ALU_IMM(BPF_ADD, BPF_REG_4, UDP_OFF + sizeof(struct udphdr)),
		/* 4 */ INSN_JUMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, 14),
		/* 5 */ INSN_LOAD(BPF_H, BPF_REG_5, BPF_REG_2, offsetof(struct ethhdr, h_proto)),
		/* 6 */ INSN_JUMP_IMM(BPF_JNE, BPF_REG_5, htons(ETH_P_IP), 12),
		/* 7 */ INSN_LOAD(BPF_B, BPF_REG_5, BPF_REG_2, ETH_HLEN),
		/* 8 */ INSN_JUMP_IMM(BPF_JNE, BPF_REG_5, 0x45, 10),
		/* 9 */ INSN_LOAD(BPF_B, BPF_REG_5, BPF_REG_2, ETH_HLEN + offsetof(struct iphdr, protocol)),
		/* 10 */ INSN_JUMP_IMM(BPF_JNE, BPF_REG_5, IPPROTO_UDP, 8),
		/* 11 */ INSN_LOAD(BPF_H, BPF_REG_5, BPF_REG_2, UDP_OFF + offsetof(struct udphdr, dest)),
		/* 12 */ INSN_JUMP_IMM(BPF_JNE, BPF_REG_5, htons((uint16_t)port), 6),
		/* 13 */ INSN_LOAD(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, rx_queue_index)),
		/* 14 */ INSN_LOAD_MAP(BPF_REG_1, map),
		/* 16 */ INSN_MOV_IMM(BPF_REG_3, XDP_PASS),
		/* 17 */ INSN_CALL(BPF_FUNC_redirect_map),
		/* 18 */ INSN_EXIT(),
		/* 19 */ INSN_MOV_IMM(BPF_REG_0, XDP_PASS),
		/* 20 */ INSN_EXIT(),
	};
	char log[8192] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 1);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "raw_xsk", "BSD", insns,
			       sizeof(insns) / sizeof(insns[0]), &opts);

	if (fd < 0)
		bench_die("loading the BPF program: %s\n%s", strerror(errno), log);
	return fd;
}

static void open_rings(struct raw *r)
{
	const struct xsk_umem_config ucfg = { .fill_size = FILL_RING,
					      .comp_size = RING,
					      .frame_size = FRAME_SIZE };
	const struct xsk_socket_config scfg = {
		.rx_size = RING,
		.tx_size = RING,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	size_t size = (size_t)RING * FRAME_SIZE;
	uint32_t idx;
	int err;

	r->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->memory == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	err = xsk_umem__create(&r->umem, r->memory, size, &r->fill, &r->comp, &ucfg);
	if (err)
		bench_die("UMEM: %s", strerror(-err));
	/* The kernel frees the queue of a program that has just ended a little later. */
	for (int tries = 0; tries < 100; tries++) {
		err = xsk_socket__create(&r->xsk, r->ifname, r->queue, r->umem, &r->rx, &r->tx,
					 &scfg);
		if (err != -EBUSY)
			break;
		usleep(20000);
	}
	if (err)
		bench_die("XSK on %s queue %u: %s", r->ifname, r->queue, strerror(-err));
	r->fd = xsk_socket__fd(r->xsk);
	if (xsk_ring_prod__reserve(&r->fill, RING, &idx) != RING)
		bench_die("fill ring too small");
	for (uint32_t i = 0; i < RING; i++)
		*xsk_ring_prod__fill_addr(&r->fill, idx + i) = (uint64_t)i * FRAME_SIZE;
	xsk_ring_prod__submit(&r->fill, RING);
}

static void attach(struct raw *r)
{
	int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "raw_xsk", 4, 4, 64, NULL);
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = r->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);

	if (map < 0 || bpf_map_update_elem(map, &r->queue, &r->fd, 0))
		bench_die("XSKMAP: %s", strerror(errno));
	r->link = bpf_link_create(load_program(map, r->port), (int)if_nametoindex(r->ifname),
				  BPF_XDP, &opts);
	if (r->link < 0)
		bench_die("attaching XDP to %s: %s", r->ifname, strerror(errno));
}

/* Gives @n frames of the descriptors at @idx back to the NIC. */
static void refill(struct raw *r, const uint64_t *addr, uint32_t n)
{
	uint32_t idx;

	if (xsk_ring_prod__reserve(&r->fill, n, &idx) != n)
		bench_die("fill ring overrun");
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&r->fill, idx + i) = addr[i] & ~(uint64_t)(FRAME_SIZE - 1);
	xsk_ring_prod__submit(&r->fill, n);
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

/* Turns a datagram into its reply. The IP checksum stays right; the UDP one is left out. */
static void reverse(uint8_t *frame)
{
	struct udphdr udp;

	swap_bytes(frame, frame + 6, 6);
	swap_bytes(frame + ETH_HLEN + 12, frame + ETH_HLEN + 16, 4);
	swap_bytes(frame + UDP_OFF, frame + UDP_OFF + 2, 2);
	memcpy(&udp, frame + UDP_OFF, sizeof(udp));
	udp.check = 0;
	memcpy(frame + UDP_OFF, &udp, sizeof(udp));
}

static void reclaim(struct raw *r)
{
	uint64_t addr[BATCH];
	uint32_t idx, n = xsk_ring_cons__peek(&r->comp, BATCH, &idx);

	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++)
		addr[i] = *xsk_ring_cons__comp_addr(&r->comp, idx + i);
	xsk_ring_cons__release(&r->comp, n);
	refill(r, addr, n);
}

static void send_back(struct raw *r, const struct xdp_desc *descs, uint32_t n)
{
	uint32_t idx;

	while (xsk_ring_prod__reserve(&r->tx, n, &idx) != n) {
		sendto(r->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		reclaim(r);
	}
	for (uint32_t i = 0; i < n; i++) {
		reverse(xsk_umem__get_data(r->memory, descs[i].addr));
		*xsk_ring_prod__tx_desc(&r->tx, idx + i) =
			(struct xdp_desc){ .addr = descs[i].addr, .len = descs[i].len };
	}
	xsk_ring_prod__submit(&r->tx, n);
	sendto(r->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
	reclaim(r);
}

/* Takes one burst; returns its frames. */
static uint32_t burst(struct raw *r)
{
	struct xdp_desc descs[BATCH];
	uint64_t addr[BATCH];
	uint32_t idx, n = xsk_ring_cons__peek(&r->rx, BATCH, &idx);

	if (!n)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		descs[i] = *xsk_ring_cons__rx_desc(&r->rx, idx + i);
		addr[i] = descs[i].addr;
		r->bytes += descs[i].len - UDP_OFF - sizeof(struct udphdr);
	}
	xsk_ring_cons__release(&r->rx, n);
	if (r->echo)
		send_back(r, descs, n);
	else
		refill(r, addr, n);
	r->frames += n;
	r->total += n;
	return n;
}

/* Opens and closes the measuring window; false when it is over. */
static bool goes_on(struct raw *r)
{
	uint64_t now = bench_now();

	if (!r->total)
		return !bench_stopped && now - r->started < r->give_up_ns;
	if (!r->opens)
		r->opens = now + r->warmup_ns;
	if (!r->closes && now >= r->opens) {
		r->opens = now;
		r->closes = now + r->window_ns;
		r->frames = r->bytes = 0;
	}
	return !bench_stopped && !(r->closes && now >= r->closes);
}

static void run(struct raw *r)
{
	struct pollfd pfd = { .fd = r->fd, .events = POLLIN };

	r->started = bench_now();
	while (goes_on(r)) {
		if (burst(r))
			continue;
		if (xsk_ring_prod__needs_wakeup(&r->fill))
			recvfrom(r->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
		if (!r->spin)
			poll(&pfd, 1, WAIT_MS);
	}
}

static const struct option options[] = {
	{ "ifname", required_argument, NULL, 'i' },
	{ "queue", required_argument, NULL, 'q' },
	{ "port", required_argument, NULL, 'p' },
	{ "mode", required_argument, NULL, 'm' },
	{ "seconds", required_argument, NULL, 's' },
	{ "warmup", required_argument, NULL, 'w' },
	{ "give-up", required_argument, NULL, 'g' },
	{ "cpu", required_argument, NULL, 'c' },
	{ "spin", no_argument, NULL, 'S' },
	{ "generic", no_argument, NULL, 'G' },
	{ NULL, 0, NULL, 0 },
};

static void __attribute__((noreturn)) usage(void)
{
	bench_die("usage: raw_xsk --ifname IF [--queue N] [--port N] [--mode sink|echo] [--spin] [--generic]\n"
		  "               [--seconds S] [--warmup S] [--give-up S] [--cpu N]");
}

int main(int argc, char **argv)
{
	double seconds = 2, warmup = 0, give_up = 10, elapsed;
	struct raw r = { .port = 9000 };
	int c;

	while ((c = getopt_long(argc, argv, "i:q:p:m:s:w:g:c:SG", options, NULL)) != -1)
		switch (c) {
		case 'i':
			r.ifname = optarg;
			break;
		case 'q':
			r.queue = (unsigned)bench_number("queue", optarg, 0, 63);
			break;
		case 'p':
			r.port = (int)bench_number("port", optarg, 1, 65535);
			break;
		case 'm':
			r.echo = !strcmp(optarg, "echo");
			break;
		case 's':
			seconds = bench_number("seconds", optarg, 0.01, 3600);
			break;
		case 'w':
			warmup = bench_number("warmup", optarg, 0, 60);
			break;
		case 'g':
			give_up = bench_number("give-up", optarg, 0.1, 3600);
			break;
		case 'c':
			bench_pin((int)bench_number("cpu", optarg, 0, 1023));
			break;
		case 'S':
			r.spin = true;
			break;
		case 'G':
			r.generic = true;
			break;
		default:
			usage();
		}
	if (!r.ifname)
		usage();
	r.warmup_ns = (uint64_t)(warmup * BENCH_NS);
	r.window_ns = (uint64_t)(seconds * BENCH_NS);
	r.give_up_ns = (uint64_t)(give_up * BENCH_NS);
	bench_catch_signals();
	open_rings(&r);
	attach(&r);
	run(&r);
	elapsed = r.closes ? bench_seconds(bench_now() - r.opens) : 0;
	printf("%llu %.3f %.0f %llu %llu\n", (unsigned long long)r.frames, elapsed,
	       elapsed > 0 ? (double)r.frames / elapsed : 0, (unsigned long long)r.bytes,
	       (unsigned long long)r.total);
	xsk_socket__delete(r.xsk);
	return r.total ? 0 : 1;
}
