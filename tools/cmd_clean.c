/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_clean.c - `kbaccel clean`: what outlived its process. Sockets, XDP link, maps and counters are held by file descriptors
 * only; an RSS table and ntuple rules are the NIC's, and what was changed there is on record (nic/ethtool/record.h).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "nic/ethtool/claim.h"
#include "tools/cmd.h"

static const char usage[] =
	"Usage: kbaccel clean\n"
	"Undoes what processes with RX queues of their own (KBACCEL_QUEUES) have changed on NICs of this network\n"
	"namespace and not undone before they ended: steering rules, RSS tables. What somebody else has changed\n"
	"since stays as it is. There is nothing else to be cleaned: sockets, XDP programs, maps and counters are\n"
	"gone when the last process that holds them is. As root; also in a unit, ExecStopPost=+kbaccel clean.\n";

int cmd_clean(int argc, char **argv)
{
	int status = cmd_only_help(argc, argv, usage), n;
	unsigned others;

	if (status >= 0)
		return status;
	if (optind < argc)
		return cmd_misused("clean", "unexpected argument \"%s\"", argv[optind]);
	n = claim_reap(NULL, &others);
	if (n < 0) {
		cmd_complain("not everything could be undone: %s%s", strerror(-n),
			     n == -EPERM || n == -EACCES ? ": run as root" : "");
		return STATUS_NO;
	}
	if (n == 0)
		puts("nothing to clean: nothing is left of processes that have ended");
	else
		printf("cleaned up after %d process%s: RX queues are in the RSS table again, steering rules removed\n",
		       n, n == 1 ? "" : "es");
	if (others)
		printf("%u record%s of other network namespaces: to be cleaned there\n", others,
		       others == 1 ? "" : "s");
	return STATUS_OK;
}
