/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_check_host.c - can this caller, on this kernel, open AF_XDP sockets and load an XDP program?
 * What can be tried without touching an interface is tried; nothing is attached and nothing stays.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "nic/nic.h"
#include "tools/cmd.h"
#include "tools/cmd_check.h"

#define AS_ROOT "run as root, or grant it: setpriv --ambient-caps / systemd AmbientCapabilities="

static uint64_t effective_caps(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

bool check_has_cap(int cap)
{
	return effective_caps() >> cap & 1;
}

static bool check_caps(void)
{
	static const struct {
		int cap, instead;
		const char *name, *purpose;
	} needed[] = {
		{ CAP_NET_RAW, CAP_NET_RAW, "CAP_NET_RAW", "to open AF_XDP sockets" },
		{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN", "to attach an XDP program" },
		{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF (or CAP_SYS_ADMIN)", "to load an XDP program" },
		{ CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON (or CAP_SYS_ADMIN)",
		  "to load an XDP program that reads packets" },
	};
	bool good = true, have;
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		have = check_has_cap(needed[i].cap) || check_has_cap(needed[i].instead);
		check_report(have ? CHECK_PASS : CHECK_FAIL, have ? NULL : AS_ROOT,
			     "capability %s, %s%s", needed[i].name, needed[i].purpose,
			     have ? "" : ": missing");
		good &= have;
	}
	return good;
}

uint64_t check_memlock(void)
{
	struct rlimit lim;

	if (check_has_cap(CAP_IPC_LOCK) || getrlimit(RLIMIT_MEMLOCK, &lim) < 0 ||
	    lim.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return lim.rlim_cur;
}

static void check_limits(void)
{
	uint64_t bytes = check_memlock();

	if (bytes == UINT64_MAX)
		check_report(CHECK_PASS, NULL, "locked memory: no limit");
	else
		check_report(CHECK_WARN, "grant CAP_IPC_LOCK, or raise the limit: ulimit -l",
			     "locked memory: at most %llu KiB for all packet memory of this user",
			     (unsigned long long)(bytes / 1024));
}

bool check_kernel_is(int major, int minor)
{
	struct utsname name;
	int has_major = 0, has_minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &has_major, &has_minor);
	return has_major > major || (has_major == major && has_minor >= minor);
}

static bool check_kernel(void)
{
	struct utsname name;
	bool good = check_kernel_is(5, 18);

	uname(&name);
	check_report(good ? CHECK_PASS : CHECK_FAIL, good ? NULL : "use Linux 5.18 or later",
		     "kernel %s", name.release);
	return good;
}

static bool check_socket(void)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), err = errno;

	if (fd >= 0) {
		close(fd);
		check_report(CHECK_PASS, NULL, "AF_XDP sockets");
		return true;
	}
	check_report(CHECK_FAIL,
		     err == EPERM ? "needs CAP_NET_RAW, and no seccomp filter in the way"
				  : "needs a kernel with CONFIG_XDP_SOCKETS=y",
		     "AF_XDP sockets: %s", strerror(err));
	return false;
}

static int bpf(int command, union bpf_attr *attr, size_t len)
{
	int fd = (int)syscall(SYS_bpf, command, attr, len);

	return fd < 0 ? -errno : fd;
}

static int try_map(uint32_t type, uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = 4;
	attr.value_size = 4;
	attr.max_entries = 1;
	attr.map_flags = flags;
	return bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
}

/* The shortest XDP program: return XDP_PASS. */
static int try_program(void)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = sizeof(program) / sizeof(program[0]);
	attr.license = (uintptr_t) "BSD";
	attr.prog_flags = BPF_F_XDP_HAS_FRAGS;
	return bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

static bool report_bpf(const char *what, int fd)
{
	if (fd >= 0) {
		close(fd);
		check_report(CHECK_PASS, NULL, "%s", what);
		return true;
	}
	check_report(CHECK_FAIL,
		     fd == -EPERM
			     ? "needs CAP_BPF and CAP_NET_ADMIN (or root), and no seccomp filter "
			       "or kernel lockdown in the way"
			     : "needs a kernel with CONFIG_BPF_SYSCALL=y and CONFIG_XDP_SOCKETS=y",
		     "%s: %s", what, strerror(-fd));
	return false;
}

/* The real one, which a kernel's verifier may refuse although it takes others. */
static bool check_steering_program(void)
{
	struct nic_params params = { .ifname = "" };
	int err = nic_probe("xdp", &params);

	if (err < 0)
		check_report(CHECK_FAIL, NULL, "%s", params.why);
	else
		check_report(CHECK_PASS, NULL, "the steering program: this kernel takes it");
	return err == 0;
}

static bool check_bpf(void)
{
	bool good = report_bpf("BPF maps in shared memory",
			       try_map(BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE));

	good &= report_bpf("BPF maps of AF_XDP sockets", try_map(BPF_MAP_TYPE_XSKMAP, 0));
	good &= report_bpf("XDP programs", try_program());
	return good && check_steering_program();
}

static void check_jit(void)
{
	FILE *f = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int on = 1;

	if (f && fscanf(f, "%d", &on) == 1 && !on)
		check_report(CHECK_WARN, "sysctl net.core.bpf_jit_enable=1",
			     "the BPF compiler is off: steering is slow");
	if (f)
		fclose(f);
}

/* Is there, and can be loaded: a plugin needs libraries that may be missing, of @packages. */
static bool check_file(const char *file, bool load, const char *packages)
{
	char path[PATH_MAX], error[160], advice[64];
	void *handle;

	if (cmd_find_file(file, path, sizeof(path))) {
		check_report(CHECK_FAIL, "make, or make install with the PREFIX of this program",
			     "%s: not found", file);
		return false;
	}
	handle = load ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	if (load && !handle) {
		snprintf(error, sizeof(error), "%s", dlerror());
		snprintf(advice, sizeof(advice), "apt install %s", packages);
		check_report(CHECK_FAIL, advice, "%s: cannot be loaded: %s", file, error);
		return false;
	}
	if (handle)
		dlclose(handle);
	check_report(CHECK_PASS, NULL, "%s", path);
	return true;
}

void check_program_name(uint32_t id, char name[16])
{
	struct bpf_prog_info info;
	union bpf_attr attr;
	int fd;

	name[0] = '\0';
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
	if (fd < 0)
		return;
	memset(&attr, 0, sizeof(attr));
	memset(&info, 0, sizeof(info));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) >= 0)
		cmd_clean_text(info.name, sizeof(info.name), name, 16);
	close(fd);
}

bool check_host(void)
{
	bool good = check_file("libkbaccel.so", false, NULL);

	if (check_wants_verbs())
		return check_file("kbaccel-verbs.so", true, "libibverbs1") && good;
	good &= check_file("kbaccel-xdp.so", true, "libelf1 zlib1g");
	good &= check_kernel();
	good &= check_caps();
	good &= check_socket();
	good &= check_bpf();
	check_limits();
	check_jit();
	return good;
}
