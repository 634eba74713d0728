/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_cookie.c - finds where the kernel keeps a socket's cookie, by sockets made for it (xdp_cookie.h).
 *
 * By system calls of our own: the library must not take them for some of the program's.
 */
#include "nic/xdp/xdp_cookie.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/rawcall.h"
#include "xdp_measure.skel.h"

/* Bound to a port of the loopback device only, whether that is up or not. */
static bool bind_probe(int fd, struct cookie_probe *probe)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa), cookie_len = sizeof(probe->cookie);

	memset(probe, 0, sizeof(*probe));
	if (rawcall6(SYS_setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, (long)"lo", sizeof("lo"), 0) <
		    0 ||
	    rawcall6(SYS_bind, fd, (long)&sa, sizeof(sa), 0, 0, 0) < 0 ||
	    rawcall6(SYS_getsockname, fd, (long)&sa, (long)&len, 0, 0, 0) < 0 ||
	    rawcall6(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, (long)&probe->cookie,
		     (long)&cookie_len, 0) < 0)
		return false;
	probe->port = sa.sin_port;
	return true;
}

static __u32 measure(int prog)
{
	struct cookie_probe probe;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &probe, .data_size_in = sizeof(probe),
		    .repeat = 1);
	int fd = (int)rawcall6(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
	__u32 index = 0;

	if (fd < 0)
		return 0;
	if (bind_probe(fd, &probe) && bpf_prog_test_run_opts(prog, &run) == 0 &&
	    run.retval < COOKIE_WORDS)
		index = run.retval;
	rawcall6(SYS_close, fd, 0, 0, 0, 0, 0);
	return index;
}

__u32 xdp_cookie_index(void)
{
	struct xdp_measure *bpf = xdp_measure__open_and_load();
	__u32 index = 0, again = 0;
	int prog;

	if (bpf) {
		prog = bpf_program__fd(bpf->progs.kbaccel_measure);
		index = measure(prog);
		again = measure(prog);
	}
	xdp_measure__destroy(bpf);
	/* Another word may be the cookie by chance, but not those of two sockets. */
	return index == again ? index : 0;
}
