/* SPDX-License-Identifier: BSD-3-Clause */
/* sandbox.c - see sandbox.h: what a seccomp filter says of our calls, by running it as the kernel does (net/core/filter.c). */
#define _GNU_SOURCE
#include "base/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

struct sandbox sandbox;

enum role { ROLE_SERVE, ROLE_OPEN, ROLE_MAY };

/* One way in which the library makes a call. */
static const struct sample {
	const char *name;
	int nr;
	enum role role;
	uint64_t args[6];
} samples[] = {
#define SAMPLE(role, call, a, b, c, d, e, f)                                                       \
	{ #call,                                                                                   \
	  SYS_##call,                                                                              \
	  role,                                                                                    \
	  { (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e),             \
	    (uint64_t)(f) } },
#define SERVE(...) SAMPLE(ROLE_SERVE, __VA_ARGS__)
#define OPEN(...) SAMPLE(ROLE_OPEN, __VA_ARGS__)
#define MAY(...) SAMPLE(ROLE_MAY, __VA_ARGS__)
#include "base/sandbox.def"
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
};

static uint32_t compute(uint16_t code, uint32_t a, uint32_t by)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + by;
	case BPF_SUB:
		return a - by;
	case BPF_MUL:
		return a * by;
	case BPF_DIV:
		return by ? a / by : 0;
	case BPF_AND:
		return a & by;
	case BPF_OR:
		return a | by;
	case BPF_XOR:
		return a ^ by;
	case BPF_LSH:
		return by < 32 ? a << by : 0;
	case BPF_RSH:
		return by < 32 ? a >> by : 0;
	default:
		return -a; /* BPF_NEG */
	}
}

static bool holds(uint16_t code, uint32_t a, uint32_t with)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == with;
	case BPF_JGT:
		return a > with;
	case BPF_JGE:
		return a >= with;
	default:
		return a & with; /* BPF_JSET */
	}
}

static uint32_t load(const struct machine *m, const struct sock_filter *at,
		     const struct seccomp_data *data)
{
	uint32_t word = 0;

	switch (BPF_MODE(at->code)) {
	case BPF_ABS:
		if (at->k <= sizeof(*data) - sizeof(word))
			memcpy(&word, (const char *)data + at->k, sizeof(word));
		return word;
	case BPF_LEN:
		return sizeof(*data);
	case BPF_MEM:
		return at->k < BPF_MEMWORDS ? m->mem[at->k] : 0;
	default:
		return at->k; /* BPF_IMM */
	}
}

/* All but jumps and returns. */
static void execute(struct machine *m, const struct sock_filter *at, const struct seccomp_data *data)
{
	switch (BPF_CLASS(at->code)) {
	case BPF_LD:
		m->a = load(m, at, data);
		break;
	case BPF_LDX:
		m->x = load(m, at, data);
		break;
	case BPF_ST:
	case BPF_STX:
		if (at->k < BPF_MEMWORDS)
			m->mem[at->k] = BPF_CLASS(at->code) == BPF_ST ? m->a : m->x;
		break;
	case BPF_ALU:
		m->a = compute(at->code, m->a, BPF_SRC(at->code) == BPF_X ? m->x : at->k);
		break;
	case BPF_MISC:
		if (BPF_MISCOP(at->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
		break;
	}
}

/* The filter's answer. Jumps go forward only, so it ends. */
static uint32_t run(const struct sock_fprog *prog, const struct seccomp_data *data)
{
	struct machine m = { 0 };

	for (unsigned pc = 0; pc < prog->len; pc++) {
		const struct sock_filter *at = &prog->filter[pc];

		if (BPF_CLASS(at->code) == BPF_RET)
			return BPF_RVAL(at->code) == BPF_A ? m.a : at->k;
		if (at->code == (BPF_JMP | BPF_JA))
			pc += at->k < prog->len ? at->k : prog->len;
		else if (BPF_CLASS(at->code) == BPF_JMP)
			pc += holds(at->code, m.a, BPF_SRC(at->code) == BPF_X ? m.x : at->k)
				      ? at->jt
				      : at->jf;
		else
			execute(&m, at, data);
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static bool allows(const struct sock_fprog *prog, const struct sample *c)
{
#ifdef ARCH
	struct seccomp_data data = { .nr = c->nr, .arch = ARCH };
	uint32_t action;

	if (!prog)
		return c->nr == SYS_read || c->nr == SYS_write;
	memcpy(data.args, c->args, sizeof(data.args));
	action = run(prog, &data) & SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
#else
	return false;
#endif
}

struct sandbox sandbox_with(const struct sandbox *now, const struct sock_fprog *prog)
{
	struct sandbox next = { .entered = true, .opens = true };

	for (size_t i = 0; i < SAMPLES; i++)
		next.allowed[samples[i].nr / 64] |= 1ull << (samples[i].nr % 64);
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct sample *c = &samples[i];

		if (!sandbox_forbids_in(now, c->nr) && allows(prog, c))
			continue;
		next.allowed[c->nr / 64] &= ~(1ull << (c->nr % 64));
		next.opens = next.opens && c->role == ROLE_MAY;
	}
	return next;
}

/* Other threads may look at it meanwhile: the calls while nobody asks for them, then that they count. */
void sandbox_set(const struct sandbox *s)
{
	if (!s->entered)
		__atomic_store_n(&sandbox.entered, false, __ATOMIC_SEQ_CST);
	for (size_t i = 0; i < sizeof(s->allowed) / sizeof(s->allowed[0]); i++)
		relaxed_set(sandbox.allowed[i], s->allowed[i]);
	relaxed_set(sandbox.opens, s->opens);
	if (s->entered)
		__atomic_store_n(&sandbox.entered, true, __ATOMIC_SEQ_CST);
}

const char *sandbox_lacks(const struct sandbox *s)
{
	for (size_t i = 0; i < SAMPLES; i++)
		if (samples[i].role == ROLE_SERVE && sandbox_forbids_in(s, samples[i].nr))
			return samples[i].name;
	return NULL;
}
