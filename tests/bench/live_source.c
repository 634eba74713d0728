// SPDX-License-Identifier: BSD-3-Clause
/*
 * live_source.c - the frame source of the benchmarks: about 2 M UDP frames/s from one core.
 *
 * A BPF program run with BPF_F_TEST_XDP_LIVE_FRAMES redirects copies of one frame out of --ifname, one end of a veth
 * pair; the other end receives them as from a NIC, in batches of 64, if NAPI runs there (XDP attached, or
 * `ethtool -K IF gro on`). Frames are complete, with a correct UDP checksum. With --ports N (a power of two) each
 * frame gets a random one of N source ports; the first payload word takes up the difference, so that the
 * checksum stays the same.
 *
 * Runs in the namespace of --ifname. Prints one line: FRAMES SECONDS RATE, of frames offered.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "bench.h"
#include "insn.h"

#define BATCH 64
#define MIN_PAYLOAD 2
#define MAX_PAYLOAD 1472
#define FREE_RUNNING_FRAMES (1u << 15) /* per system call without --rate: about 15 ms */
#define PACED_CALLS 2000	       /* system calls per second with --rate */

struct live_source {
	const char *ifname, *src, *dst, *src_mac, *dst_mac;
	int ifindex, sport, dport, ports;
	unsigned payload;
	double rate, seconds;
	uint8_t frame[ETH_HLEN + sizeof(struct ip6_hdr) + sizeof(struct udphdr) + MAX_PAYLOAD];
	unsigned len, udp_off;
};

/* One's complement sum of @n bytes in network order, added to @sum. */
static uint32_t sum_words(uint32_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void parse_mac(uint8_t *mac, const char *text)
{
	unsigned b[6];
	char junk;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", b, b + 1, b + 2, b + 3, b + 4, b + 5,
		   &junk) != 6)
		bench_die("%s is not a MAC address", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}

static void own_mac(uint8_t *mac, const char *ifname)
{
	struct ifreq ifr = { .ifr_ifindex = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr))
		bench_die("%s: %s", ifname, strerror(errno));
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

/* Writes the IP header; returns the checksum of the addresses for the pseudo header. */
static uint32_t build_ipv4(struct live_source *s, uint16_t udp_len)
{
	struct iphdr *ip = (struct iphdr *)(s->frame + ETH_HLEN);

	*ip = (struct iphdr){ .version = 4,
			      .ihl = 5,
			      .ttl = 64,
			      .protocol = IPPROTO_UDP,
			      .frag_off = htons(IP_DF),
			      .tot_len = htons((uint16_t)(sizeof(*ip) + udp_len)) };
	if (inet_pton(AF_INET, s->src, &ip->saddr) != 1 ||
	    inet_pton(AF_INET, s->dst, &ip->daddr) != 1)
		bench_die("%s and %s are not both IPv4 addresses", s->src, s->dst);
	ip->check = htons((uint16_t)~sum_words(0, ip, sizeof(*ip)));
	s->udp_off = ETH_HLEN + sizeof(*ip);
	return sum_words(0, &ip->saddr, 8);
}

static uint32_t build_ipv6(struct live_source *s, uint16_t udp_len)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)(s->frame + ETH_HLEN);

	ip->ip6_flow = htonl(6u << 28);
	ip->ip6_plen = htons(udp_len);
	ip->ip6_nxt = IPPROTO_UDP;
	ip->ip6_hlim = 64;
	if (inet_pton(AF_INET6, s->src, &ip->ip6_src) != 1 ||
	    inet_pton(AF_INET6, s->dst, &ip->ip6_dst) != 1)
		bench_die("%s and %s are not both IPv6 addresses", s->src, s->dst);
	s->udp_off = ETH_HLEN + sizeof(*ip);
	return sum_words(0, &ip->ip6_src, 32);
}

static void build_frame(struct live_source *s)
{
	uint16_t udp_len = (uint16_t)(sizeof(struct udphdr) + s->payload);
	struct ethhdr *eth = (struct ethhdr *)s->frame;
	bool v6 = strchr(s->dst, ':');
	struct udphdr *udp;
	uint32_t sum;

	parse_mac(eth->h_dest, s->dst_mac);
	if (s->src_mac)
		parse_mac(eth->h_source, s->src_mac);
	else
		own_mac(eth->h_source, s->ifname);
	eth->h_proto = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
	sum = v6 ? build_ipv6(s, udp_len) : build_ipv4(s, udp_len);
	udp = (struct udphdr *)(s->frame + s->udp_off);
	udp->source = htons((uint16_t)s->sport);
	udp->dest = htons((uint16_t)s->dport);
	udp->len = htons(udp_len);
	memset(udp + 1, 'k', s->payload);
	memset(udp + 1, 0xff, 2); /* what the first of several ports leaves there */
	sum = sum_words(sum + IPPROTO_UDP + udp_len, udp, udp_len);
	udp->check = htons((uint16_t)(sum == 0xffff ? 0xffff : ~sum));
	s->len = s->udp_off + udp_len;
}

/* Loads the program; its fd. */
static int load_program(const struct live_source *s)
{
	short sport_off = (short)(s->udp_off + offsetof(struct udphdr, source));
	short word_off = (short)(s->udp_off + sizeof(struct udphdr));
	const struct bpf_insn insns[] = {
		INSN_MOV_REG(BPF_REG_6, BPF_REG_1),
		INSN_CALL(BPF_FUNC_get_prandom_u32),
		INSN_ALU_IMM(BPF_AND, BPF_REG_0, s->ports - 1),
		INSN_LOAD(BPF_W, BPF_REG_2, BPF_REG_6, offsetof(struct xdp_md, data)),
		INSN_LOAD(BPF_W, BPF_REG_3, BPF_REG_6, offsetof(struct xdp_md, data_end)),
		INSN_MOV_REG(BPF_REG_4, BPF_REG_2),
		INSN_ALU_IMM(BPF_ADD, BPF_REG_4, word_off + 2),
		INSN_JUMP_REG(BPF_JGT, BPF_REG_4, BPF_REG_3, 8),
		INSN_MOV_REG(BPF_REG_5, BPF_REG_0),
		INSN_ALU_IMM(BPF_ADD, BPF_REG_5, s->sport),
		INSN_TO_BE16(BPF_REG_5),
		INSN_STORE(BPF_H, BPF_REG_2, BPF_REG_5, sport_off),
		INSN_MOV_IMM(BPF_REG_5, 0xffff),
		INSN_ALU_REG(BPF_SUB, BPF_REG_5, BPF_REG_0),
		INSN_TO_BE16(BPF_REG_5),
		INSN_STORE(BPF_H, BPF_REG_2, BPF_REG_5, word_off),
		INSN_MOV_IMM(BPF_REG_1, s->ifindex),
		INSN_MOV_IMM(BPF_REG_2, 0),
		INSN_CALL(BPF_FUNC_redirect),
		INSN_EXIT(),
	};
	/* With one source port nothing is written: skip to the redirect. */
	size_t first = s->ports > 1 ? 0 : 16, count = sizeof(insns) / sizeof(insns[0]) - first;
	char log[8192] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 1);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "live_source", "BSD", insns + first, count, &opts);

	if (fd < 0)
		bench_die("loading the BPF program: %s\n%s", strerror(errno), log);
	return fd;
}

/* Sends @frames; false when interrupted. */
static bool send_frames(const struct live_source *s, int prog, unsigned frames)
{
	struct xdp_md ctx = { .data_end = s->len };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = s->frame, .data_size_in = s->len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = frames < BATCH ? frames : BATCH);
	int err = bpf_prog_test_run_opts(prog, &opts);

	if (err && errno != EINTR)
		bench_die("BPF_F_TEST_XDP_LIVE_FRAMES: %s", strerror(errno));
	return !err;
}

static uint64_t send_free_running(const struct live_source *s, int prog, uint64_t ends)
{
	uint64_t sent = 0;

	while (!bench_stopped && bench_now() < ends && send_frames(s, prog, FREE_RUNNING_FRAMES))
		sent += FREE_RUNNING_FRAMES;
	return sent;
}

/* At each turn sends what is due by now, so that the average holds. */
static uint64_t send_paced(const struct live_source *s, int prog, uint64_t start, uint64_t ends)
{
	const struct timespec turn = { .tv_nsec = (long)(BENCH_NS / PACED_CALLS) };
	uint64_t sent = 0, now, due;

	while (!bench_stopped && (now = bench_now()) < ends) {
		due = (uint64_t)(bench_seconds(now - start) * s->rate);
		if (due - sent > FREE_RUNNING_FRAMES)
			due = sent + FREE_RUNNING_FRAMES;
		if (due > sent && send_frames(s, prog, (unsigned)(due - sent)))
			sent = due;
		else
			nanosleep(&turn, NULL);
		if (s->rate < FREE_RUNNING_FRAMES)
			nanosleep(&turn, NULL);
	}
	return sent;
}

static void check(struct live_source *s)
{
	if (!s->ifname || !s->dst_mac || !s->src || !s->dst)
		bench_die(
			"usage: live_source --ifname IF --dst-mac MAC --src ADDR --dst ADDR [--src-mac MAC]\n"
			"                   [--sport N] [--dport N] [--ports N] [--size PAYLOAD]\n"
			"                   [--rate FRAMES/S] [--seconds S] [--cpu N]");
	s->ifindex = (int)if_nametoindex(s->ifname);
	if (!s->ifindex)
		bench_die("%s: %s", s->ifname, strerror(errno));
	if (s->ports & (s->ports - 1) || s->sport + s->ports - 1 > 65535)
		bench_die("--ports %d: not a power of two, or beyond port 65535", s->ports);
}

static const struct option options[] = {
	{ "ifname", required_argument, NULL, 'i' },
	{ "dst-mac", required_argument, NULL, 'D' },
	{ "src-mac", required_argument, NULL, 'S' },
	{ "src", required_argument, NULL, 'f' },
	{ "dst", required_argument, NULL, 't' },
	{ "sport", required_argument, NULL, 'q' },
	{ "dport", required_argument, NULL, 'p' },
	{ "ports", required_argument, NULL, 'n' },
	{ "size", required_argument, NULL, 'l' },
	{ "rate", required_argument, NULL, 'r' },
	{ "seconds", required_argument, NULL, 's' },
	{ "cpu", required_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct live_source s = {
		.sport = 20000, .dport = 9000, .ports = 1, .payload = 18, .seconds = 2
	};
	uint64_t start, ends, sent;
	double elapsed;
	int prog, c;

	while ((c = getopt_long(argc, argv, "i:D:S:f:t:q:p:n:l:r:s:c:", options, NULL)) != -1)
		switch (c) {
		case 'i':
			s.ifname = optarg;
			break;
		case 'D':
			s.dst_mac = optarg;
			break;
		case 'S':
			s.src_mac = optarg;
			break;
		case 'f':
			s.src = optarg;
			break;
		case 't':
			s.dst = optarg;
			break;
		case 'q':
			s.sport = (int)bench_number("sport", optarg, 1, 65535);
			break;
		case 'p':
			s.dport = (int)bench_number("dport", optarg, 1, 65535);
			break;
		case 'n':
			s.ports = (int)bench_number("ports", optarg, 1, 32768);
			break;
		case 'l':
			s.payload = (unsigned)bench_number("size", optarg, MIN_PAYLOAD, MAX_PAYLOAD);
			break;
		case 'r':
			s.rate = bench_number("rate", optarg, 0, 1e8);
			break;
		case 's':
			s.seconds = bench_number("seconds", optarg, 0.01, 3600);
			break;
		case 'c':
			bench_pin((int)bench_number("cpu", optarg, 0, 1023));
			break;
		default:
			s.ifname = NULL;
			check(&s);
		}
	check(&s);
	bench_catch_signals();
	build_frame(&s);
	prog = load_program(&s);
	start = bench_now();
	ends = start + (uint64_t)(s.seconds * BENCH_NS);
	sent = s.rate > 0 ? send_paced(&s, prog, start, ends) : send_free_running(&s, prog, ends);
	elapsed = bench_seconds(bench_now() - start);
	printf("%llu %.3f %.0f\n", (unsigned long long)sent, elapsed, (double)sent / elapsed);
	return sent ? 0 : 1;
}
