/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * early.c - interfaces opened before the first socket is bound (contract in stack.h): some servers give up their privileges first
 * and bind afterwards, with nothing but CAP_NET_BIND_SERVICE left.
 */
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/config.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/rawcall.h"
#include "stack/fdtable.h"
#include "stack/stack.h"

#define BIT(cap) (1ull << (cap))

/* Is this enough to open an interface? The last two are parts of CAP_SYS_ADMIN, too. */
static bool suffices(uint64_t caps)
{
	uint64_t net = BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW);
	uint64_t bpf = BIT(CAP_BPF) | BIT(CAP_PERFMON);

	return (caps & net) == net && ((caps & bpf) == bpf || (caps & BIT(CAP_SYS_ADMIN)));
}

static uint64_t effective(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof(data));
	if (rawcall6(SYS_capget, (long)&header, (long)data, 0, 0, 0, 0) < 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* What the sockets that may come need, by the addresses that were chosen. Failures are told at bind(), if there is one. */
static void open_chosen(void)
{
	static const struct ipaddr any;
	char why[NIC_WHY_LEN];

	if (stack_init(why) < 0)
		return;
	for (unsigned i = 0; i < config.port_rules; i++)
		stack_open_ifaces(&config.ports[i].addr, 0, why);
	if (config.all_ports)
		stack_open_ifaces(&any, 0, why);
	if (stack.ifaces)
		log_info("opened before the program binds, since it gives up its privileges");
}

void stack_open_early_slow(uint64_t left)
{
	/* Not in the child of a vfork(), whose memory is its parent's while its descriptors are its own. */
	if (suffices(left) || !suffices(effective()) || stack_is_confined() ||
	    fdtable_is_foreign() || !lock_try(&stack.lock))
		return;
	if (!stack.ifaces)
		open_chosen();
	lock_release(&stack.lock);
}
