/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record.c - see record.h. Files are believed only if they are root's or the caller's own: what stands in them is done with the
 * caller's privileges.
 */
#define _GNU_SOURCE
#include "nic/ethtool/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "kbqueue"
#define VERSION 1u
#define LOCK_TRIES 2000
#define NAME_TRIES 100

static bool is_trusted(uid_t owner)
{
	return owner == 0 || owner == geteuid();
}

bool record_is_there(void)
{
	return access(RECORD_DIR, X_OK) == 0 || errno != ENOENT;
}

static int open_dir(void)
{
	struct stat st;
	int fd;

	mkdir(RECORD_DIR, 0700); /* whoever can open it can hold the lock */
	fd = open(RECORD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	/* Whoever may rename others' files in it could give us theirs. */
	if (fstat(fd, &st) == 0 && is_trusted(st.st_uid) &&
	    (!(st.st_mode & 022) || (st.st_mode & S_ISVTX)))
		return fd;
	close(fd);
	return -EACCES;
}

int record_lock(void)
{
	static const struct timespec nap = { 0, 1000000 };
	int fd = open_dir();

	if (fd < 0)
		return fd;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		nanosleep(&nap, NULL);
	}
	close(fd);
	return -ETIMEDOUT;
}

void record_unlock(int dir)
{
	if (dir >= 0)
		close(dir);
}

static struct record *map_record(int fd)
{
	void *mem = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

void record_unmap(struct record *r)
{
	if (r)
		munmap(r, sizeof(*r));
}

/* A name that nobody has; the file has all its pages, so that no store can fail for want of room. */
static int new_file(int dir, const char *prefix, char name[64])
{
	int fd = -1, err;

	for (int i = 0; fd < 0 && i < NAME_TRIES; i++) {
		snprintf(name, 64, "%s-%d-%d.queues", prefix, (int)getpid(), i);
		fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno != EEXIST)
			return -errno;
	}
	if (fd < 0)
		return -EEXIST;
	err = -posix_fallocate(fd, 0, sizeof(struct record));
	if (err == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		err = -errno;
	if (err == 0)
		return fd;
	unlinkat(dir, name, 0);
	close(fd);
	return err;
}

int record_create(int dir, const struct record_head *what, int above, struct record **out)
{
	char prefix[40], name[64];
	struct record *r;
	int fd, again, kept;

	snprintf(prefix, sizeof(prefix), "%llu-%d", (unsigned long long)what->netns, what->ifindex);
	fd = new_file(dir, prefix, name);
	if (fd < 0)
		return fd;
	/* By another open file: a mapping would keep the lock, and other threads may use it to the last. */
	again = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	r = again < 0 ? NULL : map_record(again);
	if (again >= 0)
		close(again);
	kept = r ? fcntl(fd, F_DUPFD_CLOEXEC, above) : -1;
	close(fd);
	if (kept < 0) {
		record_unmap(r);
		unlinkat(dir, name, 0);
		return -ENOMEM;
	}
	r->head = *what;
	r->head.version = VERSION;
	r->head.pid = getpid();
	/* It is complete from here on; one that is not has changed nothing yet. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(r->head.magic, MAGIC, sizeof(r->head.magic));
	*out = r;
	return kept;
}

/* A regular file of @size bytes that can be believed; its descriptor or -1. */
static int open_file(int dir, const char *name, size_t size)
{
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && is_trusted(st.st_uid) &&
	    st.st_nlink == 1 && st.st_size == (off_t)size)
		return fd;
	close(fd);
	return -1;
}

/* False: it is no file of ours. */
static bool parse_name(const char *name, struct record_found *found, bool *rss)
{
	unsigned long long netns;
	int ifindex, pid, n, end = 0;

	*rss = false;
	found->name = name;
	if (sscanf(name, "%llu-%d-%d-%d.queues%n", &netns, &ifindex, &pid, &n, &end) != 4 ||
	    name[end] || !end) {
		end = 0;
		*rss = sscanf(name, "%llu-%d.rss%n", &netns, &ifindex, &end) == 2 && end &&
		       !name[end];
		if (!*rss)
			return false;
	}
	found->netns = netns;
	found->ifindex = ifindex;
	return true;
}

static bool is_complete(const struct record_head *head, const struct record_found *found)
{
	return memcmp(head->magic, MAGIC, sizeof(head->magic)) == 0 && head->version == VERSION &&
	       head->netns == found->netns && head->ifindex == found->ifindex &&
	       head->limit <= RECORD_RULES;
}

static void show(int dir, struct record_found *found, void (*fn)(struct record_found *, void *),
		 void *context)
{
	int fd = open_file(dir, found->name, sizeof(struct record));

	if (fd < 0)
		return;
	found->alive = flock(fd, LOCK_EX | LOCK_NB) < 0;
	found->record = map_record(fd);
	if (found->record && is_complete(&found->record->head, found))
		fn(found, context);
	else if (!found->alive)
		record_remove(dir, found->name);
	record_unmap(found->record);
	close(fd);
}

/* Like opendir(), of a descriptor that stays ours. */
static DIR *read_dir(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		close(fd);
	return d;
}

int record_each(int dir, uint64_t netns, int ifindex, void (*fn)(struct record_found *, void *),
		void *context)
{
	DIR *d = read_dir(dir);
	struct record_found found;
	struct dirent *entry;
	bool rss;

	if (!d)
		return -errno;
	while ((entry = readdir(d)))
		if (parse_name(entry->d_name, &found, &rss) && !rss && found.netns == netns &&
		    (!ifindex || found.ifindex == ifindex))
			show(dir, &found, fn, context);
	closedir(d);
	return 0;
}

void record_remove(int dir, const char *name)
{
	unlinkat(dir, name, 0);
}

unsigned record_interfaces(int dir, uint64_t netns, int *ifindex, unsigned max, unsigned *others)
{
	DIR *d = read_dir(dir);
	struct record_found found;
	struct dirent *entry;
	unsigned n = 0, i;
	bool rss;

	*others = 0;
	while (d && (entry = readdir(d))) {
		if (!parse_name(entry->d_name, &found, &rss))
			continue;
		if (found.netns != netns) {
			*others += !rss;
			continue;
		}
		for (i = 0; i < n && ifindex[i] != found.ifindex; i++)
			;
		if (i == n && n < max)
			ifindex[n++] = found.ifindex;
	}
	if (d)
		closedir(d);
	return n;
}

static void rss_name(char name[64], uint64_t netns, int ifindex)
{
	snprintf(name, 64, "%llu-%d.rss", (unsigned long long)netns, ifindex);
}

bool record_read_rss(int dir, uint64_t netns, int ifindex, struct record_rss *rss)
{
	char name[64];
	ssize_t len;
	int fd;

	rss_name(name, netns, ifindex);
	fd = open_file(dir, name, sizeof(*rss));
	if (fd < 0)
		return false;
	len = read(fd, rss, sizeof(*rss));
	close(fd);
	return len == sizeof(*rss) && memcmp(rss->magic, MAGIC, sizeof(rss->magic)) == 0 &&
	       rss->version == VERSION && rss->netns == netns && rss->ifindex == ifindex &&
	       rss->size <= ETHTOOL_MAX_RSS;
}

int record_write_rss(int dir, struct record_rss *rss)
{
	char name[64];
	ssize_t len;
	int fd, err = 0;

	memcpy(rss->magic, MAGIC, sizeof(rss->magic));
	rss->version = VERSION;
	unlinkat(dir, "new", 0);
	fd = openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	len = write(fd, rss, sizeof(*rss));
	if (len != (ssize_t)sizeof(*rss))
		err = len < 0 ? -errno : -ENOSPC;
	close(fd);
	rss_name(name, rss->netns, rss->ifindex);
	if (err == 0 && renameat(dir, "new", dir, name) < 0)
		err = -errno;
	if (err < 0)
		unlinkat(dir, "new", 0);
	return err;
}

void record_remove_rss(int dir, uint64_t netns, int ifindex)
{
	char name[64];

	rss_name(name, netns, ifindex);
	unlinkat(dir, name, 0);
}
