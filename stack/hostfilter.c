/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostfilter.c - see hostfilter.h. nf_tables (and iptables, where it is a front end of it) is asked for its base chains, the
 * older iptables for the names of its tables. Asking must not load a module into the kernel.
 */
#define _GNU_SOURCE
#include "stack/hostfilter.h"

#include <fcntl.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "stack/netlink.h"

#define MAX_PARTS 64 /* of the dump: enough to name some chains */

static union {
	struct nlmsghdr first;
	char text[16384];
} buf;
static char found[160]; /* what is hooked in, for the message */

/* Reads the beginning of a file; its length, or less than 0: there is none. */
static long read_file(const char *path)
{
	long fd = own_call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0), n;

	if (fd < 0)
		return -1;
	n = own_call6(SYS_read, fd, (long)buf.text, sizeof(buf) - 1, 0, 0, 0);
	own_call6(SYS_close, fd, 0, 0, 0, 0, 0);
	buf.text[n > 0 ? n : 0] = '\0';
	return n;
}

static void note(const char *what, const char *table, const char *chain)
{
	size_t used = strlen(found);

	snprintf(found + used, sizeof(found) - used, "%s%s %s%s%s", used ? ", " : "", what, table,
		 *chain ? " " : "", chain);
}

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_NETDEV:
		return "netdev";
	default: /* ARP and bridges filter nothing of ours */
		return NULL;
	}
}

/* A chain counts if it is hooked in somewhere. */
static void look_at_chain(const struct nlmsghdr *msg)
{
	const struct nfgenmsg *head = NLMSG_DATA(msg);
	const struct rtattr *tb[NFTA_CHAIN_HOOK + 1];
	const char *family;

	if (!netlink_msg_attrs(msg, sizeof(*head), tb, NFTA_CHAIN_HOOK))
		return;
	family = family_name(head->nfgen_family);
	if (family && tb[NFTA_CHAIN_HOOK] && netlink_len(tb[NFTA_CHAIN_TABLE]) &&
	    netlink_len(tb[NFTA_CHAIN_NAME]))
		note(family, netlink_data(tb[NFTA_CHAIN_TABLE]), netlink_data(tb[NFTA_CHAIN_NAME]));
}

/* One part of the answer; false: it was the last. */
static bool look_at_part(size_t left)
{
	const struct nlmsghdr *msg = &buf.first;

	for (; NLMSG_OK(msg, left); msg = NLMSG_NEXT(msg, left)) {
		if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR)
			return false;
		if (msg->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN))
			look_at_chain(msg);
	}
	return true;
}

static void ask_nf_tables(void)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg body;
	} req = { .head = { .nlmsg_len = sizeof(req),
			    .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		  .body = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 } };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	long fd, n;

	fd = own_call6(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER, 0, 0, 0);
	if (fd < 0)
		return;
	n = own_call6(SYS_sendto, fd, (long)&req, sizeof(req), MSG_DONTWAIT, (long)&kernel,
		      sizeof(kernel));
	for (int i = 0; n > 0 && i < MAX_PARTS; i++) {
		n = own_call6(SYS_recvfrom, fd, (long)&buf, sizeof(buf), MSG_DONTWAIT, 0, 0);
		if (n <= 0 || !look_at_part((size_t)n))
			break;
	}
	own_call6(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* A kernel without loadable modules has no such file. */
static bool may_ask_nf_tables(void)
{
	return read_file("/proc/modules") < 0 || strstr(buf.text, "nf_tables ");
}

/* One name in each line. */
static void look_at_names(const char *path, const char *what)
{
	char *name, *rest;

	if (read_file(path) <= 0)
		return;
	for (name = strtok_r(buf.text, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest))
		note(what, name, "");
}

void hostfilter_warn(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	if (may_ask_nf_tables())
		ask_nf_tables();
	look_at_names("/proc/net/ip_tables_names", "iptables");
	look_at_names("/proc/net/ip6_tables_names", "ip6tables");
	if (found[0])
		log_warn("accelerated datagrams do not pass the packet filter here (%s): ports that "
			 "depend on its rules do not belong into KBACCEL_PORTS",
			 found);
}
