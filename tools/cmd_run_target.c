/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_run_target.c - see cmd_run_target.h. The dynamic loader silently ignores LD_PRELOAD for
 * set-uid programs, and a static program has no dynamic loader at all: both would run on the kernel
 * path without a word.
 */
#define _GNU_SOURCE
#include "tools/cmd_run_target.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/cmd.h"

/* The file that execvp() will take; the descriptor or -1. */
static int open_command(const char *command)
{
	const char *dir = getenv("PATH");
	char path[PATH_MAX];
	size_t n;

	if (strchr(command, '/'))
		return open(command, O_RDONLY | O_CLOEXEC);
	for (; dir && *dir; dir += n + (dir[n] != '\0')) {
		n = strcspn(dir, ":");
		snprintf(path, sizeof(path), "%.*s%s%s", (int)n, dir, n ? "/" : "", command);
		if (access(path, X_OK) == 0)
			return open(path, O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

/*
 * True for an ELF program of our own kind that names no loader; scripts and others get the benefit
 * of the doubt.
 */
static bool is_static(int fd)
{
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	unsigned i;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
		return false;
	for (i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &part, sizeof(part), (off_t)(head.e_phoff + i * sizeof(part))) !=
		    sizeof(part))
			return false;
		if (part.p_type == PT_INTERP)
			return false;
	}
	return true;
}

void run_target_warn(const char *command)
{
	struct stat st;
	int fd = open_command(command);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
				    ((st.st_mode & S_ISGID) && st.st_gid != getegid())))
		cmd_complain("warning: %s is set-uid or set-gid, so it will not be accelerated: run it "
			     "as its owner instead",
			     command);
	else if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		cmd_complain("warning: %s has file capabilities, so it will not be accelerated: grant "
			     "ambient capabilities instead (setpriv --ambient-caps)",
			     command);
	else if (is_static(fd))
		cmd_complain("warning: %s is statically linked, so it will not be accelerated",
			     command);
	close(fd);
}
