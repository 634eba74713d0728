/* SPDX-License-Identifier: BSD-3-Clause */
/* capture.h - between the parts of kbaccel-capture: where frames come from (source.c), and where they go (pcapng.c). */
#ifndef TOOLS_CAPTURE_CAPTURE_H
#define TOOLS_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/capture.h"

#define MAX_SOURCES 256

/* A process whose frames are captured. */
struct source {
	int fd; /* of its page; with our lock on it */
	pid_t pid;
	dev_t dev;
	ino_t ino;
	struct stats_page *page;
	struct capture_ring *ring;
	size_t len;
	uint64_t taken, lost;
	bool attached;
};

struct sources {
	uint32_t slots, slot_size;
	unsigned count, busy, denied;
	struct source list[MAX_SOURCES];
};

/* Looks for processes (@n == 0: all) that are not in the list yet, and begins with them. How many there are now. */
unsigned sources_find(struct sources *s, const pid_t *pids, size_t n);

/* Tells the processes that we are here. */
void sources_renew(struct sources *s);

/*
 * The oldest frame that is ready, and the process it is of; NULL: none. It is ours until source_done().
 */
struct capture_slot *sources_next(struct sources *s, struct source **from);
void source_done(struct source *from);

/* Some process of the list is still alive. Those that are not, and have nothing left, go. */
bool sources_alive(struct sources *s);

/* Ends it for all processes, and gives the memory back. */
void sources_close(struct sources *s);

/* ---- pcapng: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html ---- */

/* Begins the file. False, with errno: it can not be written, as for all here. */
bool pcapng_begin(FILE *out);

/* One frame. Interfaces are described as they come. */
bool pcapng_frame(FILE *out, const struct source *from, const struct capture_slot *slot,
		  uint32_t kept);

/* How many were lost, of the interfaces of @from. */
bool pcapng_lost(FILE *out, const struct source *from);

#endif
