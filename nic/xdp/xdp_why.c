/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_why.c - what went wrong while opening, in one line that ends with what to do about it. */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rawcall.h"
#include "nic/xdp/xdp.h"

#define CAPS_REMEDY                                                                                \
	"run as root, as a service with "                                                          \
	"AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_BPF CAP_PERFMON, or beside kbacceld"

int xdp_why(struct nic_params *params, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(params->why, sizeof(params->why), format, ap);
	va_end(ap);
	return err;
}

static bool has_cap(const struct __user_cap_data_struct *data, unsigned cap)
{
	return data[cap / 32].effective >> (cap % 32) & 1;
}

/* Names of the capabilities that this thread lacks, into @text; true if any. */
static bool missing_caps(char *text, size_t len)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	bool all;

	memset(data, 0, sizeof(data));
	if (rawcall6(SYS_capget, (long)&header, (long)data, 0, 0, 0, 0) < 0)
		return false;
	all = has_cap(data, CAP_SYS_ADMIN); /* includes the last two */
	snprintf(text, len, "%s%s%s%s", has_cap(data, CAP_NET_ADMIN) ? "" : " CAP_NET_ADMIN",
		 has_cap(data, CAP_NET_RAW) ? "" : " CAP_NET_RAW",
		 all || has_cap(data, CAP_BPF) ? "" : " CAP_BPF",
		 all || has_cap(data, CAP_PERFMON) ? "" : " CAP_PERFMON");
	return text[0] != '\0';
}

int xdp_why_privilege(struct nic_params *params, int err, const char *what)
{
	char caps[64];

	if ((err == -EPERM || err == -EACCES) && missing_caps(caps, sizeof(caps)))
		return xdp_why(params, -EPERM, "%s: missing%s: " CAPS_REMEDY, what, caps);
	if (err == -EPERM || err == -EACCES)
		return xdp_why(params, -EPERM,
			       "%s: refused (%s) although the capabilities are there: "
			       "a user namespace, security module or memlock limit forbids it; "
			       "run outside of it",
			       what, strerror(-err));
	if (err == -ENOMEM || err == -ENOBUFS)
		return xdp_why(params, err, "%s: %s: free memory or raise the memory cgroup's limit",
			       what, strerror(-err));
	return xdp_why(params, -EOPNOTSUPP, "%s: %s: Linux 5.18 or newer with AF_XDP is needed",
		       what, strerror(-err));
}

/* Number and name of the XDP program on the interface; 0 when that can not be told. */
static uint32_t foreign_prog(int ifindex, char *name, size_t len)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info;
	__u32 info_len = sizeof(info), id;
	int fd;

	snprintf(name, len, "?");
	if (bpf_xdp_query(ifindex, 0, &query) < 0)
		return 0;
	id = query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
	id = id ? id : query.hw_prog_id;
	fd = id ? bpf_prog_get_fd_by_id(id) : -1;
	if (fd < 0)
		return id;
	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) == 0)
		snprintf(name, len, "%s", info.name);
	close(fd);
	return id;
}

int xdp_why_occupied(const struct xdp_nic *x, struct nic_params *params)
{
	const char *ifname = x->nic.ifname;
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id = foreign_prog(x->nic.ifindex, name, sizeof(name));

	if (id && strcmp(name, "kbaccel_steer") == 0)
		return xdp_why(params, -EBUSY,
			       "%s is in use by another accelerated process (XDP program id %u): "
			       "stop it, or give this one another interface (KBACCEL_INTERFACE)",
			       ifname, id);
	return xdp_why(params, -EBUSY,
		       "%s is occupied by another XDP program (id %u, %s): detach it "
		       "(bpftool net; ip link set dev %s xdp off) or set KBACCEL_INTERFACE",
		       ifname, id, name, ifname);
}
