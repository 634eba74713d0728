/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_xdp.c - drives the AF_XDP plugin in a laboratory that nic_xdp.sh has laid out.
 *
 *   nic_xdp PLUGIN IF open                      open and close; prints the mode, or errno and why
 *   nic_xdp PLUGIN IF veth PEER_NS A4 B4 A6 B6  the scenario over a veth pair; we are A, PEER_NS is B
 *   nic_xdp PLUGIN IF lo                        the scenario over loopback
 *   nic_xdp PLUGIN IF hold                      keeps the backend open, says "held", waits for end of input
 *
 * Sockets of the peer are made in its namespace by this same process, so each step is in order.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include "tests/netns/nic_common.h"

#define PORT 5300
#define OTHER_PORT 5301
#define COUNT 500

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static bool fds_are_cloexec(void)
{
	for (unsigned i = 0; i < nic->queue_count; i++)
		if (!(fcntl(nic->queues[i]->fd, F_GETFD) & FD_CLOEXEC))
			return false;
	return true;
}

static uint16_t dest_port(const struct nic_frame *f)
{
	bool v4 = f->data[12] == 8 && f->data[13] == 0;
	uint16_t port;

	memcpy(&port, f->data + (v4 ? 36 : 56), 2);
	return ntohs(port);
}

static uint32_t number_of(const struct nic_frame *f)
{
	bool v4 = f->data[12] == 8 && f->data[13] == 0;
	uint32_t number;

	memcpy(&number, f->data + (v4 ? 42 : 62), 4);
	return number;
}

/*
 * Receives until @want frames came or nothing does for 200 ms; @in_order: whether numbers rose from
 * 0.
 */
static unsigned nic_got(unsigned want, bool *in_order)
{
	struct nic_frame frames[NIC_BURST];
	uint64_t end = clock_ns() + 200 * NSEC_PER_MSEC;
	unsigned got = 0, n;

	*in_order = true;
	while (got < want && clock_ns() < end) {
		for (unsigned q = 0; q < nic->queue_count; q++) {
			struct nic_queue *queue = nic->queues[q];

			n = nic_rx_burst(queue, frames, NIC_BURST);
			for (unsigned i = 0; i < n; i++) {
				*in_order &= number_of(&frames[i]) == got++;
				*in_order &= dest_port(&frames[i]) == PORT;
				*in_order &= frames[i].data >=
					     nic_frame_base(queue, frames[i].data) + NIC_FRAME_PRIV;
				nic_free(queue, &frames[i].data, 1);
			}
			if (n)
				end = clock_ns() + 200 * NSEC_PER_MSEC;
		}
	}
	return got;
}

static unsigned nic_got_any(void)
{
	bool order;

	return nic_got(1, &order);
}

static int steer(const char *local, bool on)
{
	struct nic_flow flow = { .local_port = htons(PORT), .families = NIC_FLOW_V4 | NIC_FLOW_V6 };

	if (local)
		flow.local = addr(local);
	return nic->ops->steer(nic, &flow, on);
}

static unsigned pool_total(void)
{
	unsigned n = 0;

	for (unsigned q = 0; q < nic->queue_count; q++)
		n += nic->ops->pool_free(nic->queues[q]);
	return n;
}

static void test_receive(int peer, int own, const char *to)
{
	bool order;
	unsigned got = 0, sent;

	for (sent = 0; sent < COUNT; sent += 100) {
		send_numbered(peer, to, PORT, 0, 100, 64);
		got += nic_got(100, &order);
		if (!order)
			break;
	}
	check(got == COUNT && order, "steered datagrams come in order, all of them");
	check(kernel_got(own, 0) == 0, "the kernel sees none of them");
}

static void test_kernel_keeps(int peer, int other, const char *to)
{
	send_numbered(peer, to, OTHER_PORT, 0, 100, 64);
	check(kernel_got(other, 500) == 100, "another port's datagrams reach the kernel");
	check(nic_got_any() == 0, "and not us");
}

/* Larger than a chunk, or, with a small MTU, in fragments: whole, by one way or the other. */
static void test_large(int peer, int own, const char *to)
{
	bool order;

	send_numbered(peer, to, PORT, 0, 3, 8500);
	if (strstr(nic->mode, "jumbo")) {
		check(nic_got(3, &order) == 3 && order && nic->queues[0]->stats.rx_bytes > 3 * 8500,
		      "frames of several chunks are put together");
		check(kernel_got(own, 0) == 0, "the kernel sees none of them");
		return;
	}
	check(kernel_got(own, 500) == 3, "what does not fit a frame reaches the kernel");
	check(nic_got_any() == 0, "and not us, in whole or in part");
}

static void test_lease(int peer, int own, const char *to)
{
	lease(0);
	send_numbered(peer, to, PORT, 0, 5, 64);
	check(kernel_got(own, 500) == 5, "lease ended: to the kernel");
	lease(50);
	usleep(100000);
	send_numbered(peer, to, PORT, 0, 5, 64);
	check(kernel_got(own, 500) == 5 && nic_got_any() == 0, "lease run out: to the kernel");
	lease(60000);
	send_numbered(peer, to, PORT, 0, 1, 64);
	check(nic_got_any() == 1, "lease renewed: to us");
}

/* Frames kept back until the NIC has none left; when they come back, reception goes on. */
static void test_starving(int peer, const char *to)
{
	static struct nic_frame kept[8192];
	struct nic_queue *q = nic->queues[0];
	unsigned n = 0, more;
	bool order;

	if (nic->queue_count != 1)
		return;
	for (int round = 0; round < 60; round++) {
		send_numbered(peer, to, PORT, 0, 100, 64);
		while ((more = nic_rx_burst(q, kept + n, NIC_BURST)) > 0)
			n += more;
	}
	nic->ops->stats(q);
	check(n > 1000 && n <= params.frames && nic->ops->pool_free(q) <= NIC_BURST,
	      "a starved NIC stops");
	check(q->stats.rx_no_frame + q->stats.rx_ring_full > 0, "and counts what it lost");
	for (unsigned i = 0; i < n; i++)
		nic_free(q, &kept[i].data, 1);
	while (nic_got_any())
		;
	send_numbered(peer, to, PORT, 0, 100, 64);
	check(nic_got(100, &order) == 100 && order, "with frames it goes on");
}

static void make_frame(struct nic_frame *f, const uint8_t *peer_mac, const char *from,
		       const char *to, uint32_t number)
{
	struct ethhdr eth = { .h_proto = htons(ETH_P_IP) };
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = IPPROTO_UDP,
			    .tot_len = htons(20 + 8 + 32),
			    .saddr = inet_addr(from),
			    .daddr = inet_addr(to) };
	struct udphdr udp = { .source = htons(PORT), .dest = htons(PORT), .len = htons(8 + 32) };
	uint16_t words[10];
	uint32_t sum = 0;

	memcpy(words, &ip, sizeof(words));
	for (int i = 0; i < 10; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip.check = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	memcpy(eth.h_dest, peer_mac, 6);
	memcpy(eth.h_source, nic->mac, 6);
	memset(f->data, 0, 14 + 60);
	memcpy(f->data, &eth, 14);
	memcpy(f->data + 14, &ip, 20);
	memcpy(f->data + 34, &udp, 8);
	memcpy(f->data + 42, &number, 4);
	f->len = 14 + 60;
}

/* Learns the peer's MAC from a datagram that it sends. */
static bool peer_mac(int peer, const char *to, uint8_t *mac)
{
	struct nic_frame f;
	unsigned n = 0;

	send_numbered(peer, to, PORT, 0, 1, 64);
	for (int try = 0; try < 100000 && n == 0; try++)
		for (unsigned q = 0; q < nic->queue_count && n == 0; q++) {
			n = nic_rx_burst(nic->queues[q], &f, 1);
			if (n) {
				memcpy(mac, f.data + 6, 6);
				nic_free(nic->queues[q], &f.data, 1);
			}
		}
	return n == 1;
}

static unsigned transmit(struct nic_queue *q, const uint8_t *mac, const char *from, const char *to,
			 unsigned want)
{
	struct nic_frame frames[NIC_BURST];
	uint8_t *base[NIC_BURST];
	unsigned sent = 0, n;

	while (sent < want) {
		n = nic_tx_alloc(q, base, NIC_BURST);
		for (unsigned i = 0; i < n; i++) {
			frames[i].data = base[i] + NIC_FRAME_DATA;
			make_frame(&frames[i], mac, from, to, sent + i);
		}
		if (n == 0 || nic_tx_burst(q, frames, n) != n)
			break;
		for (int i = 0; i < 10 && nic_tx_kick(q) == -EAGAIN; i++)
			;
		sent += n;
	}
	return sent;
}

static void test_transmit(int peer, const char *from, const char *to)
{
	unsigned before, sent = 0, want = 20 * NIC_BURST;
	uint8_t mac[6], *base[NIC_BURST];
	uint64_t kicks = 0;

	check(peer_mac(peer, from, mac), "the peer's address is seen");
	kernel_got(peer, 0);
	before = pool_total();
	for (unsigned q = 0; q < nic->queue_count; q++) {
		sent += transmit(nic->queues[q], mac, from, to, want);
		kicks += nic->queues[q]->stats.tx_kicks;
	}
	check(sent == want * nic->queue_count, "the TX rings take all frames");
	check(kernel_got(peer, 500) == sent, "the peer receives all frames");
	for (unsigned q = 0; q < nic->queue_count; q++) {
		unsigned n = nic_tx_alloc(nic->queues[q], base, NIC_BURST);

		nic_free(nic->queues[q], base, n);
	}
	check(before - pool_total() <= nic->queue_count * NIC_BURST, "sent frames come back");
	printf("# %.1f frames per kick\n", (double)sent / (double)kicks);
}

static void test_sleep(int peer, const char *to)
{
	struct pollfd pfd[NIC_MAX_QUEUES];
	bool order;

	for (unsigned q = 0; q < nic->queue_count; q++) {
		check(nic->ops->arm(nic->queues[q]) == 0, "an idle queue can be slept on");
		pfd[q] = (struct pollfd){ .fd = nic->queues[q]->fd, .events = POLLIN };
	}
	check(poll(pfd, nic->queue_count, 0) == 0, "no frame: not readable");
	send_numbered(peer, to, PORT, 0, 1, 64);
	check(poll(pfd, nic->queue_count, 500) == 1, "a frame wakes");
	for (unsigned q = 0; q < nic->queue_count; q++)
		if (pfd[q].revents)
			check(nic->ops->arm(nic->queues[q]) == 1,
			      "a queue with a frame must not sleep");
	check(nic_got(1, &order) == 1, "the frame is there");
}

static void run_veth(const char *peer_ns, const char *a4, const char *b4, const char *a6,
		     const char *b6)
{
	int own4 = udp_socket(NULL, a4, PORT), own6 = udp_socket(NULL, a6, PORT);
	int other4 = udp_socket(NULL, a4, OTHER_PORT), other6 = udp_socket(NULL, a6, OTHER_PORT);
	int peer4 = udp_socket(peer_ns, b4, PORT), peer6 = udp_socket(peer_ns, b6, PORT);
	struct ipaddr local4 = addr(a4), local6 = addr(a6);
	int fds = count_fds();

	if (!open_nic()) {
		check(false, "opens");
		return;
	}
	check(nic->flags == NIC_F_VIRTUAL, "is known to be virtual");
	check(fds_are_cloexec(), "descriptors are close-on-exec");
	/* Link, seat (two), and for a ring a socket to send by. */
	check(count_fds() - fds <= 3 + (int)nic->queue_count + (strstr(nic->mode, "ring") != NULL),
	      "holds a link, a seat and the queues only");
	send_numbered(peer4, a4, PORT, 0, 5, 64);
	check(kernel_got(own4, 500) == 5 && nic_got_any() == 0, "nothing is steered at first");
	check(steer(NULL, true) == 0 && nic->ops->set_local(nic, &local4, true) == 0,
	      "steers a port");
	lease(60000);
	send_numbered(peer6, a6, PORT, 0, 5, 64);
	check(kernel_got(own6, 500) == 5, "an address that is not ours to the kernel");
	nic->ops->set_local(nic, &local6, true);
	test_receive(peer4, own4, a4);
	test_receive(peer6, own6, a6);
	test_kernel_keeps(peer4, other4, a4);
	test_large(peer4, own4, a4);
	test_kernel_keeps(peer6, other6, a6);
	test_large(peer6, own6, a6);
	test_sleep(peer4, a4);
	test_transmit(peer4, a4, b4);
	test_starving(peer4, a4);
	test_lease(peer4, own4, a4);
	check(steer(NULL, false) == 0 && steer(NULL, false) == -ENOENT, "steering ends once");
	send_numbered(peer4, a4, PORT, 0, 5, 64);
	check(kernel_got(own4, 500) == 5, "not steered: to the kernel");
	nic->ops->close(nic);
	check(count_fds() == fds, "close leaves no descriptor");
	send_numbered(peer4, a4, PORT, 0, 5, 64);
	check(kernel_got(own4, 500) == 5, "closed: to the kernel");
}

static void run_lo(void)
{
	int own = udp_socket(NULL, "127.0.0.1", PORT), peer = udp_socket(NULL, "127.0.0.1", 0);
	int own6 = udp_socket(NULL, "::1", PORT), peer6 = udp_socket(NULL, "::1", 0);
	int fds = count_fds();
	uint8_t *base;

	if (!open_nic()) {
		check(false, "opens");
		return;
	}
	check((nic->flags & ~NIC_F_JOINED) == (NIC_F_VIRTUAL | NIC_F_RX_ONLY),
	      "is for reception only");
	check(nic_tx_alloc(nic->queues[0], &base, 1) == 0, "gives no frame to send");
	check(strstr(nic->mode, "generic") != NULL, "is in generic mode");
	check(steer("127.0.0.1", true) == 0 && steer("::1", true) == 0, "steers an address");
	lease(60000);
	test_receive(peer, own, "127.0.0.1");
	test_receive(peer6, own6, "::1");
	test_sleep(peer, "127.0.0.1");
	nic->ops->close(nic);
	check(count_fds() == fds, "close leaves no descriptor");
}

static int held(void)
{
	char c;

	puts("held");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}

/* A failed open must leave no descriptor behind either. */
static int try_open(void)
{
	int fds = count_fds();
	bool good = open_nic();

	if (good)
		nic->ops->close(nic);
	if (count_fds() != fds)
		puts("LEAK of descriptors");
	return !good;
}

int main(int argc, char **argv)
{
	const char *command = argc > 3 ? argv[3] : "";

	if (argc < 4 || !nic_load(argv[1], argv[2]))
		return 2;
	if (getenv("NIC_XDP_FRAMES"))
		params.frames = (unsigned)atoi(getenv("NIC_XDP_FRAMES"));
	if (strcmp(command, "open") == 0)
		return try_open();
	if (strcmp(command, "hold") == 0)
		return open_nic() ? held() : 2;
	if (strcmp(command, "veth") == 0 && argc == 9)
		run_veth(argv[4], argv[5], argv[6], argv[7], argv[8]);
	else if (strcmp(command, "lo") == 0)
		run_lo();
	else
		return 2;
	return failures > 0;
}
