/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * privileges.c - calls by which a process gives up privileges. A forked worker that is about to do so opens its own queues
 * first, if its relatives have sockets in common with it (R7); later it could not. A server that has not bound yet opens what it
 * will need. After seccomp it would even be killed for a call that its filter does not know (base/sandbox.h).
 */
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/config.h"
#include "base/sandbox.h"
#include "preload/preload.h"
#include "stack/stack.h"
#include "stack/usermem.h"

#define ALL_CAPS UINT64_MAX

/* The capabilities @left remain. What opens queues sets errno, and a call that succeeds leaves it as it was. */
static void last_chance(uint64_t left)
{
	int saved = errno;

	stack_open_early(left);
	stack_last_chance();
	errno = saved;
}

/* The same when the effective user changes: 0 keeps what it has, and so does -1 (no change). */
static void new_user(uid_t euid)
{
	last_chance(euid == 0 || euid == (uid_t)-1 ? ALL_CAPS : 0);
}

/* The effective capabilities that capset() is to set; all if the kernel will refuse the call. */
static uint64_t next_caps(const void *header, const void *data)
{
	const struct __user_cap_data_struct *set = data;
	const struct __user_cap_header_struct *head = header;
	int saved = errno;
	bool known = config_active() && usermem_init() == 0 &&
		     usermem_readable(head, sizeof(*head)) &&
		     head->version != _LINUX_CAPABILITY_VERSION_1 &&
		     usermem_readable(set, 2 * sizeof(*set));

	errno = saved;
	return known ? set[0].effective | (uint64_t)set[1].effective << 32 : ALL_CAPS;
}

/* Can the filter be looked at? If not, the kernel will say what is wrong with it. */
static bool is_filter(const struct sock_fprog *prog)
{
	int saved = errno;
	bool usable = usermem_init() == 0 && usermem_readable(prog, sizeof(*prog)) && prog->len &&
		      prog->len <= BPF_MAXINSNS &&
		      usermem_readable(prog->filter, prog->len * sizeof(prog->filter[0]));

	errno = saved;
	return usable;
}

/* What has to be remembered while the call is made. */
struct entry {
	struct sandbox before;
	struct log_line message;
};

/*
 * Before the call that installs @prog, or with NULL strict mode. Another thread may have come under the filter before the call has
 * returned: from here on the library keeps to it. False: it does not concern us. @was: for seccomp_end().
 */
static bool seccomp_begin(const struct sock_fprog *prog, struct entry *was)
{
	struct sandbox next;
	int saved = errno;

	if (!config_active() || (prog && !is_filter(prog)))
		return false;
	next = sandbox_with(&sandbox, prog);
	stack_confine(&next, &was->message);
	was->before = sandbox;
	sandbox_set(&next);
	errno = saved;
	return true;
}

/* After it. The kernel may have refused: all is as it was. */
static void seccomp_end(bool entered, const struct entry *was)
{
	int saved = errno;

	if (entered) {
		stack_confined(&was->message);
	} else {
		sandbox_set(&was->before);
		ifaces_seal(&sandbox);
	}
	errno = saved;
}

static bool is_strict(int mode, const void *prog)
{
	return mode == SECCOMP_MODE_STRICT && !prog;
}

static int prctl_seccomp(const unsigned long a[4])
{
	const void *prog = a[0] == SECCOMP_MODE_FILTER ? (const void *)a[1] : NULL;
	struct entry was;
	bool concerned = (prog || is_strict((int)a[0], prog)) && seccomp_begin(prog, &was);
	int r = real.prctl(PR_SET_SECCOMP, a[0], a[1], a[2], a[3]);

	if (concerned)
		seccomp_end(r == 0, &was);
	return r;
}

/* With SECCOMP_FILTER_FLAG_TSYNC it says which thread was in the way; with NEW_LISTENER it is a descriptor. */
static bool has_entered(long r, unsigned long flags)
{
	return r == 0 || (r > 0 && (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER));
}

bool seccomp_by_number(long number, const long a[6], long *r)
{
	const void *prog = a[0] == SECCOMP_SET_MODE_FILTER ? (const void *)a[2] : NULL;
	struct entry was;

	if (number != SYS_seccomp || (!prog && a[0] != SECCOMP_SET_MODE_STRICT) ||
	    (!prog && (a[1] || a[2])) || !seccomp_begin(prog, &was))
		return false;
	*r = real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	seccomp_end(has_entered(*r, (unsigned long)a[1]), &was);
	return true;
}

EXPORT int setuid(uid_t uid)
{
	new_user(uid);
	return real.setuid(uid);
}

EXPORT int seteuid(uid_t uid)
{
	new_user(uid);
	return real.seteuid(uid);
}

EXPORT int setreuid(uid_t ruid, uid_t euid)
{
	new_user(euid);
	return real.setreuid(ruid, euid);
}

EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	new_user(euid);
	return real.setresuid(ruid, euid, suid);
}

/* In no header of libc. */
int capset(void *header, const void *data);

EXPORT int capset(void *header, const void *data)
{
	last_chance(next_caps(header, data));
	return real.capset(header, data);
}

EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return option == PR_SET_SECCOMP ? prctl_seccomp(a)
					: real.prctl(option, a[0], a[1], a[2], a[3]);
}
