/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_prog.c - the XDP program: into the kernel, onto the interface, and off again.
 *
 * It hangs on a bpf_link: closing the link's descriptor detaches it, however the process ends. Its
 * tables are mapped here; once the queues are in, all other descriptors are closed, since the link
 * holds the program and the program its maps. Nothing is pinned, bpffs is not needed.
 */
#include "nic/xdp/xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rawcall.h"
#include "nic/xdp/xdp_generic.h"
#include "xdp_steer.skel.h"

static size_t map_len(void)
{
	return (sizeof(struct steer_map) + 4095) & ~(size_t)4095;
}

/*
 * libbpf raises RLIMIT_MEMLOCK when it finds a kernel that charges BPF memory to it, and it takes
 * every failure of this same test for such a kernel. The host's limits are its own: what fails here
 * never gets to libbpf.
 */
static int probe_bpf(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_coarse_ns },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.license = (uintptr_t) "GPL";
	fd = rawcall6(SYS_bpf, BPF_PROG_LOAD, (long)&attr, sizeof(attr), 0, 0, 0);
	if (fd < 0)
		return (int)fd;
	rawcall6(SYS_close, fd, 0, 0, 0, 0, 0);
	return 0;
}

static int load(struct xdp_nic *x, uint32_t shared_info)
{
	int err;

	x->bpf = xdp_steer__open();
	if (!x->bpf)
		return -errno;
	x->bpf->rodata->shared_info = shared_info;
	err = xdp_steer__load(x->bpf);
	if (err < 0)
		xdp_prog_seal(x);
	return err;
}

/* A kernel that is locked down lets no program look at its memory: then without. */
static int load_for(struct xdp_nic *x, bool generic)
{
	uint32_t shared_info = generic ? xdp_generic_shared_info() : 0;
	int err = shared_info ? load(x, shared_info) : -ENOTSUP;

	x->tells_batches = err == 0;
	return err < 0 ? load(x, 0) : err;
}

static int load_and_map(struct xdp_nic *x, bool generic, struct nic_params *params)
{
	void *map;
	int err;

	err = probe_bpf();
	if (err == 0)
		err = load_for(x, generic);
	if (err < 0)
		return xdp_why_privilege(params, err, "can not load the steering program");
	map = mmap(NULL, map_len(), PROT_READ | PROT_WRITE, MAP_SHARED,
		   bpf_map__fd(x->bpf->maps.bss), 0);
	if (map == MAP_FAILED)
		return xdp_why_privilege(params, -errno, "can not map the steering tables");
	x->map = map;
	steer_map_init(x->map, &x->nic, x->frame_size - XDP_HEADROOM);
	return 0;
}

int xdp_prog_load(struct xdp_nic *x, struct nic_params *params)
{
	return load_and_map(x, x->loopback, params);
}

static int attach_mode(struct xdp_nic *x, uint32_t mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
	int fd = bpf_link_create(bpf_program__fd(x->bpf->progs.kbaccel_steer), x->nic.ifindex,
				 BPF_XDP, &opts);

	if (fd < 0)
		return fd;
	rawcall6(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0, 0, 0);
	x->link_fd = fd;
	return 0;
}

/* The program for generic mode is another one. */
static int attach_generic(struct xdp_nic *x, struct nic_params *params)
{
	int err = 0;

	if (!x->loopback) {
		xdp_prog_detach(x);
		err = load_and_map(x, true, params);
	}
	return err < 0 ? err : attach_mode(x, XDP_FLAGS_SKB_MODE);
}

int xdp_prog_attach(struct xdp_nic *x, struct nic_params *params)
{
	int err = -EOPNOTSUPP;

	if (!x->loopback)
		err = attach_mode(x, XDP_FLAGS_DRV_MODE);
	x->native = err == 0;
	/* A program that is already there would be in the way in the other mode too. */
	if (err < 0 && err != -EBUSY && err != -EEXIST && err != -EPERM)
		err = attach_generic(x, params);
	if (err == -EBUSY || err == -EEXIST)
		return xdp_why_occupied(x, params);
	if (err == -EPERM || err == -EACCES)
		return xdp_why_privilege(params, err, "can not attach the steering program");
	if (err < 0)
		return xdp_why(params, -EOPNOTSUPP,
			       "%s takes no XDP program, neither native nor generic (%s): "
			       "Linux 5.18 or newer is needed, or another interface "
			       "(KBACCEL_INTERFACE)",
			       x->nic.ifname, strerror(-err));
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

int xdp_prog_add_queue(struct xdp_nic *x, unsigned index, int fd, struct nic_params *params)
{
	uint32_t key = index;
	int err = bpf_map_update_elem(bpf_map__fd(x->bpf->maps.xsks), &key, &fd, BPF_ANY);

	if (err < 0)
		return xdp_why_privilege(params, err, "can not enter the queue for steering");
	return 0;
}

void xdp_prog_seal(struct xdp_nic *x)
{
	xdp_steer__destroy(x->bpf);
	x->bpf = NULL;
}

void xdp_prog_detach(struct xdp_nic *x)
{
	if (x->link_fd >= 0)
		close(x->link_fd);
	x->link_fd = -1;
	if (x->map)
		munmap(x->map, map_len());
	x->map = NULL;
	xdp_prog_seal(x);
}
