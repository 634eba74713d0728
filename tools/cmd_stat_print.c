/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_stat_print.c - one process's counters as text. What comes out of a page was written by a
 * foreign process: strings are bounded and cleaned, numbers are only printed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "tools/cmd.h"
#include "tools/cmd_stat.h"

static const struct {
	const char *name, *text;
} counters[] = {
#define STAT(name, text) { #name, text },
#include "base/stats.def"
#undef STAT
};

static void print_rate(uint64_t now, uint64_t before, double seconds)
{
	printf(" %12.0f/s", now >= before && seconds > 0 ? (double)(now - before) / seconds : 0.0);
}

static void print_counters(const struct stats_page *page, const struct stats_page *before,
			   double seconds)
{
	unsigned i, printed = 0;

	for (i = 0; i < STAT_COUNT; i++) {
		if (!page->counters[i])
			continue;
		printf("  %-16s %14llu", counters[i].name, (unsigned long long)page->counters[i]);
		if (before)
			print_rate(page->counters[i], before->counters[i], seconds);
		printf("  %s\n", counters[i].text);
		printed++;
	}
	if (!printed)
		puts("  nothing counted yet");
}

static void print_queue(const struct stats_queue *q, const struct stats_queue *before,
			double seconds)
{
	char ifname[sizeof(q->ifname)], mode[sizeof(q->mode)];

	cmd_clean_text(q->ifname, sizeof(q->ifname), ifname, sizeof(ifname));
	cmd_clean_text(q->mode, sizeof(q->mode), mode, sizeof(mode));
	printf("  queue %s/%u (%s)\n", ifname, q->index, mode[0] ? mode : "unknown mode");
	printf("    received %llu frames, %llu bytes", (unsigned long long)q->rx_frames,
	       (unsigned long long)q->rx_bytes);
	if (before)
		print_rate(q->rx_frames, before->rx_frames, seconds);
	printf("\n    sent %llu frames, %llu bytes", (unsigned long long)q->tx_frames,
	       (unsigned long long)q->tx_bytes);
	if (before)
		print_rate(q->tx_frames, before->tx_frames, seconds);
	printf("\n    kicks %llu; frames free %u of %u\n", (unsigned long long)q->tx_kicks,
	       q->frames_free, q->frames_total);
	if (q->rx_ring_full | q->rx_no_frame | q->rx_dropped | q->tx_full)
		printf("    LOST: receive ring full %llu, no free frame %llu, dropped %llu; "
		       "transmit ring was full %llu times\n",
		       (unsigned long long)q->rx_ring_full, (unsigned long long)q->rx_no_frame,
		       (unsigned long long)q->rx_dropped, (unsigned long long)q->tx_full);
}

static void print_queues(const struct stats_page *page, const struct stats_page *before,
			 double seconds)
{
	unsigned i;

	for (i = 0; i < STATS_MAX_QUEUES; i++)
		if (page->queues[i].in_use && page->queues[i].ifname[0])
			print_queue(&page->queues[i], before ? &before->queues[i] : NULL, seconds);
}

static void format_endpoint(const struct ipaddr *addr, uint16_t port, bool v6, char *text,
			    size_t len)
{
	char host[INET6_ADDRSTRLEN] = "*";

	if (ipaddr_is_v4(addr))
		inet_ntop(AF_INET, &addr->w[3], host, sizeof(host));
	else if (!ipaddr_is_any(addr))
		inet_ntop(AF_INET6, addr->b, host, sizeof(host));
	else if (v6)
		strcpy(host, "::");
	snprintf(text, len, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, ntohs(port));
}

static const char *state_name(uint32_t state)
{
	switch (state) {
	case STATS_SOCKET_KERNEL:
		return "kernel path";
	case STATS_SOCKET_PREPARED:
		return "prepared, not waited on yet";
	case STATS_SOCKET_ACTIVE:
		return "accelerated";
	default:
		return "unknown state";
	}
}

static void print_path(const char *what, uint64_t fast, uint64_t fast_bytes, uint64_t shadow,
		       uint64_t shadow_bytes)
{
	printf("    %s: fast %llu datagrams, %llu bytes; kernel %llu datagrams, %llu bytes", what,
	       (unsigned long long)fast, (unsigned long long)fast_bytes, (unsigned long long)shadow,
	       (unsigned long long)shadow_bytes);
}

static void print_socket(const struct stats_socket *s, const struct stats_socket *before,
			 double seconds)
{
	char local[IPADDR_STRLEN], remote[IPADDR_STRLEN] = "", why[STATS_WHY_LEN];
	bool v6 = s->family == AF_INET6;

	format_endpoint(&s->local, s->local_port, v6, local, sizeof(local));
	if (s->remote_port)
		format_endpoint(&s->remote, s->remote_port, v6, remote, sizeof(remote));
	printf("  socket fd %d %s%s%s: %s\n", s->fd, local, remote[0] ? " -> " : "", remote,
	       state_name(s->state));
	print_path("received", s->rx_fast, s->rx_fast_bytes, s->rx_shadow, s->rx_shadow_bytes);
	if (before)
		print_rate(s->rx_fast + s->rx_shadow, before->rx_fast + before->rx_shadow, seconds);
	putchar('\n');
	print_path("sent", s->tx_fast, s->tx_fast_bytes, s->tx_shadow, s->tx_shadow_bytes);
	if (before)
		print_rate(s->tx_fast + s->tx_shadow, before->tx_fast + before->tx_shadow, seconds);
	printf("\n    waiting %llu; dropped, receive buffer full: %llu\n",
	       (unsigned long long)s->queued, (unsigned long long)s->drops);
	cmd_clean_text(s->why, sizeof(s->why), why, sizeof(why));
	if (why[0])
		printf("    why: %s\n", why);
}

static void print_sockets(const struct stats_page *page, const struct stats_page *before,
			  double seconds)
{
	const struct stats_socket *old;
	unsigned i;

	for (i = 0; i < STATS_MAX_SOCKETS; i++) {
		if (page->sockets[i].state == STATS_SOCKET_UNUSED)
			continue;
		old = before ? &before->sockets[i] : NULL;
		if (old && (old->state == STATS_SOCKET_UNUSED || old->fd != page->sockets[i].fd))
			old = NULL; /* the slot was another socket's */
		print_socket(&page->sockets[i], old, seconds);
	}
}

void stat_print(const struct stat_sample *s, const struct stat_sample *before, double seconds)
{
	const struct stats_page *old = before ? &before->page : NULL;
	char program[sizeof(s->page.program) + 1];

	cmd_clean_text(s->page.program, sizeof(s->page.program), program, sizeof(program));
	printf("%s (pid %d)\n", program[0] ? program : "unknown program", (int)s->pid);
	print_counters(&s->page, old, seconds);
	print_queues(&s->page, old, seconds);
	print_sockets(&s->page, old, seconds);
}
