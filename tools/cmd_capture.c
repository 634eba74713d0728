/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_capture.c - `kbaccel capture`: a program of its own, since it needs libpcap. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd.h"

#define PROGRAM "kbaccel-capture"

int cmd_capture(int argc, char **argv)
{
	char path[PATH_MAX];

	(void)argc;
	if (cmd_find_file(PROGRAM, path, sizeof(path))) {
		cmd_complain("%s is not installed: make install, or the package that has it",
			     PROGRAM);
		return STATUS_NO;
	}
	execv(path, argv);
	cmd_complain("%s: %s", path, strerror(errno));
	return STATUS_NO;
}
