/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_generic.c - asks the kernel's BTF whether its structures are those of xdp_generic.h, and for
 * the size of the one whose size depends on the kernel's configuration.
 */
#include "nic/xdp/xdp_generic.h"

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CACHE_LINE 64 /* SMP_CACHE_BYTES, to which SKB_DATA_ALIGN() rounds, on x86-64 and arm64 */
#define MAX_NESTING 4

/* Offset in bits of member @name in struct or union @id, also inside anonymous members; -1: none. */
static long member_offset(const struct btf *btf, __u32 id, const char *name, int nesting)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	if (!t || !btf_is_composite(t) || nesting == 0)
		return -1;
	for (__u32 i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];
		const char *found = btf__name_by_offset(btf, m->name_off);
		long inner;

		if (found && strcmp(found, name) == 0)
			return btf_member_bit_offset(t, i);
		if (found && *found)
			continue;
		inner = member_offset(btf, m->type, name, nesting - 1);
		if (inner >= 0)
			return btf_member_bit_offset(t, i) + inner;
	}
	return -1;
}

static bool is_at(const struct btf *btf, const char *type, const char *member, size_t offset)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);

	return id > 0 && member_offset(btf, (__u32)id, member, MAX_NESTING) == (long)offset * 8;
}

static __u32 look_up(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "skb_shared_info", BTF_KIND_STRUCT);

	if (id < 0 ||
	    !is_at(btf, "skb_shared_info", "gso_size",
		   offsetof(struct generic_shared_info, gso_size)) ||
	    !is_at(btf, "xdp_buff", "data_hard_start",
		   offsetof(struct generic_xdp_buff, data_hard_start)) ||
	    !is_at(btf, "xdp_buff", "frame_sz", offsetof(struct generic_xdp_buff, frame_sz)))
		return 0;
	return (btf__type_by_id(btf, (__u32)id)->size + CACHE_LINE - 1) & ~(CACHE_LINE - 1u);
}

__u32 xdp_generic_shared_info(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	__u32 size = btf ? look_up(btf) : 0;

	btf__free(btf);
	return size;
}
