/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats.h - counters in shared memory, which `kbaccel stat` reads from outside.
 *
 * The page is a memfd named "kbaccel-stats": a reader opens /proc/PID/fd/N, which the kernel allows
 * to the process's owner and root only, and nothing stays behind when the process dies. Written by
 * plain stores: when two threads count the same thing at the same moment one of them may be lost. For
 * display only; what the program itself is told is counted elsewhere. A reader refuses a page whose
 * magic or size differ from its own.
 */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ipaddr.h"
#include "base/relaxed.h"

#define STATS_MEMFD_NAME "kbaccel-stats"
#define STATS_MAGIC 0x6b62616363310002ull /* "kbacc1" and a version that changes with this file */
#define STATS_MAX_SOCKETS 4096
#define STATS_MAX_QUEUES 256
#define STATS_WHY_LEN 160

enum stats_counter {
#define STAT(name, text) STAT_##name,
#include "base/stats.def"
#undef STAT
	STAT_COUNT
};

/* What became of a chosen socket. */
enum stats_socket_state {
	STATS_SOCKET_UNUSED,   /* slot free */
	STATS_SOCKET_KERNEL,   /* on the kernel path; why[] says why */
	STATS_SOCKET_PREPARED, /* queues open, not waited on yet */
	STATS_SOCKET_ACTIVE,   /* steered */
};

struct stats_socket {
	uint32_t state; /* enum stats_socket_state */
	int32_t fd;
	struct ipaddr local, remote;
	uint16_t local_port, remote_port; /* network order; remote 0: not connected */
	uint16_t family;		  /* AF_INET or AF_INET6 */
	uint16_t reserved;
	uint64_t rx_fast, rx_fast_bytes, rx_shadow, rx_shadow_bytes;
	uint64_t tx_fast, tx_fast_bytes, tx_shadow, tx_shadow_bytes;
	uint64_t drops;	 /* receive buffer full */
	uint64_t queued; /* datagrams waiting now */
	char why[STATS_WHY_LEN];
};

struct stats_queue {
	char ifname[IF_NAMESIZE]; /* empty: slot unused */
	char mode[64];
	uint16_t index;
	uint16_t in_use;
	uint32_t frames_free, frames_total;
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, tx_kicks, tx_full;
	uint64_t rx_ring_full, rx_no_frame, rx_dropped;
};

struct stats_page {
	uint64_t magic;
	uint64_t size; /* sizeof(struct stats_page) of the writer */
	int32_t pid;
	char program[28];
	uint64_t capture; /* base/capture.h: bytes of a ring behind this page; 0: none. A tool writes it */
	uint64_t counters[STAT_COUNT];
	struct stats_queue queues[STATS_MAX_QUEUES];
	struct stats_socket sockets[STATS_MAX_SOCKETS];
};

/* Never NULL: before stats_init(), or without memory for it, a private page that nobody sees. */
extern struct stats_page *stats;

/* Makes the page; called at the first chosen bind. 0 or -errno (then counting goes on, unseen). */
int stats_init(void);

/*
 * For the child of a fork, which takes the queues over: a page of its own, with what was counted so
 * far, at the same address, so that pointers to slots stay valid.
 */
void stats_reopen(void);

/* @len bytes of the page's memfd from @offset on, where a tool has made it longer; mapped. NULL: not to be had. */
void *stats_map_behind(size_t offset, size_t len);

/* A free socket slot; the last one is shared by all that come too late. Never NULL. */
struct stats_socket *stats_socket_get(void);
void stats_socket_put(struct stats_socket *slot);

static inline __attribute__((always_inline)) void stats_add(enum stats_counter c, uint64_t n)
{
	relaxed_add(stats->counters[c], n);
}

#endif
