/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_stamp.c - extended completion queues, as libmlx5 has them (rdma-core providers/mlx5/cq.c, verbs.c create_cq()): one completion at
 * a time, and of it only what was asked for at creation; its functions for anything else are NULL.
 */
#include <errno.h>
#include <stddef.h>

#include "tests/fake-verbs/fake_lib.h"

#define KNOWN_WC_FLAGS (IBV_WC_STANDARD_FLAGS | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP)

static struct completion_queue *queue_of(struct ibv_cq_ex *cq)
{
	return (struct completion_queue *)cq;
}

static bool advance(struct completion_queue *c)
{
	uint32_t cons = c->mem->cons;

	if (__atomic_load_n(&c->mem->prod, __ATOMIC_ACQUIRE) == cons)
		return false;
	c->current = &c->mem->entry[cons & (fake_round(c->cqe) - 1)];
	c->ex.wr_id = c->current->wr_id;
	c->ex.status = c->current->status;
	fake_note_done(c->cq.context, c->current);
	return true;
}

/* The entry may be written again only when its attributes have been read. */
static void leave_current(struct completion_queue *c)
{
	if (c->current)
		__atomic_store_n(&c->mem->cons, c->mem->cons + 1, __ATOMIC_RELEASE);
	c->current = NULL;
}

/* Before 2024 the lock was not given back on this way; a queue that is used by one thread at a time has none. */
static int clock_failed(struct completion_queue *c, int err)
{
	leave_current(c);
	c->polling = !c->unlocked;
	return err;
}

static int start_poll(struct ibv_cq_ex *cq, struct ibv_poll_cq_attr *attr)
{
	struct completion_queue *c = queue_of(cq);
	int err;

	if (c->polling)
		fake_abort("ibv_start_poll() would hang: ibv_end_poll() is missing");
	if (attr->comp_mask)
		return EINVAL;
	if (c->mem->overrun)
		return EIO;
	if (cq->read_completion_wallclock_ns && (err = fake_fault("clock_busy")))
		return err;
	if (!advance(c))
		return ENOENT;
	if (cq->read_completion_wallclock_ns && (err = fake_fault("start_poll")))
		return clock_failed(c, err);
	c->polling = true;
	return 0;
}

static int next_poll(struct ibv_cq_ex *cq)
{
	struct completion_queue *c = queue_of(cq);

	if (!c->polling)
		fake_abort("ibv_next_poll() without ibv_start_poll()");
	leave_current(c);
	if (fake_fault("short_poll"))
		return ENOENT;
	return advance(c) ? 0 : ENOENT;
}

static void end_poll(struct ibv_cq_ex *cq)
{
	struct completion_queue *c = queue_of(cq);

	if (!c->polling)
		fake_abort("ibv_end_poll() without ibv_start_poll()");
	leave_current(c);
	c->polling = false;
}

static const struct fake_cqe *current(struct ibv_cq_ex *cq, bool of_success)
{
	const struct fake_cqe *e = queue_of(cq)->current;

	if (!e)
		fake_abort("there is no completion to read from");
	if (of_success && e->status != IBV_WC_SUCCESS)
		fake_abort("a completion in error does not have that");
	return e;
}

static enum ibv_wc_opcode read_opcode(struct ibv_cq_ex *cq)
{
	return (enum ibv_wc_opcode)current(cq, true)->opcode;
}

static uint32_t read_vendor_err(struct ibv_cq_ex *cq)
{
	return current(cq, false)->status;
}

static unsigned read_wc_flags(struct ibv_cq_ex *cq)
{
	return current(cq, true)->wc_flags;
}

static uint32_t read_byte_len(struct ibv_cq_ex *cq)
{
	return current(cq, true)->byte_len;
}

static uint32_t read_qp_num(struct ibv_cq_ex *cq)
{
	return current(cq, false)->qp_num;
}

static uint64_t read_cycles(struct ibv_cq_ex *cq)
{
	return current(cq, true)->stamp & ((1ull << 48) - 1);
}

static uint64_t read_wallclock(struct ibv_cq_ex *cq)
{
	return current(cq, true)->stamp;
}

static void set_functions(struct ibv_cq_ex *ex, uint64_t wc_flags)
{
	ex->start_poll = start_poll;
	ex->next_poll = next_poll;
	ex->end_poll = end_poll;
	ex->read_opcode = read_opcode;
	ex->read_vendor_err = read_vendor_err;
	ex->read_wc_flags = read_wc_flags;
	if (wc_flags & IBV_WC_EX_WITH_BYTE_LEN)
		ex->read_byte_len = read_byte_len;
	if (wc_flags & IBV_WC_EX_WITH_QP_NUM)
		ex->read_qp_num = read_qp_num;
	if (wc_flags & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP)
		ex->read_completion_ts = read_cycles;
	if (wc_flags & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK)
		ex->read_completion_wallclock_ns = read_wallclock;
}

/* Library first, then provider: what is not known at all, what this device does not have. */
static int judge(const struct ibv_cq_init_attr_ex *attr, enum fake_clock clock)
{
	uint64_t known = KNOWN_WC_FLAGS;

	if (attr->wc_flags & ~(uint64_t)IBV_CREATE_CQ_SUP_WC_FLAGS)
		return EOPNOTSUPP;
	if (attr->comp_mask & ~(uint32_t)IBV_CQ_INIT_ATTR_MASK_FLAGS)
		return EINVAL;
	if ((attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) &&
	    (attr->flags & ~(uint32_t)IBV_CREATE_CQ_ATTR_SINGLE_THREADED))
		return EINVAL;
	if (clock >= FAKE_CLOCK_NO_PAGE)
		known |= IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK;
	if (attr->wc_flags & ~known)
		return ENOTSUP;
	if ((attr->wc_flags & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK) &&
	    clock == FAKE_CLOCK_NO_PAGE)
		return EOPNOTSUPP;
	return 0;
}

struct ibv_cq_ex *fake_create_cq_ex(struct ibv_context *ctx, struct ibv_cq_init_attr_ex *attr)
{
	int err = fake_fault("create_cq_ex");
	struct completion_queue *c;

	if (!err)
		err = judge(attr, (enum fake_clock)context_of(ctx)->device.clock);
	if (err) {
		errno = err;
		return NULL;
	}
	c = fake_make_cq(ctx, (int)attr->cqe, attr->cq_context, attr->channel,
			 (int)attr->comp_vector);
	if (!c)
		return NULL;
	c->extended = true;
	c->unlocked = (attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) &&
		      (attr->flags & IBV_CREATE_CQ_ATTR_SINGLE_THREADED);
	set_functions(&c->ex, attr->wc_flags);
	return &c->ex;
}
