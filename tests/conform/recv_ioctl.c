/* SPDX-License-Identifier: BSD-3-Clause */
/* recv_ioctl.c - FIONREAD, SIOCINQ, SIOCOUTQ, SIOCGSTAMP and calls that a UDP socket refuses. */
/* expect: fast 6 */
#include "lib.h"
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/stat.h>

static char buf[2048];

static void show(const char *what, int fd)
{
	int n = -1, q = -1, o = -1;

	res(what, ioctl(fd, FIONREAD, &n));
	ioctl(fd, SIOCINQ, &q);
	ioctl(fd, SIOCOUTQ, &o);
	say("  FIONREAD %d SIOCINQ %d SIOCOUTQ %d\n", n, q, o);
}

static void stamps(int fd)
{
	struct timeval tv = { 0, 0 };
	struct timespec ts = { 0, 0 };

	say("-- SIOCGSTAMP\n");
	peer_sends(PORT, 10, 1, 3);
	recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	res("SIOCGSTAMP, first call", ioctl(fd, SIOCGSTAMP, &tv));
	recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	peer_sends(PORT, 10, 4, 1);
	recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	res("SIOCGSTAMP", ioctl(fd, SIOCGSTAMP, &tv));
	say("stamp is %s\n", labs(tv.tv_sec - time(NULL)) < 5 ? "now" : "wrong");
	tv.tv_sec = 0;
	res("SIOCGSTAMP_NEW", ioctl(fd, SIOCGSTAMP_NEW, &tv));
	say("stamp is %s\n", labs(tv.tv_sec - time(NULL)) < 5 ? "now" : "wrong");
	res("SIOCGSTAMPNS_NEW", ioctl(fd, (int)SIOCGSTAMPNS_NEW, &ts));
	say("stamp is %s\n", labs(ts.tv_sec - time(NULL)) < 5 ? "now" : "wrong");
	res("SIOCGSTAMP, nowhere", ioctl(fd, SIOCGSTAMP, (void *)16));
	res("SIOCGSTAMPNS", ioctl(fd, SIOCGSTAMPNS, &ts));
	say("stamp is %s\n", labs(ts.tv_sec - time(NULL)) < 5 ? "now" : "wrong");
}

static void refused(int fd)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	struct stat st;
	int n = 0;

	say("-- what is left to the kernel\n");
	res("listen", listen(fd, 5));
	res("accept", accept(fd, NULL, NULL));
	res("lseek", lseek(fd, 0, SEEK_SET));
	res("pread", pread(fd, buf, 10, 0));
	res("pwrite", pwrite(fd, buf, 10, 0));
	res("SIOCATMARK", ioctl(fd, SIOCATMARK, &n));
	res("TCGETS", ioctl(fd, 0x5401, buf));
	res("SIOCGIFINDEX", ioctl(fd, SIOCGIFINDEX, &ifr));
	res("fstat", fstat(fd, &st));
	say("it is %s socket\n", S_ISSOCK(st.st_mode) ? "a" : "NOT a");
	res("FIONREAD NULL", ioctl(fd, FIONREAD, NULL));
	res("FIOASYNC off", ioctl(fd, FIOASYNC, &n));
	res("fcntl 9999", fcntl(fd, 9999, 0));
	res("F_GETOWN", fcntl(fd, F_GETOWN));
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	say("-- queue lengths\n");
	show("empty", fd);
	peer_sends(PORT, 100, 1, 1);
	show("one of 100", fd);
	peer_sends(PORT, 50, 2, 1);
	show("then one of 50", fd);
	recv(fd, buf, sizeof(buf), MSG_PEEK);
	show("peeked", fd);
	recv(fd, buf, 10, 0);
	show("first one read, in part", fd);
	recv(fd, buf, sizeof(buf), 0);
	show("both read", fd);
	peer_sends(PORT, 0, 1, 1);
	show("one of 0", fd);
	poll1("one of 0", fd, POLLIN, 0);
	recv(fd, buf, sizeof(buf), 0);
	peer_sends(PORT, 1400, 1, 3);
	show("three of 1400", fd);
	drain("after", fd);
	res("send", send_to(fd, buf, 10, 0, "P1", PPORT));
	arrive();
	show("after a send", fd);
	stamps(fd);
	refused(fd);
	return 0;
}
