/* SPDX-License-Identifier: BSD-3-Clause */
/* options_ip.c - IPPROTO_IP and SOL_UDP: every name with every sort of value and length, as options_socket.c does. */
/* expect: fast 20 */
#include "options.h"

#define IP(name)                                                                                   \
	{                                                                                          \
#name, IPPROTO_IP, name, { 0 }, ""                                                 \
	}

static const struct opt options[] = {
	{ "IP_TOS", IPPROTO_IP, IP_TOS, { 0x10, 0xb8, 0x1ff }, "" },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, { 64 }, "" },
	IP(IP_HDRINCL),
	IP(IP_OPTIONS),
	IP(IP_ROUTER_ALERT),
	IP(IP_RECVOPTS),
	IP(IP_RETOPTS),
	IP(IP_PKTINFO),
	IP(IP_PKTOPTIONS),
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, { 3, 4, 5, 6 }, "" },
	IP(IP_RECVERR),
	{ "IP_RECVERR_RFC4884", IPPROTO_IP, OPT_IP_RECVERR_RFC4884, { 0 }, "" },
	IP(IP_RECVTTL),
	IP(IP_RECVTOS),
	IP(IP_MTU),
	IP(IP_FREEBIND),
	IP(IP_IPSEC_POLICY),
	IP(IP_XFRM_POLICY),
	IP(IP_PASSSEC),
	IP(IP_TRANSPARENT),
	IP(IP_RECVORIGDSTADDR),
	IP(IP_MINTTL),
	IP(IP_NODEFRAG),
	IP(IP_CHECKSUM),
	IP(IP_BIND_ADDRESS_NO_PORT),
	{ "IP_RECVFRAGSIZE", IPPROTO_IP, OPT_IP_RECVFRAGSIZE, { 0 }, "" },
	IP(IP_MULTICAST_IF),
	IP(IP_MULTICAST_TTL),
	IP(IP_MULTICAST_LOOP),
	IP(IP_ADD_MEMBERSHIP),
	IP(IP_DROP_MEMBERSHIP),
	IP(IP_UNBLOCK_SOURCE),
	IP(IP_BLOCK_SOURCE),
	IP(IP_ADD_SOURCE_MEMBERSHIP),
	IP(IP_DROP_SOURCE_MEMBERSHIP),
	IP(IP_MSFILTER),
	IP(MCAST_JOIN_GROUP),
	IP(MCAST_BLOCK_SOURCE),
	IP(MCAST_UNBLOCK_SOURCE),
	IP(MCAST_LEAVE_GROUP),
	IP(MCAST_JOIN_SOURCE_GROUP),
	IP(MCAST_LEAVE_SOURCE_GROUP),
	IP(MCAST_MSFILTER),
	IP(IP_MULTICAST_ALL),
	IP(IP_UNICAST_IF),
	{ "IP_LOCAL_PORT_RANGE", IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE, { 0x79187918 }, "" },
	{ "IP_PROTOCOL", IPPROTO_IP, OPT_IP_PROTOCOL, { 0 }, "" },
	{ "IP 200", IPPROTO_IP, 200, { 0 }, "" },
	{ "IP -1", IPPROTO_IP, -1, { 0 }, "" },

	{ "UDP_CORK", SOL_UDP, UDP_CORK, { 0 }, "" },
	{ "UDP_ENCAP", SOL_UDP, UDP_ENCAP, { 3 }, "" },
	{ "UDP_NO_CHECK6_TX", SOL_UDP, UDP_NO_CHECK6_TX, { 0 }, "" },
	{ "UDP_NO_CHECK6_RX", SOL_UDP, UDP_NO_CHECK6_RX, { 0 }, "" },
	{ "UDP_SEGMENT", SOL_UDP, UDP_SEGMENT, { 1200, 65535, 65536 }, "" },
	{ "UDP_GRO", SOL_UDP, UDP_GRO, { 0 }, "" },
	{ "UDP 200", SOL_UDP, 200, { 0 }, "" },
	{ "UDPLITE_SEND_CSCOV", SOL_UDP, 10, { 0 }, "" },
};

int main(void)
{
	cf_start();
	probe_all(options, NLEN(options));
	return 0;
}
