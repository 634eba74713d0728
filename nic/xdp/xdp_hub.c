/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_hub.c - this process's place at the interface's XDP program (xdp_hub.h): finding the program
 * that another process has attached, or starting it, and taking a seat.
 *
 * There is no server between the processes: the kernel's objects are found by their numbers, and
 * what is alive is known from abstract socket names, which go with their last descriptor. The
 * names belong to the network namespace, as the interface does.
 */
#define _GNU_SOURCE
#include "nic/xdp/xdp_hub.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nic/xdp/xdp.h"

#define TRIES 5 /* a program may come or go while we look */
#define LOCK_TRIES 2000
#define MAX_MAPS 16

static size_t page_multiple(size_t len)
{
	return (len + 4095) & ~(size_t)4095;
}

uint32_t xdp_record_len(const struct xdp_nic *x)
{
	return x->frame_size > 2048 ? HUB_RECORD_LARGE : HUB_RECORD_SMALL;
}

int xdp_hub_map(struct xdp_nic *x, struct nic_params *params)
{
	void *mem = mmap(NULL, page_multiple(sizeof(*x->hub)), PROT_READ | PROT_WRITE, MAP_SHARED,
			 x->fds.hub, 0);

	if (mem == MAP_FAILED)
		return xdp_why_privilege(params, -errno, "can not map the steering tables");
	x->hub = mem;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void xdp_hub_seal(struct xdp_nic *x)
{
	close_fd(&x->fds.prog);
	close_fd(&x->fds.hub);
	close_fd(&x->fds.seats);
	close_fd(&x->fds.hosts);
	close_fd(&x->fds.rings);
	close_fd(&x->fds.xsks);
	close_fd(&x->fds.alive);
}

void xdp_hub_leave(struct xdp_nic *x)
{
	close_fd(&x->seat_fd);
	close_fd(&x->alive_fd);
	close_fd(&x->link_fd);
	if (x->map)
		munmap(x->map, page_multiple(sizeof(*x->map)));
	if (x->host)
		munmap(x->host, page_multiple(sizeof(*x->host)));
	if (x->hub)
		munmap(x->hub, page_multiple(sizeof(*x->hub)));
	x->map = NULL;
	x->host = NULL;
	x->hub = NULL;
	xdp_hub_seal(x);
}

/* The number of the program on the interface; 0: there is none. */
static uint32_t prog_on(int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query(ifindex, 0, &query) < 0)
		return 0;
	return query.drv_prog_id   ? query.drv_prog_id
	       : query.skb_prog_id ? query.skb_prog_id
				   : query.hw_prog_id;
}

/* Is @name what libbpf calls the map @part of? Its section maps have the object's name in front. */
static bool is_map(const char *name, const char *part)
{
	size_t len = strlen(name), part_len = strlen(part);

	return len >= part_len && strcmp(name + len - part_len, part) == 0;
}

static void keep_map(struct xdp_nic *x, uint32_t id)
{
	static const char *const names[] = { ".bss", "seats", "hosts", "rings", "xsks", "alive" };
	int *const fds[] = { &x->fds.hub,   &x->fds.seats, &x->fds.hosts,
			     &x->fds.rings, &x->fds.xsks,  &x->fds.alive };
	struct bpf_map_info info;
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return;
	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
			if (*fds[i] < 0 && is_map(info.name, names[i])) {
				*fds[i] = fd;
				return;
			}
	close(fd);
}

/* Program and maps by their numbers. -EEXIST: another program. */
static int find_maps(struct xdp_nic *x, uint32_t id)
{
	uint32_t ids[MAX_MAPS];
	struct bpf_prog_info info;
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return fd;
	x->fds.prog = fd;
	memset(&info, 0, sizeof(info));
	info.nr_map_ids = MAX_MAPS;
	info.map_ids = (uintptr_t)ids;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (strcmp(info.name, XDP_PROGRAM_NAME) != 0)
		return -EEXIST;
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAX_MAPS; i++)
		keep_map(x, ids[i]);
	if (x->fds.hub < 0 || x->fds.seats < 0 || x->fds.hosts < 0 || x->fds.rings < 0 ||
	    x->fds.xsks < 0 || x->fds.alive < 0)
		return -EEXIST;
	return 0;
}

/* The link that holds program @prog on the interface. */
static int find_link(struct xdp_nic *x, uint32_t prog)
{
	struct bpf_link_info info;
	__u32 id = 0, len;
	int fd;

	while (bpf_link_get_next_id(id, &id) == 0) {
		fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_LINK_TYPE_XDP &&
		    info.prog_id == prog && (int)info.xdp.ifindex == x->nic.ifindex) {
			x->link_fd = fd;
			return 0;
		}
		close(fd);
	}
	return -ENOENT;
}

/* 0; -ENOENT: no program there, or no more; -EEXIST: not one of ours. */
static int join(struct xdp_nic *x, struct nic_params *params)
{
	uint32_t id = prog_on(x->nic.ifindex);
	int err;

	if (!id)
		return -ENOENT;
	err = find_maps(x, id);
	if (err == 0)
		err = find_link(x, id);
	if (err == -EPERM)
		return xdp_why(
			params, -EPERM,
			"%s is in use by another process: to share it with an accelerated one takes "
			"CAP_SYS_ADMIN: run as root, or give this one another interface "
			"(KBACCEL_INTERFACE)",
			x->nic.ifname);
	if (err < 0)
		return err;
	err = xdp_hub_map(x, params);
	if (err < 0)
		return err;
	if (x->hub->version != HUB_VERSION || x->hub->record_len != xdp_record_len(x))
		return xdp_why(
			params, -EBUSY,
			"%s is in use by an accelerated process of another version, or from before its MTU "
			"was changed: restart that one",
			x->nic.ifname);
	x->native = x->hub->flags & HUB_NATIVE;
	x->tells_batches = x->hub->flags & HUB_TELLS;
	return 0;
}

static int enter(struct xdp_nic *x, struct nic_params *params)
{
	int err = -ENOENT;

	for (int i = 0; i < TRIES; i++) {
		params->why[0] = '\0';
		err = join(x, params);
		if (err == -ENOENT) {
			xdp_hub_leave(x);
			err = xdp_prog_start(x, params);
		} else if (err == -EEXIST) {
			break;
		}
		if (err != -EEXIST && (err != -ENOENT || params->why[0]))
			return err;
		xdp_hub_leave(x);
	}
	return xdp_why_occupied(x, params);
}

/* What generic mode means for the datagrams that a GRO before it joins. */
static int judge_joining(struct xdp_nic *x, struct nic_params *params)
{
	if (x->native || x->tells_batches)
		return 0;
	x->nic.flags |= NIC_F_JOINED;
	if (xdp_link_joins(x))
		return xdp_why(params, -EOPNOTSUPP,
			       "%s joins datagrams before generic XDP sees them: `ethtool -K %s "
			       "rx-gro-list off rx-udp-gro-forwarding off`",
			       x->nic.ifname, x->nic.ifname);
	return 0;
}

/* A socket with the abstract name of @what at program @prog; -EADDRINUSE: somebody has it. */
static int take_name(uint32_t prog, const char *what, unsigned number)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "kbaccel-%u-%s%u", prog,
			   what, number);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static bool is_free(uint32_t prog, unsigned seat)
{
	int fd = take_name(prog, "seat", seat);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int lock_seats(uint32_t prog)
{
	static const struct timespec nap = { 0, 1000000 };
	int fd;

	for (int i = 0; i < LOCK_TRIES; i++) {
		fd = take_name(prog, "lock", 0);
		if (fd != -EADDRINUSE)
			return fd;
		nanosleep(&nap, NULL);
	}
	return -ETIMEDOUT;
}

/* Whatever its last process left, which has died. */
static void clear_seat(struct xdp_nic *x, uint32_t seat)
{
	uint32_t bit = 1u << seat;

	for (unsigned i = 0; i < STEER_PORTS; i++)
		if (x->hub->ports[i] & bit)
			__atomic_fetch_and(&x->hub->ports[i], ~bit, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < HUB_QUEUES; i++)
		if (x->hub->queue_seat[i] == seat + 1)
			__atomic_store_n(&x->hub->queue_seat[i], 0, __ATOMIC_SEQ_CST);
	bpf_map_delete_elem(x->fds.seats, &seat);
	bpf_map_delete_elem(x->fds.hosts, &seat);
	bpf_map_delete_elem(x->fds.rings, &seat);
}

/* Takes the lowest free seat, and clears all that are free. */
static int sit_down(struct xdp_nic *x, uint32_t prog)
{
	int fd;

	for (uint32_t i = 0; i < HUB_SEATS; i++) {
		if (x->seat_fd >= 0) {
			if (is_free(prog, i))
				clear_seat(x, i);
			continue;
		}
		fd = take_name(prog, "seat", i);
		if (fd == -EADDRINUSE)
			continue;
		if (fd < 0)
			return fd;
		clear_seat(x, i);
		x->seat_fd = fd;
		x->seat = i;
	}
	return x->seat_fd >= 0 ? 0 : -EUSERS;
}

/* An array of one element of @len bytes in the seat's place of @outer, mapped; its descriptor. */
static int make_table(const struct xdp_nic *x, int outer, const char *name, size_t len, void **mem)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), (__u32)len, 1, &opts), err;

	if (fd < 0)
		return fd;
	*mem = mmap(NULL, page_multiple(len), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	err = *mem == MAP_FAILED ? -errno : bpf_map_update_elem(outer, &x->seat, &fd, BPF_ANY);
	if (err == 0)
		return fd;
	if (*mem == MAP_FAILED)
		*mem = NULL;
	close(fd);
	return err;
}

static int make_tables(struct xdp_nic *x)
{
	int fd = make_table(x, x->fds.hosts, "kbaccel_host", sizeof(*x->host), (void **)&x->host);

	if (fd < 0)
		return fd;
	close(fd);
	steer_host_init(x->host, &x->nic, x->frame_size - XDP_HEADROOM);
	x->host->guarded = x->guest != NULL;
	fd = make_table(x, x->fds.seats, "kbaccel_steer", sizeof(*x->map), (void **)&x->map);
	if (fd < 0)
		return fd;
	if (x->guest)
		x->guest->tables = fd;
	else
		close(fd);
	return 0;
}

static int show_alive(struct xdp_nic *x)
{
	x->alive_fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->alive_fd < 0)
		return -errno;
	return bpf_map_update_elem(x->fds.alive, &x->seat, &x->alive_fd, BPF_ANY);
}

static uint32_t prog_id(int fd)
{
	struct bpf_prog_info info;
	__u32 len = sizeof(info);

	memset(&info, 0, sizeof(info));
	return bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

int xdp_hub_enter(struct xdp_nic *x, struct nic_params *params)
{
	int err = enter(x, params), lock;
	uint32_t prog;

	if (err == 0)
		err = judge_joining(x, params);
	if (err < 0)
		return err;
	prog = prog_id(x->fds.prog);
	lock = lock_seats(prog);
	err = lock < 0 ? lock : sit_down(x, prog);
	if (err == -EUSERS)
		xdp_why(params, err,
			"%s: %d accelerated processes share it already: give this one another interface "
			"(KBACCEL_INTERFACE)",
			x->nic.ifname, HUB_SEATS);
	else if (err < 0)
		xdp_why(params, err, "%s: can not take a seat among the accelerated processes (%s)",
			x->nic.ifname, strerror(-err));
	if (err == 0) {
		err = make_tables(x);
		if (err == 0)
			err = show_alive(x);
		if (err < 0)
			xdp_why_privilege(params, err, "can not make the steering tables");
	}
	if (err == 0)
		err = xdp_open_queues(x, params);
	close_fd(&lock);
	return err;
}

int xdp_hub_add_queue(struct xdp_nic *x, unsigned index, int fd, struct nic_params *params)
{
	uint32_t key = index;
	int err = bpf_map_update_elem(x->fds.xsks, &key, &fd, BPF_ANY);

	if (err < 0)
		return xdp_why_privilege(params, err, "can not enter the queue for steering");
	__atomic_store_n(&x->hub->queue_seat[index], x->seat + 1, __ATOMIC_SEQ_CST);
	return 0;
}

void xdp_hub_drop_queues(struct xdp_nic *x)
{
	for (unsigned i = 0; x->hub && i < HUB_QUEUES; i++)
		if (x->hub->queue_seat[i] == x->seat + 1)
			__atomic_store_n(&x->hub->queue_seat[i], 0, __ATOMIC_SEQ_CST);
}

uint64_t xdp_hub_queues(const struct xdp_nic *x)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < HUB_QUEUES; i++)
		if (x->hub->queue_seat[i])
			mask |= 1ull << i;
	return mask;
}

void xdp_hub_tell_port(struct xdp_nic *x, uint16_t port)
{
	uint32_t bit = 1u << x->seat;

	if (x->map->ports[port])
		__atomic_fetch_or(&x->hub->ports[port], bit, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&x->hub->ports[port], ~bit, __ATOMIC_SEQ_CST);
}
