/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_check.h - between the parts of `kbaccel check`: what is asked of the host, of an interface,
 * and the report.
 */
#ifndef TOOLS_CMD_CHECK_H
#define TOOLS_CMD_CHECK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define CHECK_MAX_LINKS 256

/* NETDEV_XDP_ACT_* of the kernel's netdev family, newer than Debian 12's headers. */
#define CHECK_XDP_REDIRECT 0x2u
#define CHECK_XDP_ZEROCOPY 0x8u

/* What the kernel says about an interface. */
struct check_link {
	int ifindex, master;
	char name[IF_NAMESIZE];
	char driver[32]; /* empty: the driver does not say */
	uint32_t flags;	 /* IFF_* */
	uint16_t type;	 /* ARPHRD_* */
	uint32_t mtu;
	uint32_t rx_queues;
	bool bond;
	uint8_t xdp_attached; /* XDP_ATTACHED_*: a program is there */
	uint32_t xdp_prog;    /* its id, or 0 */
	bool features_known;  /* kernel 6.3 or later */
	uint64_t features;
};

enum check_verdict { CHECK_PASS, CHECK_WARN, CHECK_FAIL };

/* One line: "pass  what", "fail  what - what to do". @advice may be NULL. */
void check_report(enum check_verdict verdict, const char *advice, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Capabilities, kernel and limits; prints its lines. False: this caller can not accelerate anything by AF_XDP. */
bool check_host(void);

/* Is the kernel of this version, or newer? */
bool check_kernel_is(int major, int minor);

/* Bytes that this caller may lock for packet memory. */
uint64_t check_memlock(void);

/* KBACCEL_NIC=verbs: nothing else will do. */
bool check_wants_verbs(void);

/*
 * Tries the verbs backend, if the host has an RDMA device or KBACCEL_NIC asks for it, and prints a line. True: that is what a
 * program will have on the interface.
 */
bool check_verbs(const struct check_link *link);

/*
 * For a caller that can not open anything by itself: asks kbacceld, if it is there, for each interface (@names: those, if there are
 * any), and prints a line. How many it opens.
 */
unsigned check_broker(const struct check_link *links, int n, char **names);

/* All interfaces of this network namespace: how many, or -errno. */
int check_links(struct check_link *links, unsigned max);

/* The name of a loaded BPF program; empty when it may not be asked for. */
void check_program_name(uint32_t id, char name[16]);

/* Has this process the capability (CAP_*)? */
bool check_has_cap(int cap);

#endif
