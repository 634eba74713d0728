/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_check.c - `kbaccel check`: what stands in the way of acceleration, each line with what to do
 * about it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#include "base/config.h"
#include "nic/ethtool/claim.h"
#include "nic/nic.h"
#include "tools/cmd.h"
#include "tools/cmd_check.h"

#define OWN_PROGRAM "kbaccel_steer"

/* As the AF_XDP backend cuts its packet memory: the smaller frame that holds the MTU, and headroom. */
#define SMALL_FRAME 2048
#define LARGE_FRAME 4096
#define FRAME_OVERHEAD (256 + 18)

static const char usage[] =
	"Usage: kbaccel check [INTERFACE...]\n"
	"Tells whether this host, this user and the interfaces (default: all that are up) can accelerate, one\n"
	"line each: `pass`, `warn` or `fail`, what, and what to do about it. Nothing is attached or changed.\n\n"
	"Exit status: 0 if at least one interface can be accelerated, else 1. Loopback, which can only receive\n"
	"past the kernel, counts when it is named.\n";

void check_report(enum check_verdict verdict, const char *advice, const char *format, ...)
{
	static const char *const words[] = { "pass", "warn", "fail" };
	va_list ap;

	printf("%s  ", words[verdict]);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("%s%s\n", advice ? " - " : "", advice ? advice : "");
}

static bool is_loopback(const struct check_link *link)
{
	return link->flags & IFF_LOOPBACK;
}

static bool check_usable(const struct check_link *link)
{
	char advice[64];

	if (!(link->flags & IFF_UP)) {
		snprintf(advice, sizeof(advice), "ip link set %s up", link->name);
		check_report(CHECK_FAIL, advice, "%s: is down", link->name);
		return false;
	}
	if (link->type != ARPHRD_ETHER && !is_loopback(link)) {
		check_report(CHECK_FAIL, "use an Ethernet interface",
			     "%s: is not Ethernet (type %u)", link->name, link->type);
		return false;
	}
	if (!(link->flags & IFF_RUNNING))
		check_report(CHECK_WARN, "check the cable or the peer", "%s: no carrier",
			     link->name);
	if (link->master)
		check_report(CHECK_WARN,
			     "check and use that one, which has the addresses; a VRF's are the "
			     "kernel's",
			     "%s: is a port of another interface", link->name);
	return true;
}

/* Someone else's program is left alone, so it is in the way. */
static bool check_attached(const struct check_link *link)
{
	static const char *const modes[] = { "", "xdpdrv", "xdpgeneric", "xdpoffload", "xdp" };
	char name[16], advice[96];
	unsigned mode = link->xdp_attached;

	if (mode == XDP_ATTACHED_NONE) {
		check_report(CHECK_PASS, NULL, "%s: no XDP program in the way", link->name);
		return true;
	}
	check_program_name(link->xdp_prog, name);
	if (strncmp(name, OWN_PROGRAM, sizeof(OWN_PROGRAM) - 1) == 0) {
		if (check_has_cap(CAP_SYS_ADMIN)) {
			check_report(CHECK_PASS, NULL,
				     "%s: in use by a process with libkbaccel; others may share it",
				     link->name);
			return true;
		}
		check_report(
			CHECK_WARN,
			"grant CAP_SYS_ADMIN, or stop that one (`kbaccel stat` lists it)",
			"%s: in use by a process with libkbaccel: to share it takes CAP_SYS_ADMIN",
			link->name);
		return false;
	}
	snprintf(advice, sizeof(advice), "stop its owner, or: ip link set dev %s %s off",
		 link->name, mode < sizeof(modes) / sizeof(modes[0]) ? modes[mode] : "xdp");
	check_report(CHECK_FAIL, advice, "%s: XDP program %u %s%s%sis attached", link->name,
		     link->xdp_prog, name[0] ? "(" : "", name, name[0] ? ") " : "");
	return false;
}

/* Drivers with native XDP redirection, for kernels that do not say (before 6.3). */
static bool driver_is_native(const char *driver)
{
	static const char *const known[] = {
		"veth",	     "virtio_net", "tun",    "mlx4_en", "mlx5_core", "i40e",
		"iavf",	     "ice",	   "ixgbe",  "ixgbevf", "igb",	     "igc",
		"ena",	     "bnxt_en",	   "nfp",    "qede",	"sfc",	     "nicvf",
		"hv_netvsc", "stmmac",	   "mvneta", "mvpp2",	"dpaa2-eth", "fsl_dpaa2_eth",
		"cpsw",	     "netsec",	   "vif",    "gve",	"atlantic",  "vmxnet3",
		"mana",
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], driver) == 0)
			return true;
	return false;
}

static void check_mode(const struct check_link *link)
{
	bool native = link->bond	     ? false
		      : link->features_known ? link->features & CHECK_XDP_REDIRECT
					     : driver_is_native(link->driver);

	if (is_loopback(link))
		check_report(CHECK_WARN, "for trying out only",
			     "%s: loopback: generic XDP, received past the kernel, sent by it",
			     link->name);
	else if (native)
		check_report(CHECK_PASS, NULL, "%s: driver %s: native XDP%s", link->name,
			     link->driver,
			     link->features & CHECK_XDP_ZEROCOPY ? ", zero copy" : ", copy mode");
	else
		check_report(
			CHECK_WARN,
			link->bond
				? "works, but slower: driver mode would be that of its ports, whose frames are not the bond's"
				: "works, but slower: prefer a NIC whose driver has native XDP",
			"%s: driver %s: generic XDP", link->name,
			link->driver[0] ? link->driver : "unknown");
}

static uint64_t packet_memory(const struct check_link *link)
{
	uint64_t frame = link->mtu + FRAME_OVERHEAD <= SMALL_FRAME ? SMALL_FRAME : LARGE_FRAME;

	return frame * config.frames * MIN(link->rx_queues, NIC_MAX_QUEUES);
}

static bool check_memory(const struct check_link *link)
{
	uint64_t need = packet_memory(link), have = check_memlock();
	char advice[160];

	if (need <= have)
		return true;
	snprintf(advice, sizeof(advice),
		 "grant CAP_IPC_LOCK, or ulimit -l %llu, or fewer KBACCEL_FRAMES (now %u), or fewer "
		 "queues: ethtool -L %s combined 1",
		 (unsigned long long)(need / 1024), config.frames, link->name);
	check_report(CHECK_FAIL, advice,
		     "%s: %llu KiB of packet memory, but %llu KiB may be locked", link->name,
		     (unsigned long long)(need / 1024), (unsigned long long)(have / 1024));
	return false;
}

/* A frame that no chunk holds comes in several, where the kernel can do that. */
static void check_jumbo(const struct check_link *link)
{
	if (is_loopback(link) || link->mtu + FRAME_OVERHEAD <= LARGE_FRAME)
		return;
	if (check_kernel_is(6, 6))
		check_report(
			CHECK_PASS, NULL,
			"%s: frames above %d bytes: received past the kernel by the first process on "
			"it, sent by the kernel",
			link->name, LARGE_FRAME - FRAME_OVERHEAD);
	else
		check_report(CHECK_WARN,
			     "Linux 6.6, or a smaller MTU, if large datagrams are to be accelerated",
			     "%s: frames above %d bytes are received by the kernel", link->name,
			     LARGE_FRAME - FRAME_OVERHEAD);
}

static void check_queues(const struct check_link *link)
{
	char advice[64];

	if (link->rx_queues > NIC_MAX_QUEUES) {
		snprintf(advice, sizeof(advice), "ethtool -L %s combined %d", link->name,
			 NIC_MAX_QUEUES);
		check_report(CHECK_WARN, advice, "%s: %u RX queues, of which %d are accelerated",
			     link->name, link->rx_queues, NIC_MAX_QUEUES);
	} else {
		check_report(CHECK_PASS, NULL, "%s: %u RX queue%s, MTU %u", link->name,
			     link->rx_queues, link->rx_queues == 1 ? "" : "s", link->mtu);
	}
	check_jumbo(link);
}

/* Which of the three ways its frames would come by: queues of one's own, all queues and software, generic. */
static void check_steering(const struct check_link *link)
{
	struct claim_wish wish = { .ifname = link->name,
				   .want = config.queues ? (unsigned)config.queues : 1,
				   .queues = MIN(link->rx_queues, NIC_MAX_QUEUES) };
	char why[NIC_WHY_LEN] = "";
	int err = is_loopback(link) ? -EOPNOTSUPP : claim_possible(&wish, why);

	if (err == 0)
		check_report(
			CHECK_PASS, NULL, "%s: the NIC can steer: %s", link->name,
			config.queues
				? "RX queues of its own are taken (KBACCEL_QUEUES)"
				: "RX queues of its own are possible with KBACCEL_QUEUES; without, software "
				  "steers on all queues");
	else if (config.queues && !is_loopback(link))
		check_report(CHECK_WARN, "unset KBACCEL_QUEUES, or use another NIC",
			     "%s: no RX queue of its own, software steers on all queues: %s",
			     link->name, why);
	else
		check_report(CHECK_PASS, NULL, "%s: software steers on all queues%s%s", link->name,
			     why[0] ? ": " : "", why);
}

/* By AF_XDP, which every interface has. */
static bool check_xdp(const struct check_link *link)
{
	bool good;

	check_mode(link);
	check_queues(link);
	check_steering(link);
	good = check_memory(link);
	good &= check_attached(link);
	return good;
}

/* Prints the lines of one interface. @host: the caller may use AF_XDP. False: it cannot be accelerated. */
static bool check_interface(const struct check_link *link, bool host)
{
	if (!check_usable(link))
		return false;
	if (!is_loopback(link) && check_verbs(link))
		return true;
	return !check_wants_verbs() && check_xdp(link) && host;
}

static const struct check_link *find_link(const struct check_link *links, int n, const char *name)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(links[i].name, name) == 0)
			return &links[i];
	return NULL;
}

static unsigned check_named(const struct check_link *links, int n, char **names, bool host)
{
	const struct check_link *link;
	unsigned good = 0;

	for (; *names; names++) {
		link = find_link(links, n, *names);
		if (link)
			good += check_interface(link, host);
		else
			check_report(CHECK_FAIL,
				     "`ip link` lists the interfaces of this network namespace",
				     "%s: no such interface", *names);
	}
	return good;
}

static unsigned check_all_up(const struct check_link *links, int n, bool host)
{
	unsigned good = 0, up = 0;
	bool usable;
	int i;

	for (i = 0; i < n; i++) {
		if (!(links[i].flags & IFF_UP))
			continue;
		up++;
		usable = check_interface(&links[i], host);
		good += usable && !is_loopback(&links[i]);
	}
	if (!up)
		check_report(CHECK_FAIL, "ip link set INTERFACE up", "no interface is up");
	return good;
}

int cmd_check(int argc, char **argv)
{
	static struct check_link links[CHECK_MAX_LINKS];
	int status = cmd_only_help(argc, argv, usage), n;
	unsigned good, granted = 0;
	bool host;

	if (status >= 0)
		return status;
	config_init(false);
	host = check_host();
	n = check_links(links, CHECK_MAX_LINKS);
	if (n < 0) {
		cmd_complain("cannot list the interfaces: %s", strerror(-n));
		return STATUS_NO;
	}
	good = optind < argc ? check_named(links, n, argv + optind, host)
			     : check_all_up(links, n, host);
	if (!host && !good && !check_wants_verbs())
		granted = check_broker(links, n, argv + optind);
	if (granted)
		printf("%u interface%s can be accelerated by way of kbacceld.\n", granted,
		       granted == 1 ? "" : "s");
	else if (!host && !good)
		puts("This caller on this host: programs stay on the kernel path (see `fail` above).");
	else
		printf("%u interface%s can be accelerated.\n", good, good == 1 ? "" : "s");
	return good || granted ? STATUS_OK : STATUS_NO;
}
