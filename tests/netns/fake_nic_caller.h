/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_nic_caller.h - for fake_nic.c: whose ioctl() is being answered, its memory and its privileges. */
#ifndef TESTS_NETNS_FAKE_NIC_CALLER_H
#define TESTS_NETNS_FAKE_NIC_CALLER_H

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

static struct seccomp_notif *req;

static int copy(void *mine, uint64_t theirs, size_t len, bool out)
{
	struct iovec local = { mine, len }, remote = { (void *)(uintptr_t)theirs, len };
	ssize_t n = out ? process_vm_writev((pid_t)req->pid, &local, 1, &remote, 1, 0)
			: process_vm_readv((pid_t)req->pid, &local, 1, &remote, 1, 0);

	return n == (ssize_t)len ? 0 : -EFAULT;
}
static int copy_in(void *mine, uint64_t theirs, size_t len)
{
	return copy(mine, theirs, len, false);
}
static int copy_out(void *mine, uint64_t theirs, size_t len)
{
	return copy(mine, theirs, len, true);
}

/* May the caller change anything? */
static bool is_admin(void)
{
	unsigned long long caps = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/status", req->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps >> CAP_NET_ADMIN & 1;
}

#endif
