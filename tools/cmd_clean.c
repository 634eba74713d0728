/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_clean.c - `kbaccel clean`: what outlived its process. With AF_XDP that is nothing: sockets,
 * XDP link, maps and counters are held by file descriptors only. Said here, so that nobody has to
 * look for it.
 */
#include <getopt.h>
#include <stdio.h>

#include "tools/cmd.h"

static const char usage[] =
	"Usage: kbaccel clean\n"
	"Removes what dead processes left behind. The AF_XDP backend leaves nothing: its sockets, its XDP\n"
	"program and its maps are gone when the last process that holds them is.\n";

int cmd_clean(int argc, char **argv)
{
	int status = cmd_only_help(argc, argv, usage);

	if (status >= 0)
		return status;
	if (optind < argc)
		return cmd_misused("clean", "unexpected argument \"%s\"", argv[optind]);
	puts("nothing to clean: AF_XDP sockets, XDP programs, maps and counters end with their processes");
	return STATUS_OK;
}
