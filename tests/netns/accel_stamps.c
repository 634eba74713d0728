/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_stamps.c - echoes datagrams, and tells what stamps came with them.
 *
 *   accel_stamps [-6] [-s INTERFACE] [-t COUNT INTERFACE] PORT FLAG...
 *     -s  has the driver stamp, before it binds      -t  switches that off behind so many datagrams, and on behind twice as many
 *     FLAG: of SO_TIMESTAMPING, in lower case: raw_hardware rx_hardware software rx_software opt_pktinfo; and ns: SO_TIMESTAMPNS
 *
 * For each datagram a line "MESSAGE...": "ns sw", "pktinfo INTERFACE LENGTH", "stamping sw hw+37": the system's stamp is of the last five
 * seconds, the hardware's is so many seconds before (rounded) the system's time.
 */
#define _GNU_SOURCE
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "accel_common.h"

#define SCM_PKTINFO 58 /* SCM_TIMESTAMPING_PKTINFO */

static int fd;

static void switch_stamps(const char *ifname, bool on)
{
	struct hwtstamp_config config = { .rx_filter = on ? HWTSTAMP_FILTER_ALL
							  : HWTSTAMP_FILTER_NONE };
	struct ifreq ifr = { .ifr_data = (void *)&config };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCSHWTSTAMP, &ifr) < 0)
		kb_die("SIOCSHWTSTAMP: %s", strerror(errno));
}

static void tell(const char *name, const struct timespec *ts, bool hardware)
{
	struct timespec now;
	double ahead;

	if (!ts->tv_sec && !ts->tv_nsec)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	ahead = (double)(ts->tv_sec - now.tv_sec) + (double)(ts->tv_nsec - now.tv_nsec) / 1e9;
	if (hardware)
		printf(" %s%+.0f", name, ahead);
	else
		printf(" %s%s", name, ahead > -5 && ahead <= 0 ? "" : "?");
}

static void tell_message(const struct cmsghdr *c)
{
	struct timespec ts[3] = { { 0, 0 } };
	uint32_t info[4] = { 0 };
	char name[IF_NAMESIZE] = "?";

	memcpy(info, CMSG_DATA(c), sizeof(info));
	if (c->cmsg_type == SCM_PKTINFO) {
		if_indextoname(info[0], name);
		printf("pktinfo %s %u ", name, info[1]);
		return;
	}
	memcpy(ts, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	fputs(c->cmsg_type == SO_TIMESTAMPING ? "stamping" : "ns", stdout);
	tell("sw", &ts[0], false);
	tell("hw", &ts[2], true);
	putchar(' ');
}

static void serve_one(void)
{
	union {
		char bytes[512];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage from;
	char data[2048];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = { .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, 0);

	if (n < 0)
		kb_die("recvmsg: %s", strerror(errno));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		tell_message(c);
	putchar('\n');
	sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, msg.msg_namelen);
}

static int flag_named(const char *name)
{
	static const struct {
		const char *name;
		int flag;
	} flags[] = { { "raw_hardware", SOF_TIMESTAMPING_RAW_HARDWARE },
		      { "rx_hardware", SOF_TIMESTAMPING_RX_HARDWARE },
		      { "software", SOF_TIMESTAMPING_SOFTWARE },
		      { "rx_software", SOF_TIMESTAMPING_RX_SOFTWARE },
		      { "opt_pktinfo", SOF_TIMESTAMPING_OPT_PKTINFO } };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(flags[i].name, name) == 0)
			return flags[i].flag;
	kb_die("no flag %s", name);
}

static void open_socket(bool six, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	if ((six ? bind(fd, (void *)&in6, sizeof(in6)) : bind(fd, (void *)&in4, sizeof(in4))) < 0)
		kb_die("bind: %s", strerror(errno));
}

static void set_flags(char **names)
{
	int flags = 0, on = 1;

	for (; *names; names++) {
		if (strcmp(*names, "ns") == 0)
			setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
		else
			flags |= flag_named(*names);
	}
	if (flags && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)) < 0)
		kb_die("SO_TIMESTAMPING: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	const char *before = NULL, *toggle = NULL;
	unsigned long count = 0;
	bool six = false;
	int option;

	while ((option = getopt(argc, argv, "6s:t:")) > 0) {
		if (option == '6') {
			six = true;
		} else if (option == 's') {
			before = optarg;
		} else if (option == 't') {
			count = strtoul(optarg, NULL, 10);
			toggle = argv[optind++];
		} else {
			return 2;
		}
	}
	if (optind >= argc)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	if (before)
		switch_stamps(before, true);
	open_socket(six, (uint16_t)atoi(argv[optind]));
	set_flags(argv + optind + 1);
	puts("serving");
	for (unsigned long n = 1;; n++) {
		serve_one();
		if (toggle && (n == count || n == 2 * count))
			switch_stamps(toggle, n != count);
	}
}
