/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_run_target.h - will LD_PRELOAD have an effect on a program? */
#ifndef TOOLS_CMD_RUN_TARGET_H
#define TOOLS_CMD_RUN_TARGET_H

/*
 * Says on stderr what will keep the dynamic loader from loading the library into @command, if
 * anything.
 */
void run_target_warn(const char *command);

#endif
