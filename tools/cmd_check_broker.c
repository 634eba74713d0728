/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_check_broker.c - a caller without privileges: would kbacceld open an interface's queues for it? It is asked, for a moment. */
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "nic/nic.h"
#include "tools/cmd.h"
#include "tools/cmd_check.h"

static bool ask(const struct check_link *link)
{
	struct nic_params params = { .ifname = link->name,
				     .rx_ring = config.rx_ring,
				     .tx_ring = config.tx_ring,
				     .frames = config.frames,
				     .broker = config.broker };
	struct nic *nic;

	if (nic_open("xdp", &params, &nic) < 0) {
		check_report(CHECK_FAIL, NULL, "%s: %s", link->name, params.why);
		return false;
	}
	check_report(CHECK_PASS, NULL, "%s: kbacceld opens queues for this user (%s%s)", link->name,
		     nic->mode, nic->flags & NIC_F_RX_ONLY ? ", sending through the kernel" : "");
	nic_close(nic);
	return true;
}

unsigned check_broker(const struct check_link *links, int n, char **names)
{
	unsigned good = 0;

	if (!config.broker[0] || access(config.broker, F_OK) != 0)
		return 0;
	for (int i = 0; i < n; i++) {
		bool named = !*names;

		for (char **name = names; *name; name++)
			named |= strcmp(*name, links[i].name) == 0;
		if (named && (links[i].flags & IFF_UP) && links[i].type == ARPHRD_ETHER)
			good += ask(&links[i]);
	}
	return good;
}
