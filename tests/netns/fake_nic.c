/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_nic.c - a NIC that steers, for the lab: it answers SIOCETHTOOL, and SIOC[GS]HWTSTAMP, for the programs that are started by it, and makes the other
 * end of a veth pair send each frame to the RX queue that its tables say.
 *
 *     fake_nic serve SOCKET INTERFACE [NAME=NUMBER...]   in the namespace of the other end; until it is killed
 *     fake_nic run SOCKET COMMAND...                     the command, and all that it starts, have that NIC
 *     fake_nic set SOCKET NAME=NUMBER...                 another character from now on
 *     fake_nic show SOCKET                               the tables as they are
 *
 * What it says yes and no to is what the kernel does (net/ethtool/ioctl.c) and what drivers do: the numbers choose between them.
 * The programs know nothing of it: a seccomp filter stops their ioctl(), and the answer is given from here.
 *
 * RSS of UDP goes by the low bits of the source port, all else to the queue of entry 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/netns/fake_nic.h"
#include "tests/netns/fake_nic_caller.h"

#define MAX_LISTENERS 256
#define KEY_SIZE 40
#define ENOTSUPP 524

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

/* ---- the kernel and the driver ---- */

static int get_table(uint64_t at)
{
	uint32_t size = (uint32_t)nic.rss;
	struct ethtool_rxfh_indir head;

	if (!nic.rss)
		return -EOPNOTSUPP;
	if (copy_in(&head, at, sizeof(head)) < 0 ||
	    copy_out(&size, at + offsetof(struct ethtool_rxfh_indir, size), sizeof(size)) < 0)
		return -EFAULT;
	if (head.size < size)
		return head.size == 0 ? 0 : -EINVAL;
	return copy_out(table, at + offsetof(struct ethtool_rxfh_indir, ring_index),
			size * sizeof(table[0]));
}

static int take_table(uint64_t at, uint32_t size)
{
	uint32_t fresh[MAX_RSS];

	if (nic.rss_fixed)
		return -EOPNOTSUPP;
	if (size == 0) {
		default_table();
	} else {
		if (copy_in(fresh, at, size * sizeof(fresh[0])) < 0)
			return -EFAULT;
		for (uint32_t i = 0; i < size; i++)
			if (fresh[i] >= (uint32_t)nic.queues)
				return -EINVAL;
		memcpy(table, fresh, size * sizeof(fresh[0]));
	}
	tell_wire();
	return 0;
}

static int set_table(uint64_t at)
{
	struct ethtool_rxfh_indir head;

	if (!nic.rss)
		return -EOPNOTSUPP;
	if (copy_in(&head, at, sizeof(head)) < 0)
		return -EFAULT;
	if (head.size != 0 && head.size != (uint32_t)nic.rss)
		return -EINVAL;
	return take_table(at + offsetof(struct ethtool_rxfh_indir, ring_index), head.size);
}

/* The newer form, which has contexts and the key, too. */
static int get_rxfh(uint64_t at)
{
	static uint8_t key[KEY_SIZE];
	uint32_t other[MAX_RSS];
	struct ethtool_rxfh head, answer;
	int err = 0;

	if (!nic.rss)
		return -EOPNOTSUPP;
	if (copy_in(&head, at, sizeof(head)) < 0)
		return -EFAULT;
	if (head.rsvd8[0] || head.rsvd8[1] || head.rsvd8[2] || head.rsvd32)
		return -EINVAL;
	if (head.rss_context && !nic.context)
		return -EOPNOTSUPP;
	if (head.rss_context > 1)
		return -ENOENT;
	answer = head;
	answer.indir_size = (uint32_t)nic.rss;
	answer.key_size = KEY_SIZE;
	answer.hfunc = 1;
	if (copy_out(&answer, at, sizeof(answer)) < 0)
		return -EFAULT;
	if ((head.indir_size && head.indir_size != answer.indir_size) ||
	    (head.key_size && head.key_size != KEY_SIZE))
		return -EINVAL;
	for (int i = 0; i < nic.rss; i++)
		other[i] = head.rss_context ? (uint32_t)nic.queues - 1 : table[i];
	at += sizeof(head);
	if (head.indir_size)
		err = copy_out(other, at, (size_t)nic.rss * sizeof(other[0]));
	if (err == 0 && head.key_size)
		err = copy_out(key, at + head.indir_size * sizeof(other[0]), KEY_SIZE);
	return err;
}

static int set_rxfh(uint64_t at)
{
	struct ethtool_rxfh head;

	if (!nic.rss)
		return -EOPNOTSUPP;
	if (copy_in(&head, at, sizeof(head)) < 0)
		return -EFAULT;
	if (head.rss_context)
		return -EOPNOTSUPP;
	if (head.indir_size == ETH_RXFH_INDIR_NO_CHANGE)
		return head.key_size ? 0 : -EINVAL;
	if (head.indir_size && head.indir_size != (uint32_t)nic.rss)
		return -EINVAL;
	return take_table(at + sizeof(head), head.indir_size);
}

static int flags(uint64_t at, bool set)
{
	struct ethtool_value v;

	if (copy_in(&v, at, sizeof(v)) < 0)
		return -EFAULT;
	if (!set) {
		v.data = nic.ntuple ? ETH_FLAG_NTUPLE : 0;
		return copy_out(&v, at, sizeof(v));
	}
	if (v.data & ~(uint32_t)ETH_FLAG_NTUPLE)
		return -EINVAL;
	if (!v.data == !nic.ntuple)
		return 0;
	if (nic.fixed || !nic.rules)
		return -EOPNOTSUPP;
	nic.ntuple = v.data != 0;
	if (!nic.ntuple)
		memset(rule, 0, sizeof(rule));
	return 0;
}

static int refuse(void)
{
	return nic.notsupp ? -ENOTSUPP : -EOPNOTSUPP;
}

/* The fields that a rule looks at, one bit each. */
static int mask_of(const struct ethtool_rx_flow_spec *s)
{
	if (s->flow_type == UDP_V6_FLOW)
		return (s->m_u.udp_ip6_spec.ip6dst[0] != 0) << 1 | (s->m_u.udp_ip6_spec.pdst != 0);
	return (s->m_u.udp_ip4_spec.ip4dst != 0) << 1 | (s->m_u.udp_ip4_spec.pdst != 0);
}

static int judge(const struct ethtool_rx_flow_spec *s)
{
	bool v6 = s->flow_type == UDP_V6_FLOW;

	if (nic.need && !nic.ntuple)
		return -EOPNOTSUPP;
	if ((s->flow_type != UDP_V4_FLOW && !v6) || !nic.udp || (v6 && !nic.v6))
		return refuse();
	if (s->ring_cookie >= (uint64_t)nic.queues)
		return -EINVAL;
	if ((!nic.any && mask_of(s) == 1) || (!nic.address && (mask_of(s) & 2)))
		return -EINVAL;
	for (int i = 0; nic.one_mask && i < nic.room; i++)
		if (rule[i].used && (nic.one_mask == 2 || rule[i].spec.flow_type == s->flow_type) &&
		    mask_of(&rule[i].spec) != mask_of(s))
			return -EINVAL;
	return 0;
}

static int insert(uint64_t at)
{
	struct ethtool_rxnfc nfc;
	int err;

	if (copy_in(&nfc, at, sizeof(nfc)) < 0)
		return -EFAULT;
	if (nic.busy > 0) {
		nic.busy--;
		return -EBUSY;
	}
	err = judge(&nfc.fs);
	if (err < 0)
		return err;
	if (nic.picks) {
		if (nfc.fs.location != RX_CLS_LOC_ANY)
			return -EINVAL;
		for (nfc.fs.location = 7;
		     nfc.fs.location < (uint32_t)nic.room && rule[nfc.fs.location].used;)
			nfc.fs.location++;
	}
	if (nfc.fs.location >= (uint32_t)nic.room)
		return nic.picks ? -ENOSPC : -EINVAL;
	if (!rule[nfc.fs.location].used && rule_count() >= (uint32_t)nic.limit)
		return -ENOSPC;
	rule[nfc.fs.location].used = true; /* whatever is there is replaced */
	rule[nfc.fs.location].spec = nfc.fs;
	tell_wire();
	return copy_out(&nfc, at, sizeof(nfc));
}

static int delete (uint64_t at)
{
	struct ethtool_rxnfc nfc;

	if (copy_in(&nfc, at, sizeof(nfc)) < 0)
		return -EFAULT;
	if (nfc.fs.location >= (uint32_t)nic.room || !rule[nfc.fs.location].used)
		return -ENOENT;
	rule[nfc.fs.location].used = false;
	tell_wire();
	return 0;
}

static int list_rules(uint64_t at, struct ethtool_rxnfc *nfc)
{
	uint32_t location[MAX_RULES], n = 0;
	int err;

	for (int i = 0; i < nic.room; i++)
		if (rule[i].used)
			location[n++] = (uint32_t)i;
	if (n > nfc->rule_cnt)
		return -EMSGSIZE;
	nfc->rule_cnt = n;
	nfc->data = (uint64_t)nic.room;
	err = copy_out(nfc, at, sizeof(*nfc));
	return err ? err
		   : copy_out(location, at + offsetof(struct ethtool_rxnfc, rule_locs),
			      n * sizeof(location[0]));
}

static int get_rules(uint32_t cmd, uint64_t at)
{
	struct ethtool_rxnfc nfc;

	if (copy_in(&nfc, at, sizeof(nfc)) < 0)
		return -EFAULT;
	if (cmd == ETHTOOL_GRXRINGS) {
		if (!nic.rss && !nic.rules)
			return -EOPNOTSUPP;
		nfc.data = (uint64_t)nic.queues;
		return copy_out(&nfc, at, sizeof(nfc));
	}
	if (!nic.rules)
		return -EOPNOTSUPP;
	if (cmd == ETHTOOL_GRXCLSRLALL)
		return list_rules(at, &nfc);
	if (cmd == ETHTOOL_GRXCLSRLCNT) {
		nfc.rule_cnt = rule_count();
		nfc.data = (uint64_t)nic.room | (nic.picks ? RX_CLS_LOC_SPECIAL : 0);
	} else {
		if (nfc.fs.location >= (uint32_t)nic.room || !rule[nfc.fs.location].used)
			return -ENOENT;
		nfc.rss_context = rule[nfc.fs.location].context;
		nfc.fs = rule[nfc.fs.location].spec;
	}
	return copy_out(&nfc, at, sizeof(nfc));
}

/* What the driver can do; whether it does is another question. */
static int ts_info(uint64_t at)
{
	struct ethtool_ts_info info = {
		.cmd = ETHTOOL_GET_TS_INFO,
		.so_timestamping = SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE |
				   SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE,
		.phc_index = 0,
		.rx_filters = 1u << HWTSTAMP_FILTER_NONE | 1u << HWTSTAMP_FILTER_ALL,
	};

	return copy_out(&info, at, sizeof(info));
}

/* drivers/net/ethernet/mellanox/mlx5/core/en_main.c: whatever filter is asked for, everything is stamped. */
static int hwtstamp(bool set, uint64_t at)
{
	struct hwtstamp_config config = { .flags = 0 };

	if (set && !is_admin())
		return -EPERM;
	if (set && copy_in(&config, at, sizeof(config)) < 0)
		return -EFAULT;
	if (set)
		nic.filter = config.rx_filter ? HWTSTAMP_FILTER_ALL : HWTSTAMP_FILTER_NONE;
	config.rx_filter = nic.filter;
	return copy_out(&config, at, sizeof(config));
}

/* 1: not for this NIC, the kernel answers. */
static int dispatch(void)
{
	struct ifreq ifr;
	uint64_t at;
	uint32_t cmd;

	if (copy_in(&ifr, req->data.args[2], sizeof(ifr)) < 0 ||
	    strncmp(ifr.ifr_name, ifname, IF_NAMESIZE) != 0)
		return 1;
	at = (uint64_t)(uintptr_t)ifr.ifr_data;
	if (req->data.args[1] != SIOCETHTOOL)
		return nic.stamps ? hwtstamp(req->data.args[1] == SIOCSHWTSTAMP, at) : 1;
	if (copy_in(&cmd, at, sizeof(cmd)) < 0)
		return -EFAULT;
	switch (cmd) {
	case ETHTOOL_GRXFHINDIR:
		return get_table(at);
	case ETHTOOL_GRSSH:
		return get_rxfh(at);
	case ETHTOOL_GFLAGS:
		return flags(at, false);
	case ETHTOOL_GET_TS_INFO:
		return nic.stamps ? ts_info(at) : 1;
	case ETHTOOL_GRXRINGS:
	case ETHTOOL_GRXCLSRLCNT:
	case ETHTOOL_GRXCLSRLALL:
	case ETHTOOL_GRXCLSRULE:
		return get_rules(cmd, at);
	case ETHTOOL_SRXFHINDIR:
	case ETHTOOL_SRSSH:
	case ETHTOOL_SFLAGS:
	case ETHTOOL_SRXCLSRLINS:
	case ETHTOOL_SRXCLSRLDEL:
		if (!is_admin())
			return -EPERM;
		break;
	default:
		return 1;
	}
	if (cmd == ETHTOOL_SRXFHINDIR)
		return set_table(at);
	if (cmd == ETHTOOL_SRSSH)
		return set_rxfh(at);
	if (cmd == ETHTOOL_SFLAGS)
		return flags(at, true);
	if (!nic.rules)
		return -EOPNOTSUPP;
	return cmd == ETHTOOL_SRXCLSRLINS ? insert(at) : delete (at);
}

/* ---- the supervisor ---- */

static int listener[MAX_LISTENERS], listeners;

/* The caller may have died since, or been interrupted and ask again: then the answer is nobody's. */
static void answer(int fd)
{
	static struct seccomp_notif notif;
	struct seccomp_notif_resp resp = { 0 };
	int ret;

	memset(&notif, 0, sizeof(notif));
	req = &notif;
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
		return;
	ret = dispatch();
	resp.id = notif.id;
	if (ret > 0)
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else
		resp.error = ret;
	ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/* A message: "run" with a listener, "show", or "NAME=NUMBER ..."; the answer is what show prints, or nothing. */
static void converse(int fd)
{
	char text[512] = "", *word, *next;
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	FILE *out;

	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) <= 0) {
		close(fd);
		return;
	}
	if (strcmp(text, "run") == 0 && CMSG_FIRSTHDR(&msg) && listeners < MAX_LISTENERS)
		memcpy(&listener[listeners++], CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	for (word = strtok_r(text, " ", &next); word && strchr(word, '=');
	     word = strtok_r(NULL, " ", &next))
		set_field(word);
	out = fdopen(fd, "w");
	show_tables(out);
	fclose(out);
}

static int unix_socket(const char *path, bool serve)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if ((serve ? bind(fd, (struct sockaddr *)&addr, sizeof(addr))
		   : connect(fd, (struct sockaddr *)&addr, sizeof(addr))) < 0 ||
	    (serve && listen(fd, 64) < 0)) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int serve(const char *path, char **fields_given)
{
	struct pollfd p[MAX_LISTENERS + 1];
	int fd = unix_socket(path, true);

	for (; *fields_given; fields_given++)
		if (!set_field(*fields_given))
			return 2;
	default_table();
	if (nic.rss == 0)
		for (int i = 0; i < MAX_RSS; i++)
			table[i] = (uint32_t)(i % nic.queues);
	if (nic.context)
		add_context_rule();
	if (open_wire() < 0) {
		fprintf(stderr, "fake_nic: no program at %s\n", ifname);
		return 1;
	}
	tell_wire();
	puts("serving");
	fflush(stdout);
	for (;;) {
		p[listeners] = (struct pollfd){ .fd = fd, .events = POLLIN };
		for (int i = 0; i < listeners; i++)
			p[i] = (struct pollfd){ .fd = listener[i], .events = POLLIN };
		if (poll(p, (nfds_t)listeners + 1, -1) < 0)
			continue;
		for (int i = listeners - 1; i >= 0; i--) {
			if (p[i].revents & POLLIN) {
				answer(listener[i]);
			} else if (p[i].revents) { /* nobody has the filter any more */
				close(listener[i]);
				listener[i] = listener[--listeners];
				break;
			}
		}
		if (p[listeners].revents & POLLIN && p[listeners].fd == fd)
			converse(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	}
}

/* ---- the others ---- */

static int say(const char *path, const char *text, int shown)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd = unix_socket(path, false);

	if (shown >= 0) {
		memcpy(CMSG_DATA(&control.align), &shown, sizeof(shown));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.buf);
	}
	if (sendmsg(fd, &msg, 0) < 0) {
		perror("fake_nic");
		exit(1);
	}
	return fd;
}

static int print_answer(int fd, bool quiet)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (!quiet)
			fwrite(buf, 1, (size_t)n, stdout);
	close(fd);
	return 0;
}

/* Every such ioctl() from here on, and of what is executed, waits for the supervisor. */
static int run(const char *path, char **command)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCETHTOOL, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCGHWTSTAMP, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCSHWTSTAMP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			      SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);

	if (fd < 0) {
		perror("fake_nic: seccomp");
		return 1;
	}
	print_answer(say(path, "run", fd), true);
	close(fd);
	execvp(command[0], command);
	perror(command[0]);
	return 127;
}

static int set(const char *path, char **words)
{
	char text[512] = "";

	for (; *words; words++) {
		strncat(text, *words, sizeof(text) - strlen(text) - 2);
		strcat(text, " ");
	}
	return print_answer(say(path, text, -1), true);
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "serve") == 0) {
		snprintf(ifname, sizeof(ifname), "%s", argv[3]);
		return serve(argv[2], argv + 4);
	}
	if (argc >= 4 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv + 3);
	if (argc >= 4 && strcmp(argv[1], "set") == 0)
		return set(argv[2], argv + 3);
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return print_answer(say(argv[2], "show", -1), false);
	fputs("usage: fake_nic serve SOCKET INTERFACE [NAME=NUMBER...] | run SOCKET COMMAND... | set SOCKET NAME=NUMBER... | "
	      "show SOCKET\n",
	      stderr);
	return 2;
}
