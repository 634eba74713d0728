/* SPDX-License-Identifier: BSD-3-Clause */
/* verbs_why.c - what went wrong, in one line that ends with what to do about it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "nic/verbs/verbs.h"

#define RAW_REMEDY                                                                                 \
	"run as root, or as a service with AmbientCapabilities=CAP_NET_RAW (in a user namespace "  \
	"kernels before 6.17 refuse it in any case)"

int verbs_why(struct nic_params *params, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(params->why, sizeof(params->why), format, ap);
	va_end(ap);
	return err;
}

static const char *device_of(const struct verbs_nic *v)
{
	return v->ctx ? v->ctx->device->name : "no device";
}

int verbs_why_call(const struct verbs_nic *v, struct nic_params *params, int err, const char *what)
{
	const char *ifname = v->nic.ifname, *device = device_of(v);

	switch (err) {
	case EPERM:
	case EACCES:
		return verbs_why(params, -EPERM, "%s (%s): %s: missing CAP_NET_RAW: " RAW_REMEDY,
				 ifname, device, what);
	case ENOMEM:
	case EAGAIN:
		return verbs_why(params, -ENOMEM,
				 "%s (%s): %s: no memory that may be locked: `ulimit -l "
				 "unlimited` or LimitMEMLOCK=infinity, or CAP_IPC_LOCK, or lower "
				 "KBACCEL_FRAMES and KBACCEL_RX_RING",
				 ifname, device, what);
	case EINVAL:
	case ENOSYS:
	case EOPNOTSUPP:
		return verbs_why(params, -EOPNOTSUPP,
				 "%s (%s): %s: the device has no raw packet queues (mlx5 and mlx4 "
				 "have) or none of this size: KBACCEL_NIC=xdp",
				 ifname, device, what);
	case EIO:
	case ENODEV:
		return verbs_why(params, -ENODEV,
				 "%s (%s): %s: the device was removed or is in reset: try again, "
				 "or KBACCEL_NIC=xdp",
				 ifname, device, what);
	default:
		return verbs_why(params, -err, "%s (%s): %s: %s: KBACCEL_NIC=xdp does without it",
				 ifname, device, what, strerrordesc_np(err));
	}
}

static int rule(struct verbs_nic *v, int err, const char *why)
{
	v->nic.steer_why = why;
	return err;
}

int verbs_why_rule(struct verbs_nic *v, int err, bool v6)
{
	switch (err) {
	case EEXIST:
		return rule(
			v, -EEXIST,
			"another process has the same rule in the NIC: stop it, or give it another port");
	case EPERM:
	case EACCES:
		return rule(v, -EPERM,
			    "a rule in the NIC takes CAP_NET_RAW when the program first waits: "
			    "AmbientCapabilities=CAP_NET_RAW, or KBACCEL_NIC=xdp");
	case ENOMEM:
	case ENOSPC:
		return rule(v, -ENOSPC,
			    "the NIC has no room for another rule: narrow KBACCEL_PORTS");
	case EIO:
	case ENODEV:
		return rule(v, -ENODEV, "the device was removed or is in reset: try again later");
	case EINVAL:
	case ENOSYS:
	case EOPNOTSUPP:
		if (v6)
			return rule(v, -EOPNOTSUPP, "the NIC can not steer IPv6: KBACCEL_NIC=xdp");
		return rule(v, -EOPNOTSUPP,
			    "the NIC does not steer: on mlx4 set `options mlx4_core "
			    "log_num_mgm_entry_size=-1` and reload, or KBACCEL_NIC=xdp");
	default:
		return rule(v, -err, NULL);
	}
}

void verbs_broken(struct verbs_nic *v, const char *how)
{
	char text[128];

	if (__atomic_exchange_n(&v->nic.broken, true, __ATOMIC_RELAXED) || !v->log)
		return;
	snprintf(text, sizeof(text), "%s (%s): %s", v->nic.ifname, device_of(v), how);
	v->log(LOG_LEVEL_INFO, text);
}
