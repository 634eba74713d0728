/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_nic.h - the tables of fake_nic.c's NIC, its character, and how frames are sent by them. */
#ifndef TESTS_NETNS_FAKE_NIC_H
#define TESTS_NETNS_FAKE_NIC_H

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "tests/netns/fake_wire.h"

#include "fake_wire.skel.h"

#define MAX_RSS WIRE_RSS
#define MAX_RULES 2048

static struct {
	int queues;
	int rss;     /* entries of its table; 0: it has none */
	int rules;   /* 0: no ntuple rules at all */
	int room;    /* locations */
	int limit;   /* rules that fit, of whatever location */
	int picks;   /* 1: only RX_CLS_LOC_ANY (sfc, bnxt) */
	int ntuple;  /* the switch: 1 on, 0 off (ixgbe, mlx5) */
	int fixed;   /* 1: the switch can not be moved */
	int need;    /* 1: no rules while it is off */
	int any;     /* 0: an address has to be given */
	int address; /* 0: an address can not be given */
	int v6;	     /* 0: no rules for IPv6 (ixgbe) */
	int udp;     /* 0: no rules for UDP (igb) */
	int one_mask; /* 1: all rules of a type look at the same fields (i40e, ice); 2: all rules (ixgbe) */
	int notsupp;   /* 1: says ENOTSUPP where others say EINVAL (mlx5) */
	int busy;      /* so many insertions fail with EBUSY (a reset) */
	int rss_fixed; /* 1: its table can not be written */
	int context; /* 1: there is RSS context 1, of the last queue only, and a rule of an operator's that uses it */
	int stamps; /* 1: the driver can stamp what it receives, all or nothing (mlx5) */
	int filter; /* ... and does: enum hwtstamp_rx_filters, 1 is everything */
} nic = { .queues = 4,
	  .rss = 16,
	  .rules = 1,
	  .room = 64,
	  .limit = MAX_RULES,
	  .ntuple = 1,
	  .need = 1,
	  .any = 1,
	  .address = 1,
	  .v6 = 1,
	  .udp = 1 };

#define FIELD(name)                                                                                \
	{                                                                                          \
#name, &nic.name                                                                   \
	}
static const struct {
	const char *name;
	int *value;
} fields[] = { FIELD(queues),  FIELD(rss),	 FIELD(rules),	 FIELD(room),	  FIELD(limit),
	       FIELD(picks),   FIELD(ntuple),	 FIELD(fixed),	 FIELD(need),	  FIELD(any),
	       FIELD(address), FIELD(v6),	 FIELD(udp),	 FIELD(one_mask), FIELD(notsupp),
	       FIELD(busy),    FIELD(rss_fixed), FIELD(context), FIELD(stamps),	  FIELD(filter) };

static uint32_t table[MAX_RSS];
static struct {
	bool used;
	struct ethtool_rx_flow_spec spec;
	uint32_t context;
} rule[MAX_RULES];
static char ifname[IF_NAMESIZE];

static void default_table(void)
{
	for (int i = 0; i < nic.rss; i++)
		table[i] = (uint32_t)(i % nic.queues);
}

static uint32_t rule_count(void)
{
	uint32_t n = 0;

	for (int i = 0; i < nic.room; i++)
		n += rule[i].used;
	return n;
}

/* An operator's: TCP port 22, spread over context 1. */
static void add_context_rule(void)
{
	rule[0].used = true;
	rule[0].context = 1;
	rule[0].spec = (struct ethtool_rx_flow_spec){ .flow_type = TCP_V4_FLOW | FLOW_RSS };
	rule[0].spec.h_u.tcp_ip4_spec.pdst = htons(22);
	rule[0].spec.m_u.tcp_ip4_spec.pdst = 0xffff;
}

static bool set_field(const char *text)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == len && strncmp(fields[i].name, text, len) == 0 &&
		    text[len]) {
			*fields[i].value = atoi(text + len + 1);
			return true;
		}
	fprintf(stderr, "fake_nic: no \"%s\"\n", text);
	return false;
}

/* ---- the wire ---- */

static struct fake_wire *wire;

static bool tell_rule(struct wire_rule *w, const struct ethtool_rx_flow_spec *s)
{
	bool v6 = s->flow_type == UDP_V6_FLOW;

	if ((s->flow_type != UDP_V4_FLOW && !v6) || s->ring_cookie >= (uint64_t)nic.queues)
		return false;
	*w = (struct wire_rule){ .v6 = v6, .queue = (uint32_t)s->ring_cookie };
	if (v6) {
		w->any = !s->m_u.udp_ip6_spec.ip6dst[0];
		w->port = s->h_u.udp_ip6_spec.pdst;
		memcpy(w->addr, s->h_u.udp_ip6_spec.ip6dst, sizeof(w->addr));
	} else {
		w->any = !s->m_u.udp_ip4_spec.ip4dst;
		w->port = s->h_u.udp_ip4_spec.pdst;
		w->addr[0] = s->h_u.udp_ip4_spec.ip4dst;
	}
	return true;
}

/* In between a frame may go by any queue, as on a NIC that is being set up. */
static void tell_wire(void)
{
	struct wire *w = &wire->bss->wire;
	uint32_t n = 0;

	for (int i = 0; i < nic.room && n < WIRE_RULES; i++)
		if (rule[i].used && tell_rule(&w->rule[n], &rule[i].spec))
			n++;
	w->rules = n;
	memcpy(w->table, table, sizeof(w->table));
	w->entries = nic.rss ? (uint32_t)nic.rss : WIRE_RSS;
}

static int open_wire(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(ifname),
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);
	int err;

	wire = fake_wire__open_and_load();
	if (!wire)
		return -1;
	opts.prog_fd = bpf_program__fd(wire->progs.fake_wire);
	err = bpf_tc_hook_create(&hook);
	return err < 0 ? err : bpf_tc_attach(&hook, &opts);
}

/* For tests to read: one line for the switch, one for the table, one for each rule. */
static void show_rule(FILE *out, int location)
{
	const struct ethtool_rx_flow_spec *s = &rule[location].spec;
	bool v6 = s->flow_type == UDP_V6_FLOW,
	     any = v6 ? !s->m_u.udp_ip6_spec.ip6dst[0] : !s->m_u.udp_ip4_spec.ip4dst;
	char text[INET6_ADDRSTRLEN] = "any";

	if (s->flow_type != UDP_V4_FLOW && !v6) {
		fprintf(out, "other location %d\n", location);
		return;
	}
	if (!any)
		inet_ntop(v6 ? AF_INET6 : AF_INET,
			  v6 ? (const void *)s->h_u.udp_ip6_spec.ip6dst
			     : &s->h_u.udp_ip4_spec.ip4dst,
			  text, sizeof(text));
	fprintf(out, "udp%d %s port %u queue %u location %d\n", v6 ? 6 : 4, text,
		ntohs(v6 ? s->h_u.udp_ip6_spec.pdst : s->h_u.udp_ip4_spec.pdst),
		(unsigned)s->ring_cookie, location);
}

static void show_tables(FILE *out)
{
	fprintf(out, "ntuple %d\nrss", nic.ntuple);
	for (int i = 0; i < nic.rss; i++)
		fprintf(out, " %u", table[i]);
	fputc('\n', out);
	for (int i = 0; i < nic.room; i++)
		if (rule[i].used)
			show_rule(out, i);
}

#endif
