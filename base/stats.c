/* SPDX-License-Identifier: BSD-3-Clause */
/* stats.c - see stats.h. */
#define _GNU_SOURCE
#include "base/stats.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/log.h"

static struct stats_page unseen;
struct stats_page *stats = &unseen;
static int stats_fd = -1;
static unsigned int sockets_top; /* no slot from here on was ever used */

/* A memfd of the page's size, as descriptor of ours; or -errno. */
static int make_memfd(void)
{
	int fd, err;

	fds_inside = true;
	fd = memfd_create(STATS_MEMFD_NAME, MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, sizeof(struct stats_page)) < 0) {
		err = errno;
		close(fd);
		errno = err;
		fd = -1;
	}
	fd = fd < 0 ? -errno : fds_keep(fd);
	fds_inside = false;
	return fd;
}

/* A page on @fd; with @fd < 0 one that nobody else sees. NULL: no memory. */
static struct stats_page *map_page(int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *page = mmap(NULL, sizeof(struct stats_page), PROT_READ | PROT_WRITE, flags, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

static void read_program(struct stats_page *page)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *base;

	path[n > 0 ? n : 0] = '\0';
	base = strrchr(path, '/');
	snprintf(page->program, sizeof(page->program), "%.*s", (int)sizeof(page->program) - 1,
		 base ? base + 1 : path);
}

/* The magic goes in last: a reader that finds it finds the rest. */
static void publish(struct stats_page *page)
{
	page->size = sizeof(*page);
	page->pid = getpid();
	__atomic_store_n(&page->magic, STATS_MAGIC, __ATOMIC_RELEASE);
}

static void warn_unseen(int err)
{
	log_warn("no shared memory for counters (%s): `kbaccel stat` will not see this process",
		 strerrordesc_np(err));
}

int stats_init(void)
{
	struct stats_page *page;
	int fd;

	if (stats_fd >= 0)
		return 0;
	fd = make_memfd();
	page = fd < 0 ? NULL : map_page(fd);
	if (!page) {
		warn_unseen(fd < 0 ? -fd : ENOMEM);
		fds_close(fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	memcpy(page->counters, stats->counters, sizeof(page->counters));
	read_program(page);
	publish(page);
	stats_fd = fd;
	stats = page;
	return 0;
}

/*
 * The new page is filled elsewhere and then moved over the old one in one step. Only slots that
 * were used are copied: to touch the others would give them memory.
 */
void stats_reopen(void)
{
	struct stats_page *page;
	int old = stats_fd, fd;

	if (old < 0)
		return;
	fd = make_memfd();
	if (fd < 0)
		warn_unseen(-fd);
	page = map_page(fd);
	if (page) {
		memcpy(page, stats,
		       offsetof(struct stats_page, sockets) +
			       sockets_top * sizeof(stats->sockets[0]));
		page->capture = 0;
		publish(page);
		if (mremap(page, sizeof(*page), sizeof(*page), MREMAP_MAYMOVE | MREMAP_FIXED,
			   stats) == MAP_FAILED)
			munmap(page, sizeof(*page));
	}
	stats_fd = fd;
	fds_close(old);
}

/* Only as far as the file goes: a look behind its end would be a SIGBUS. */
void *stats_map_behind(size_t offset, size_t len)
{
	struct stat st;
	void *mem;

	if (stats_fd < 0 || fstat(stats_fd, &st) < 0 || (size_t)st.st_size < offset ||
	    (size_t)st.st_size - offset < len)
		return NULL;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, stats_fd, (off_t)offset);
	return mem == MAP_FAILED ? NULL : mem;
}

struct stats_socket *stats_socket_get(void)
{
	struct stats_socket *slot = stats->sockets;
	unsigned int i;
	uint32_t unused;

	for (i = 0; i < STATS_MAX_SOCKETS - 1; i++, slot++) {
		unused = STATS_SOCKET_UNUSED;
		if (__atomic_compare_exchange_n(&slot->state, &unused, STATS_SOCKET_KERNEL, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			break;
	}
	if (i >= sockets_top)
		sockets_top = i + 1;
	memset(&slot->fd, 0, sizeof(*slot) - offsetof(struct stats_socket, fd));
	slot->state = STATS_SOCKET_KERNEL;
	return slot;
}

void stats_socket_put(struct stats_socket *slot)
{
	if (slot)
		__atomic_store_n(&slot->state, STATS_SOCKET_UNUSED, __ATOMIC_RELEASE);
}
