/* SPDX-License-Identifier: BSD-3-Clause */
/* echo_plain.c: `echo_plain ADDRESS PORT`, a blocking UDP echo server that calls libc. */
#include "echo.h"

int main(int argc, char **argv)
{
	int fd = argc == 3 ? echo_socket(argv[1], argv[2], 0) : -1;

	if (fd < 0)
		return 1;
	while (1)
		echo_drain(fd);
}
