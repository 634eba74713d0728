/* SPDX-License-Identifier: BSD-3-Clause */
/* test_sandbox.c - what seccomp filters leave of our calls: the kernel, which runs the same filter in a child, is the oracle. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

#define NO (SECCOMP_RET_ERRNO | EMLINK) /* what none of the calls below says by itself */
#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARCH BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch))
#define ARG(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[i]))
#define RET(what) BPF_STMT(BPF_RET | BPF_K, what)
#define OP(code, k) BPF_STMT(code, k)
#define IF(op, k, yes, no) BPF_JUMP(BPF_JMP | op | BPF_K, k, yes, no)
#define IFX(op, yes, no) BPF_JUMP(BPF_JMP | op | BPF_X, 0, yes, no)
#define YES SECCOMP_RET_ALLOW

/* Calls that change nothing, as sandbox.def has them. */
static const struct {
	int nr;
	long a, b, c, d;
} calls[] = {
	{ SYS_getpid, 0, 0, 0, 0 },	    { SYS_gettid, 0, 0, 0, 0 },
	{ SYS_fcntl, 0, F_GETFL, 0, 0 },    { SYS_close, -1, 0, 0, 0 },
	{ SYS_rt_sigprocmask, 0, 0, 0, 8 }, { SYS_getcpu, 0, 0, 0, 0 },
	{ SYS_epoll_pwait, -1, 0, 1, 0 },   { SYS_pidfd_open, 0, 0, 0, 0 },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* A bit for each call that @prog stops in the kernel. */
static unsigned stopped_by_kernel(const struct sock_fprog *prog)
{
	unsigned stopped = 0;
	int out[2], status;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prog))
			_exit(1);
		for (unsigned i = 0; i < CALLS; i++)
			if (rawcall6(calls[i].nr, calls[i].a, calls[i].b, calls[i].c, calls[i].d, 0,
				     0) == -EMLINK)
				stopped |= 1u << i;
		rawcall6(SYS_write, out[1], (long)&stopped, sizeof(stopped), 0, 0, 0);
		rawcall6(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(out[0], &stopped, sizeof(stopped)), sizeof(stopped));
	close(out[0]);
	close(out[1]);
	return stopped;
}

static unsigned stopped_by_us(const struct sandbox *s)
{
	unsigned stopped = 0;

	for (unsigned i = 0; i < CALLS; i++)
		if (sandbox_forbids_in(s, calls[i].nr))
			stopped |= 1u << i;
	return stopped;
}

static void compare(struct sock_filter *code, unsigned short n)
{
	struct sock_fprog prog = { n, code };
	struct sandbox fresh = { .entered = false }, with = sandbox_with(&fresh, &prog);

	assert_int_equal(stopped_by_us(&with), stopped_by_kernel(&prog));
}
#define COMPARE(...)                                                                               \
	do {                                                                                       \
		struct sock_filter code[] = { __VA_ARGS__ };                                       \
		compare(code, sizeof(code) / sizeof(code[0]));                                     \
	} while (0)

static void lists(void **state)
{
	(void)state;
	COMPARE(RET(YES));
	COMPARE(RET(SECCOMP_RET_LOG));
	COMPARE(NR, IF(BPF_JEQ, SYS_getpid, 0, 1), RET(NO), RET(YES));
	COMPARE(NR, IF(BPF_JEQ, SYS_gettid, 1, 0), IF(BPF_JEQ, SYS_pidfd_open, 0, 1), RET(NO),
		RET(YES));
	COMPARE(NR, IF(BPF_JGE, SYS_close, 0, 3), IF(BPF_JGT, SYS_getpid, 1, 0), RET(NO), RET(YES),
		RET(YES));
	COMPARE(ARCH, IF(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0), RET(YES), NR,
		IF(BPF_JEQ, SYS_close, 0, 1), RET(NO), RET(YES));
	COMPARE(ARCH, IF(BPF_JEQ, AUDIT_ARCH_AARCH64, 1, 0), RET(YES), NR,
		IF(BPF_JEQ, SYS_close, 0, 1), RET(NO), RET(YES));
	COMPARE(NR, OP(BPF_JMP | BPF_JA, 1), RET(NO), IF(BPF_JSET, 64, 0, 1), RET(YES),
		IF(BPF_JEQ, SYS_close, 0, 1), RET(NO), RET(YES));
}

static void arguments(void **state)
{
	(void)state;
	COMPARE(NR, IF(BPF_JEQ, SYS_fcntl, 0, 2), ARG(1), IF(BPF_JEQ, F_GETFL, 1, 0), RET(YES),
		RET(NO | 0), RET(NO));
	COMPARE(NR, IF(BPF_JEQ, SYS_rt_sigprocmask, 0, 3), ARG(3), IF(BPF_JEQ, 8, 0, 1), RET(NO),
		RET(YES));
	COMPARE(NR, IF(BPF_JEQ, SYS_epoll_pwait, 0, 3), ARG(2), IF(BPF_JGT, 0, 0, 1), RET(NO),
		RET(YES));
}

static void arithmetic(void **state)
{
	static const struct sock_filter ops[] = {
		OP(BPF_ALU | BPF_ADD | BPF_K, 1),  OP(BPF_ALU | BPF_SUB | BPF_K, 1),
		OP(BPF_ALU | BPF_MUL | BPF_K, 3),  OP(BPF_ALU | BPF_DIV | BPF_K, 2),
		OP(BPF_ALU | BPF_AND | BPF_K, 38), OP(BPF_ALU | BPF_OR | BPF_K, 1),
		OP(BPF_ALU | BPF_XOR | BPF_K, 7),  OP(BPF_ALU | BPF_LSH | BPF_K, 1),
		OP(BPF_ALU | BPF_RSH | BPF_K, 2),  OP(BPF_ALU | BPF_NEG, 0),
		OP(BPF_ALU | BPF_ADD | BPF_X, 0),  OP(BPF_ALU | BPF_SUB | BPF_X, 0),
		OP(BPF_ALU | BPF_MUL | BPF_X, 0),  OP(BPF_ALU | BPF_DIV | BPF_X, 0),
		OP(BPF_ALU | BPF_AND | BPF_X, 0),  OP(BPF_ALU | BPF_OR | BPF_X, 0),
		OP(BPF_ALU | BPF_XOR | BPF_X, 0),  OP(BPF_ALU | BPF_LSH | BPF_X, 0),
		OP(BPF_ALU | BPF_RSH | BPF_X, 0),  OP(BPF_LD | BPF_W | BPF_LEN, 0),
		OP(BPF_LD | BPF_IMM, 77),	   OP(BPF_LD | BPF_MEM, 2),
		OP(BPF_MISC | BPF_TXA, 0),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (unsigned limit = 1; limit < 400; limit += 57)
			COMPARE(NR, OP(BPF_ST, 2), OP(BPF_LDX | BPF_MEM, 2),
				OP(BPF_LDX | BPF_IMM, 5), OP(BPF_STX, 3), ops[i],
				OP(BPF_ALU | BPF_AND | BPF_K, 0x1ff), IF(BPF_JGE, limit, 0, 6),
				OP(BPF_LDX | BPF_MEM, 3), IFX(BPF_JGT, 0, 4), NR,
				IF(BPF_JEQ, SYS_write, 2, 0), IF(BPF_JEQ, SYS_exit_group, 1, 0),
				RET(NO), RET(YES));
}

/* A second filter only takes away; strict mode leaves read() and write(). */
static void several(void **state)
{
	struct sock_filter first[] = { NR, IF(BPF_JEQ, SYS_getpid, 0, 1), RET(NO), RET(YES) };
	struct sock_filter second[] = { NR, IF(BPF_JEQ, SYS_gettid, 0, 1), RET(NO), RET(YES) };
	struct sock_filter third[] = { NR, IF(BPF_JEQ, SYS_ppoll, 0, 1), RET(NO), RET(YES) };
	struct sandbox s = { .entered = false };

	(void)state;
	assert_false(sandbox_forbids_in(&s, SYS_getpid));
	s = sandbox_with(&s, &(struct sock_fprog){ 4, first });
	assert_false(s.opens);
	s = sandbox_with(&s, &(struct sock_fprog){ 4, second });
	assert_true(sandbox_forbids_in(&s, SYS_getpid));
	assert_true(sandbox_forbids_in(&s, SYS_gettid));
	assert_false(sandbox_forbids_in(&s, SYS_close));
	assert_null(sandbox_lacks(&s));
	s = sandbox_with(&s, &(struct sock_fprog){ 4, third });
	assert_string_equal(sandbox_lacks(&s), "ppoll");
	s = sandbox_with(&s, NULL);
	assert_false(sandbox_forbids_in(&s, SYS_write));
	assert_true(sandbox_forbids_in(&s, SYS_futex));
}

/* A call that is forbidden is not made. */
static void own_calls(void **state)
{
	struct sock_filter code[] = { NR, IF(BPF_JEQ, SYS_gettid, 0, 1), RET(NO), RET(YES) };
	struct sandbox before = sandbox,
		       next = sandbox_with(&before, &(struct sock_fprog){ 4, code });

	(void)state;
	assert_true(next.opens);
	sandbox_set(&next);
	assert_int_equal(own_call6(SYS_gettid, 0, 0, 0, 0, 0, 0), -EPERM);
	assert_int_equal(own_call6(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
	sandbox_set(&before);
	assert_int_equal(own_call6(SYS_gettid, 0, 0, 0, 0, 0, 0), gettid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),      cmocka_unit_test(arguments),
		cmocka_unit_test(arithmetic), cmocka_unit_test(several),
		cmocka_unit_test(own_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
