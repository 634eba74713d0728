/* SPDX-License-Identifier: BSD-3-Clause */
/* options_ipv6.c - IPPROTO_IPV6: every name with every sort of value and length, as options_socket.c does. */
/* expect: fast 20 */
#include "options.h"

#define IPV6(name)                                                                                 \
	{                                                                                          \
#name, IPPROTO_IPV6, name, { 0 }, ""                                               \
	}
#define IPV6_OPT(name)                                                                             \
	{                                                                                          \
#name, IPPROTO_IPV6, OPT_##name, { 0 }, ""                                         \
	}

static const struct opt options[] = {
	{ "IPV6_ADDRFORM", IPPROTO_IPV6, IPV6_ADDRFORM, { AF_INET6 }, "" },
	IPV6_OPT(IPV6_2292PKTINFO),
	IPV6_OPT(IPV6_2292HOPOPTS),
	IPV6_OPT(IPV6_2292DSTOPTS),
	IPV6_OPT(IPV6_2292RTHDR),
	IPV6_OPT(IPV6_2292PKTOPTIONS),
	IPV6(IPV6_CHECKSUM),
	IPV6_OPT(IPV6_2292HOPLIMIT),
	IPV6(IPV6_NEXTHOP),
	IPV6(IPV6_AUTHHDR),
	IPV6_OPT(IPV6_FLOWINFO),
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, { 64 }, "" },
	IPV6(IPV6_MULTICAST_IF),
	IPV6(IPV6_MULTICAST_HOPS),
	IPV6(IPV6_MULTICAST_LOOP),
	IPV6(IPV6_JOIN_GROUP),
	IPV6(IPV6_LEAVE_GROUP),
	IPV6(IPV6_ROUTER_ALERT),
	{ "IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER, { 3, 4, 5, 6 }, "" },
	{ "IPV6_MTU", IPPROTO_IPV6, IPV6_MTU, { 1279, 1280, 1400, 9000 }, "" },
	IPV6(IPV6_RECVERR),
	IPV6(IPV6_V6ONLY),
	IPV6(IPV6_JOIN_ANYCAST),
	IPV6(IPV6_LEAVE_ANYCAST),
	IPV6_OPT(IPV6_MULTICAST_ALL),
	IPV6_OPT(IPV6_ROUTER_ALERT_ISOLATE),
	IPV6_OPT(IPV6_RECVERR_RFC4884),
	IPV6_OPT(IPV6_FLOWLABEL_MGR),
	IPV6_OPT(IPV6_FLOWINFO_SEND),
	IPV6(IPV6_IPSEC_POLICY),
	IPV6(IPV6_XFRM_POLICY),
	IPV6(IPV6_HDRINCL),
	IPV6(IPV6_RECVPKTINFO),
	IPV6(IPV6_PKTINFO),
	IPV6(IPV6_RECVHOPLIMIT),
	IPV6(IPV6_HOPLIMIT),
	IPV6(IPV6_RECVHOPOPTS),
	IPV6(IPV6_HOPOPTS),
	IPV6(IPV6_RTHDRDSTOPTS),
	IPV6(IPV6_RECVRTHDR),
	IPV6(IPV6_RTHDR),
	IPV6(IPV6_RECVDSTOPTS),
	IPV6(IPV6_DSTOPTS),
	IPV6(IPV6_RECVPATHMTU),
	IPV6(IPV6_PATHMTU),
	IPV6(IPV6_DONTFRAG),
	IPV6(IPV6_RECVTCLASS),
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, { 0x10, 0xb8, 0x1ff }, "" },
	IPV6_OPT(IPV6_AUTOFLOWLABEL),
	{ "IPV6_ADDR_PREFERENCES",
	  IPPROTO_IPV6,
	  OPT_IPV6_ADDR_PREFERENCES,
	  { 0x100, 0x400, 0x800, 0x402 },
	  "" },
	IPV6_OPT(IPV6_MINHOPCOUNT),
	IPV6_OPT(IPV6_ORIGDSTADDR),
	IPV6(IPV6_TRANSPARENT),
	IPV6(IPV6_UNICAST_IF),
	IPV6_OPT(IPV6_RECVFRAGSIZE),
	IPV6(IPV6_FREEBIND),
	{ "IPV6 200", IPPROTO_IPV6, 200, { 0 }, "" },
	{ "IPV6 -1", IPPROTO_IPV6, -1, { 0 }, "" },
};

int main(void)
{
	cf_start();
	probe_all(options, NLEN(options));
	return 0;
}
