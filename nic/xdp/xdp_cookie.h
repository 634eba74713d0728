/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_cookie.h - where the kernel keeps a socket's cookie (SO_COOKIE), which tells the XDP program one socket from another.
 * Compiled for BPF, too.
 *
 * It is in struct sock_common, at a place that depends on the kernel's configuration. A program that is run once finds it
 * in a socket whose cookie is known, which takes a small part of the time of asking the kernel's BTF.
 */
#ifndef NIC_XDP_XDP_COOKIE_H
#define NIC_XDP_XDP_COOKIE_H

#include <linux/types.h>

#define COOKIE_WORDS                                                                               \
	16 /* of 64 bits, at the head of the socket, that are looked at; a power of two */

/* What xdp_measure.bpf.c is given as a frame: a socket that is bound to the loopback device. It returns the index. */
struct cookie_probe {
	__u64 cookie;
	__u16 port; /* network order */
	__u16 zero[3];
};

#ifndef __bpf__
/* The index of the word with the cookie; 0: not found, or the kernel lets no program look at its memory. */
__u32 xdp_cookie_index(void);
#endif

#endif
