/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * insn.h - the few BPF instructions that the benchmark programs put together by hand, so that they need no clang.
 */
#ifndef BENCH_INSN_H
#define BENCH_INSN_H

#include <linux/bpf.h>

#define INSN(code_, dst_, src_, off_, imm_)                                                        \
	((struct bpf_insn){                                                                        \
		.code = (code_), .dst_reg = (dst_), .src_reg = (src_), .off = (off_), .imm = (imm_) })

#define INSN_MOV_REG(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define INSN_MOV_IMM(dst, imm) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define INSN_ALU_REG(op, dst, src) INSN(BPF_ALU64 | (op) | BPF_X, dst, src, 0, 0)
#define INSN_ALU_IMM(op, dst, imm) INSN(BPF_ALU64 | (op) | BPF_K, dst, 0, 0, imm)
#define INSN_TO_BE16(dst) INSN(BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, 16)
#define INSN_LOAD(size, dst, src, off) INSN(BPF_LDX | BPF_MEM | (size), dst, src, off, 0)
#define INSN_STORE(size, dst, src, off) INSN(BPF_STX | BPF_MEM | (size), dst, src, off, 0)
#define INSN_JUMP_REG(op, dst, src, off) INSN(BPF_JMP | (op) | BPF_X, dst, src, off, 0)
#define INSN_JUMP_IMM(op, dst, imm, off) INSN(BPF_JMP | (op) | BPF_K, dst, 0, off, imm)
#define INSN_CALL(helper) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define INSN_EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* Two instructions: loads the map behind @fd. */
#define INSN_LOAD_MAP(dst, fd)                                                                     \
	INSN(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

#endif
