/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_hold.c - another program that is in the way of the AF_XDP backend, for nic_xdp.sh.
 *
 *   nic_hold IF xdp      attaches an XDP program that passes everything
 *   nic_hold IF queue    binds an AF_XDP socket to queue 0
 *
 * Says "held" and waits for the end of its input.
 */
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int held(void)
{
	char c;

	puts("held");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}

/* `return XDP_PASS`, attached by a link. */
static int hold_xdp(const char *ifname)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP, .insn_cnt = 2 };
	int prog;

	attr.insns = (uintptr_t)insns;
	attr.license = (uintptr_t) "GPL";
	attr.expected_attach_type = BPF_XDP;
	strcpy(attr.prog_name, "foreign");
	prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog;
	attr.link_create.target_ifindex = if_nametoindex(ifname);
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_SKB_MODE;
	if (prog < 0 || syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) < 0) {
		perror("hold-xdp");
		return 2;
	}
	return held();
}

static int hold_queue(const char *ifname)
{
	struct xdp_umem_reg reg = { .len = 64 * 4096, .chunk_size = 4096 };
	struct sockaddr_xdp sxdp = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY };
	void *mem = mmap(NULL, reg.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = socket(AF_XDP, SOCK_RAW, 0), size = 64;

	reg.addr = (uintptr_t)mem;
	sxdp.sxdp_ifindex = if_nametoindex(ifname);
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &size, sizeof(size)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &size, sizeof(size)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &size, sizeof(size)) < 0 ||
	    bind(fd, (struct sockaddr *)&sxdp, sizeof(sxdp)) < 0) {
		perror("hold-queue");
		return 2;
	}
	return held();
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[2], "xdp") == 0)
		return hold_xdp(argv[1]);
	if (argc == 3 && strcmp(argv[2], "queue") == 0)
		return hold_queue(argv[1]);
	return 2;
}
