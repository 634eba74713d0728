/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_prog.c - the XDP program: into the kernel and onto the interface.
 *
 * It hangs on a bpf_link: when the last process that has the link's descriptor closes it, the
 * program is detached, however the processes end. Nothing is pinned, bpffs is not needed.
 */
#include "nic/xdp/xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rawcall.h"
#include "nic/xdp/xdp_cookie.h"
#include "nic/xdp/xdp_generic.h"
#include "nic/xdp/xdp_hub.h"
#include "xdp_steer.skel.h"

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

static int load(struct xdp_nic *x, uint32_t shared_info, struct xdp_steer **out)
{
	struct xdp_steer *bpf = xdp_steer__open();
	int err;

	if (!bpf)
		return -errno;
	bpf->rodata->shared_info = shared_info;
	bpf->rodata->cookie_index = xdp_cookie_index();
	x->knows_cookies = bpf->rodata->cookie_index != 0;
	bpf->rodata->record_len = xdp_record_len(x);
	err = xdp_steer__load(bpf);
	if (err < 0) {
		xdp_steer__destroy(bpf);
		return err;
	}
	*out = bpf;
	return 0;
}

/* A kernel that is locked down lets no program look at its memory: then without. */
static int load_for(struct xdp_nic *x, bool generic, struct xdp_steer **out)
{
	uint32_t shared_info = generic ? xdp_generic_shared_info() : 0;
	int err = shared_info ? load(x, shared_info, out) : -ENOTSUP;

	x->tells_batches = err == 0;
	return err < 0 ? load(x, 0, out) : err;
}

static int own(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int load_and_map(struct xdp_nic *x, bool generic, struct nic_params *params)
{
	struct xdp_steer *bpf;
	int err;

	err = probe_bpf();
	if (err == 0)
		err = load_for(x, generic, &bpf);
	if (err < 0)
		return xdp_why_privilege(params, err, "can not load the steering program");
	x->fds.prog = own(bpf_program__fd(bpf->progs.kbaccel_steer));
	x->fds.hub = own(bpf_map__fd(bpf->maps.bss));
	x->fds.seats = own(bpf_map__fd(bpf->maps.seats));
	x->fds.hosts = own(bpf_map__fd(bpf->maps.hosts));
	x->fds.rings = own(bpf_map__fd(bpf->maps.rings));
	x->fds.xsks = own(bpf_map__fd(bpf->maps.xsks));
	x->fds.alive = own(bpf_map__fd(bpf->maps.alive));
	xdp_steer__destroy(bpf);
	return xdp_hub_map(x, params);
}

static int attach_mode(struct xdp_nic *x, uint32_t mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
	int fd;

	x->hub->version = HUB_VERSION;
	x->hub->record_len = xdp_record_len(x);
	x->hub->flags = (mode == XDP_FLAGS_DRV_MODE ? HUB_NATIVE : 0) |
			(x->tells_batches ? HUB_TELLS : 0) | (x->knows_cookies ? HUB_COOKIES : 0);
	fd = bpf_link_create(x->fds.prog, x->nic.ifindex, BPF_XDP, &opts);
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

	if (!x->generic_only) {
		xdp_hub_leave(x);
		err = load_and_map(x, true, params);
	}
	return err < 0 ? err : attach_mode(x, XDP_FLAGS_SKB_MODE);
}

int xdp_prog_start(struct xdp_nic *x, struct nic_params *params)
{
	int err = load_and_map(x, x->generic_only, params);

	if (err < 0)
		return err;
	err = x->generic_only ? -EOPNOTSUPP : attach_mode(x, XDP_FLAGS_DRV_MODE);
	x->native = err == 0;
	/* A program that is already there would be in the way in the other mode too. */
	if (err < 0 && err != -EBUSY && err != -EEXIST && err != -EPERM)
		err = attach_generic(x, params);
	if (err == -EBUSY || err == -EEXIST)
		return -EEXIST;
	if (err == -EPERM || err == -EACCES)
		return xdp_why_privilege(params, err, "can not attach the steering program");
	if (err < 0)
		return xdp_why(params, -EOPNOTSUPP,
			       "%s takes no XDP program, neither native nor generic (%s): "
			       "Linux 5.18 or newer is needed, or another interface "
			       "(KBACCEL_INTERFACE)",
			       x->nic.ifname, strerror(-err));
	return 0;
}

int xdp_prog_try(struct xdp_nic *x, struct nic_params *params)
{
	int err = load_and_map(x, false, params);

	if (err < 0)
		return err;
	xdp_hub_leave(x);
	return load_and_map(x, true, params);
}
