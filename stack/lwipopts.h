/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwipopts.h - how lwIP is built for libkbaccel: IPv4, IPv6 and UDP, nothing else.
 *
 * The kernel keeps ARP/ND, ICMP, IGMP/MLD, fragments, routes and addresses (R3), so all of that is off here: lwIP can neither answer
 * nor send anything on its own. There is no thread, timer, pool or allocation inside it: every buffer is a custom
 * pbuf over a NIC frame.
 */
#ifndef STACK_LWIPOPTS_H
#define STACK_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0 /* an engine's lock covers its instance */
#define LWIP_TIMERS 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TCP 0
#define LWIP_UDP 1
#define LWIP_UDPLITE 0
#define LWIP_RAW 0
#define LWIP_DNS 0
#define LWIP_DHCP 0
#define LWIP_AUTOIP 0
#define LWIP_IGMP 0
#define LWIP_ICMP 0
#define LWIP_ARP 0
#define LWIP_ETHERNET 0 /* frames are parsed in lwip_port.c */
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_ICMP6 0
#define LWIP_IPV6_MLD                                                                              \
	1 /* for ip6.c to ask about groups, which lwip_port.c answers; no MLD is spoken */
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_IPV6_FORWARD 0
#define LWIP_IPV6_SCOPES 0	  /* the interface is known from the engine */
#define LWIP_IPV6_NUM_ADDRESSES 1 /* set for each packet, see lwip_port.c */
#define LWIP_ND6_QUEUEING 0
#define LWIP_ND6_ALLOW_RA_UPDATES 0
#define LWIP_ND6_NUM_NEIGHBORS 1
#define LWIP_ND6_NUM_DESTINATIONS 1
#define LWIP_ND6_NUM_PREFIXES 1
#define LWIP_ND6_NUM_ROUTERS 1
#define IP_FORWARD 0
#define IP_OPTIONS_ALLOWED 1 /* lwip_port_input() says whose they are */
#define IP_REASSEMBLY 0	     /* fragments too */
#define LWIP_IPV6_REASS 0
#define IP_FRAG 0 /* datagrams above the MTU go out through the shadow */
#define LWIP_IPV6_FRAG 0

#define MEM_ALIGNMENT 8
#define MEM_LIBC_MALLOC 1 /* never called: no pbuf is allocated by lwIP */
#define MEMP_MEM_MALLOC 1
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_PBUF_REF_T u16_t
#define LWIP_NETIF_TX_SINGLE_PBUF 0
#define LWIP_SINGLE_NETIF 1 /* each engine has its own; no list */
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_MULTICAST_TX_OPTIONS 0
#define SO_REUSE 1
#define SO_REUSE_RXTOALL 0
#define IP_SOF_BROADCAST 0
#define IP_SOF_BROADCAST_RECV 0

/* Received UDP checksums are verified in front of udp_input() (lwip_port.c), where the NIC's verdict and partial sums are known. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 0
#define CHECKSUM_CHECK_IP 1
#define CHECKSUM_CHECK_UDP 0
#define CHECKSUM_GEN_IP 0 /* made last, in lwip_port.c, over DF and ID as Linux sets them */
#define CHECKSUM_GEN_UDP 1
#define LWIP_CHECKSUM_ON_COPY 0
#define LWIP_CHKSUM checksum_lwip

#define LWIP_STATS 0
#ifndef LWIP_NOASSERT
#define LWIP_NOASSERT 1
#endif

#endif
