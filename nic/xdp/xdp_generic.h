/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_generic.h - what the XDP program knows of the kernel's own structures, in generic mode only.
 *
 * There a frame is a socket buffer, and one that a sender on this host left to be cut (UDP_SEGMENT),
 * or that was joined for a socket with UDP_GRO, looks like one datagram. Only its skb_shared_info,
 * behind the packet's memory, says that it is several. Compiled for BPF too.
 */
#ifndef NIC_XDP_XDP_GENERIC_H
#define NIC_XDP_XDP_GENERIC_H

#include <linux/types.h>

/* The head of struct xdp_buff, which is what the context of an XDP program points to. */
struct generic_xdp_buff {
	__u64 data;
	__u64 data_end;
	__u64 data_meta;
	__u64 data_hard_start;
	__u64 rxq;
	__u64 txq;
	__u32 frame_sz;
};

/* The head of struct skb_shared_info. */
struct generic_shared_info {
	__u8 flags;
	__u8 meta_len;
	__u8 nr_frags;
	__u8 tx_flags;
	__u16 gso_size;
};

#ifndef __bpf__
/*
 * How many bytes before the end of a frame's memory its skb_shared_info begins. 0: the kernel does
 * not tell (no BTF), or its structures do not begin like those above.
 */
__u32 xdp_generic_shared_info(void);
#endif

#endif
