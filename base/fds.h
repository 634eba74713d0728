/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fds.h - file descriptors that the library itself holds inside the host process.
 *
 * They are moved to high numbers (the program must go on getting the numbers that it would get without us), are
 * close-on-exec, and are known here, so that a program which closes everything it did not open does not cut
 * our rings: the intercepted close(), dup2(), close_range() and fcntl() look here.
 *
 * Any thread may call; look-ups are lock-free.
 */
#ifndef BASE_FDS_H
#define BASE_FDS_H

#include <stdbool.h>
#include <stdint.h>

#define FDS_MAX (1 << 20)

extern uint64_t fds_map[FDS_MAX / 64];

/*
 * Set while this thread runs library code that opens descriptors through libc names (libxdp, libbpf): the
 * intercepted socket(), close() ... then treat descriptors as the library's own.
 */
extern __thread bool fds_inside __attribute__((tls_model("initial-exec")));

static inline bool fds_is_internal(int fd)
{
	return (unsigned int)fd < FDS_MAX && (fds_map[fd / 64] >> (fd % 64) & 1);
}

/* Takes @fd over: returns its new, high number, or @fd itself where none is free, or -errno as given in @fd (< 0). */
int fds_keep(int fd);

/* Closes a descriptor of ours. */
void fds_close(int fd);

/* Marks @fd as ours, or no longer so, without opening or closing anything. */
void fds_mark(int fd, bool ours);

#endif
