/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_check_verbs.c - is the interface one of an RDMA NIC, whose queues need no kernel? Its queue pair is opened for a moment, with
 * all its memory and without any rule: no datagram comes to it.
 */
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "nic/nic.h"
#include "tools/cmd.h"
#include "tools/cmd_check.h"

bool check_wants_verbs(void)
{
	return strcmp(config.nic, "verbs") == 0;
}

/* Without such a device nobody wants to hear of it, unless he asks for it. */
static bool is_worth_asking(void)
{
	return check_wants_verbs() ||
	       (strcmp(config.nic, "auto") == 0 && access("/sys/class/infiniband_verbs", F_OK) == 0);
}

bool check_verbs(const struct check_link *link)
{
	struct nic_params params = { .ifname = link->name,
				     .rx_ring = config.rx_ring,
				     .tx_ring = config.tx_ring,
				     .frames = config.frames };
	struct nic *nic;

	if (!is_worth_asking())
		return false;
	if (nic_open("verbs", &params, &nic) == 0) {
		check_report(CHECK_PASS, NULL,
			     "%s: %s: the NIC steers to a queue pair of the program's own, MTU %u",
			     link->name, nic->mode, nic->mtu);
		nic_close(nic);
		return true;
	}
	if (check_wants_verbs())
		check_report(CHECK_FAIL, NULL, "%s", params.why);
	else
		check_report(CHECK_WARN, "AF_XDP is used", "%s", params.why);
	return false;
}
