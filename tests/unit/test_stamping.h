/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stamping.h - a driver that stamps, for a test: what SIOCGHWTSTAMP and ETHTOOL_GET_TS_INFO say to the main thread. A seccomp
 * filter stops its ioctl(), and another thread answers.
 */
#ifndef TESTS_UNIT_TEST_STAMPING_H
#define TESTS_UNIT_TEST_STAMPING_H

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int stamping_filter =
	-1; /* enum hwtstamp_rx_filters that is on; -1: the driver does not know the request */
static _Atomic uint32_t stamping_possible; /* what the driver could do, a bit for each */
static _Atomic unsigned stamping_asked;	   /* how often it was asked what is on */
static _Atomic int stamping_listener = -1;

/*
 * 0, -errno, or 1: the kernel answers. The kernel puts it between the halves of a call, which ThreadSanitizer does not see; inlined, it
 * would be looked at all the same.
 */
static __attribute__((no_sanitize("thread"), noinline)) int
stamping_answer(const struct seccomp_data *call)
{
	struct ifreq *ifr = (struct ifreq *)(uintptr_t)call->args[2];
	struct ethtool_ts_info *info = (void *)ifr->ifr_data;
	struct hwtstamp_config *config = (void *)ifr->ifr_data;

	if ((uint32_t)call->args[1] == SIOCETHTOOL) {
		if (info->cmd != ETHTOOL_GET_TS_INFO)
			return 1;
		info->rx_filters = stamping_possible;
		return 0;
	}
	stamping_asked++;
	if (stamping_filter < 0)
		return -EOPNOTSUPP;
	config->rx_filter = stamping_filter;
	return 0;
}

static inline void *stamping_serve(void *arg)
{
	struct seccomp_notif_resp resp;
	struct seccomp_notif notif;
	int ret;

	while (stamping_listener < 0)
		usleep(100);
	for (;;) {
		notif = (struct seccomp_notif){ .id = 0 };
		if (ioctl(stamping_listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
			continue;
		/* Others' memory is not here; they have the filter, too. */
		ret = notif.pid == (uint32_t)getpid() ? stamping_answer(&notif.data) : 1;
		resp = (struct seccomp_notif_resp){ .id = notif.id, .error = ret < 0 ? ret : 0 };
		resp.flags = ret > 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
		ioctl(stamping_listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
	return arg;
}

/* From now on, for this thread. False: it can not be. */
static inline bool stamping_begin(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCGHWTSTAMP, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCETHTOOL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	pthread_t thread;

	if (pthread_create(&thread, NULL, stamping_serve, NULL) != 0)
		return false;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	stamping_listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
					 SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	return stamping_listener >= 0;
}

#endif
