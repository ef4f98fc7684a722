/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the steps do that go through memory which the ranks of a node share. In its part a rank has
 * one or two copies of its input, and behind them the plan's SUM workspace. */
#include "collectives/memory.h"

#include <string.h>

#include "base/stream.h"
#include "compress/elements.h"
#include "compress/kernels/table.h"

enum { BLOCK_BYTES = 16 << 10, COPY_ALIGN = 64 };

struct range { /* segments, and the elements of the layout that they are */
    int from, to;
    size_t at, end;
};

static struct range range_of(const struct gw_plan *plan, int piece)
{
    if (piece < 0)
        return (struct range){ 0, plan->layout.segments_count, 0, plan->layout.count };
    const struct gw_piece *p = &plan->layout.pieces[piece];
    return (struct range){ p->segment, p->segment + p->segments, p->first, p->first + p->count };
}

/* Sizes decide how to copy, not those of pieces: what comes next would find a piece in the cache,
 * but the whole does not fit. */
static bool streams(const struct gw_plan *plan)
{
    return plan->layout.count * gw_type_bytes(plan->type) > GW_STREAM_BYTES;
}

static void copy(void *to, const void *from, size_t bytes, bool stream)
{
    if (stream)
        gw_stream_copy(to, from, bytes);
    else
        memcpy(to, from, bytes);
}

/* ---- where things stand ---------------------------------------------------------------------- */

/* The element of the layout with which the copy of a rank's input begins. */
static size_t copy_first(const struct gw_plan *plan, int rank)
{
    return plan->collective == GW_ALLGATHER ? plan->block_count * (size_t)rank : 0;
}

static size_t copy_count(const struct gw_plan *plan)
{
    return plan->collective == GW_ALLGATHER ? plan->block_count : plan->layout.count;
}

/* Element `at` of the layout in the copy of node rank `part`, as of a meeting. */
static uint8_t *copy_at(const struct gw_plan *plan, int part, uint64_t meeting, size_t at)
{
    const struct gw_shared_part *p = &plan->shared->parts[part];
    return p->data + meeting % (unsigned)plan->copies * plan->copy_bytes +
           (at - copy_first(plan, p->rank)) * gw_type_bytes(plan->type);
}

static int part_of(const struct gw_shared *shared, int rank)
{
    int part = 0;
    while (shared->parts[part].rank != rank)
        part++;
    return part;
}

/* Blocks belong to the ranks of the node in equal runs; each has the sums of its own. */
static const uint8_t *sum_at(const struct gw_plan *plan, int part, size_t at)
{
    int blocks = plan->layout.blocks / plan->shared->ranks;
    const struct gw_piece *first =
        &plan->layout.pieces[part * blocks * plan->layout.pieces_per_block];
    return plan->shared->parts[part].data + (size_t)plan->copies * plan->copy_bytes +
           (at - first->first) * gw_type_bytes(plan->type);
}

static int meetings(const struct gw_plan *plan)
{
    int count = 0;
    for (int i = 0; i < plan->list.count; i++)
        count += plan->list.steps[i].kind == GW_STEP_MEET;
    return count;
}

bool gw_memory_needed(const struct gw_plan *plan)
{
    return meetings(plan) > 0;
}

gw_status gw_memory_open(struct gw_plan *plan, struct gw_error *error)
{
    if (!gw_memory_needed(plan))
        return GW_OK;
    /* With one meeting a run the next run's copies may meet readers of this one's. */
    plan->copies = meetings(plan) > 1 ? 1 : 2;
    size_t bytes = gw_type_bytes(plan->type);
    plan->copy_bytes = gw_round_up(copy_count(plan) * bytes, COPY_ALIGN);
    size_t before = (size_t)plan->copies * plan->copy_bytes;
    gw_status s =
        gw_shared_open(&plan->shared, plan->comm, before + plan->sum_count * bytes, error);
    if (!s)
        plan->sum = plan->shared->parts[plan->shared->rank].data + before;
    return s;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* The caller's elements of a segment. */
static const uint8_t *input_at(const struct gw_plan *plan, const struct gw_segment *segment)
{
    return (const uint8_t *)plan->in[segment->tensor] +
           gw_plan_unit_first(plan, segment) * gw_type_bytes(plan->type);
}

/* One pass: a block comes into the cache to be looked at and leaves it as a copy. */
static bool share_run(const struct gw_plan *plan, const uint8_t *from, uint8_t *to, size_t count,
                      bool stream)
{
    const struct gw_kernels *kernels = plan->tensors[0].codec->kernels;
    size_t bytes = gw_type_bytes(plan->type), block = BLOCK_BYTES / bytes, bad;
    for (size_t i = 0; i < count; i += block) {
        size_t n = gw_min_size(block, count - i);
        if (plan->problem.checks &&
            gw_elements_count_nonfinite(kernels, plan->type, from + i * bytes, n, &bad))
            return false;
        if (!to)
            continue;
        copy(to + i * bytes, from + i * bytes, n * bytes, stream);
        if (plan->nonfinite == GW_NONFINITE_ZERO)
            gw_elements_zero_nonfinite(plan->type, to + i * bytes, n);
    }
    return true;
}

/* The codec finds it again, and says what and where. */
static gw_status name_nonfinite(struct gw_codec *codec, const void *in, struct gw_error *error)
{
    gw_status s = gw_codec_prepare(codec, in, error);
    return s ? s : gw_codec_check_range(codec, 0, codec->site.count, error);
}

/* What only this rank reads need not be copied: it reads its own input instead, unless NaN and
 * infinity are to be zero in it. */
static bool only_mine(const struct gw_plan *plan, int piece)
{
    return piece >= 0 && plan->collective == GW_ALLREDUCE && plan->nonfinite != GW_NONFINITE_ZERO &&
           piece / plan->layout.pieces_per_block * plan->shared->ranks / plan->layout.blocks ==
               plan->shared->rank;
}

static gw_status share(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    struct range range = range_of(plan, step->piece);
    bool stream = streams(plan) && plan->nonfinite != GW_NONFINITE_ZERO;
    for (int i = range.from; i < range.to; i++) {
        const struct gw_segment *segment = &plan->layout.segments[i];
        uint8_t *to = only_mine(plan, step->piece)
                          ? NULL
                          : copy_at(plan, plan->shared->rank, plan->shared->meeting + 1, range.at);
        if (!share_run(plan, input_at(plan, segment), to, segment->count, stream))
            return name_nonfinite(plan->tensors[segment->tensor].codec, plan->in[segment->tensor],
                                  error);
        range.at += segment->count;
    }
    if (stream)
        gw_stream_fence();
    return GW_OK;
}

/* What is to be combined: copies from element `at` of the layout on, and this rank's own. */
struct terms {
    size_t at;
    const uint8_t *own; /* NULL: its copy, too */
};

static const uint8_t *term(const struct gw_plan *plan, const struct terms *t, int part, size_t i)
{
    if (t->own && part == plan->shared->rank)
        return t->own + i * gw_type_bytes(plan->type);
    return copy_at(plan, part, plan->shared->meeting, t->at + i);
}

/* out[k] = elements i + k of the terms, combined in the order of ranks. */
static void combine(const struct gw_plan *plan, uint8_t *out, const struct terms *t, size_t i,
                    size_t count)
{
    const struct gw_kernels *kernels = plan->tensors[0].codec->kernels;
    bool adds = plan->type == GW_F32 && plan->operation <= GW_MEAN;
    int r = 1;
    if (adds && plan->shared->ranks > 1) {
        kernels->add_to((gw_f32 *)(void *)out, (const gw_f32 *)(const void *)term(plan, t, 0, i),
                        (const gw_f32 *)(const void *)term(plan, t, 1, i), count);
        r = 2;
    } else {
        memcpy(out, term(plan, t, 0, i), count * gw_type_bytes(plan->type));
    }
    for (; r < plan->shared->ranks; r++)
        gw_elements_combine(kernels, plan->type, plan->operation, out, term(plan, t, r, i), count,
                            1.0f);
}

static void reduce(struct gw_plan *plan, const struct gw_step *step)
{
    const struct gw_piece *piece = &plan->layout.pieces[step->piece];
    size_t bytes = gw_type_bytes(plan->type), block = BLOCK_BYTES / bytes;
    struct terms t = { .at = piece->first };
    for (int k = piece->segment; k < piece->segment + piece->segments; k++) {
        const struct gw_segment *segment = &plan->layout.segments[k];
        uint8_t *sum = plan->sum + (t.at - plan->sum_first) * bytes;
        t.own = only_mine(plan, step->piece) ? input_at(plan, segment) : NULL;
        for (size_t i = 0; i < segment->count; i += block)
            combine(plan, sum + i * bytes, &t, i, gw_min_size(block, segment->count - i));
        t.at += segment->count;
    }
}

/* What is written past the cache is made in a block that stays in it. Backwards: what was copied
 * last may be in the cache still. */
static void combine_run(const struct gw_plan *plan, uint8_t *out, const struct terms *t,
                        size_t count)
{
    _Alignas(64) uint8_t scratch[BLOCK_BYTES];
    size_t bytes = gw_type_bytes(plan->type), block = BLOCK_BYTES / bytes;
    bool stream = streams(plan);
    for (size_t i = gw_divide_up(count, block) * block; i > 0;) {
        i -= block;
        size_t n = gw_min_size(block, count - i);
        uint8_t *to = stream ? scratch : out + i * bytes;
        combine(plan, to, t, i, n);
        if (plan->problem.divides)
            gw_elements_divide(plan->type, to, n, plan->problem.size);
        if (stream)
            gw_stream_copy(out + i * bytes, to, n * bytes);
    }
}

/* Two ranks: one addition, which may be in place. */
static bool reads_input(const struct gw_plan *plan)
{
    return plan->shared->ranks == 2 && plan->type == GW_F32 && plan->operation <= GW_MEAN &&
           plan->nonfinite != GW_NONFINITE_ZERO;
}

/* COMBINE, FETCH and TAKE: to the output, after the point of decision. */
static void hand_out(struct gw_plan *plan, const struct gw_step *step)
{
    struct range range = range_of(plan, step->piece);
    size_t bytes = gw_type_bytes(plan->type);
    int part = step->kind == GW_STEP_COMBINE ? -1 : part_of(plan->shared, step->peer);
    for (int i = range.to - 1; i >= range.from; i--) {
        const struct gw_segment *segment = &plan->layout.segments[i];
        uint8_t *out = gw_plan_output(plan, segment);
        range.end -= segment->count;
        if (step->kind == GW_STEP_COMBINE)
            combine_run(
                plan, out,
                &(struct terms){ range.end, reads_input(plan) ? input_at(plan, segment) : NULL },
                segment->count);
        else
            copy(out,
                 step->kind == GW_STEP_TAKE ? sum_at(plan, part, range.end)
                                            : copy_at(plan, part, plan->shared->meeting, range.end),
                 segment->count * bytes, streams(plan));
    }
    if (streams(plan))
        gw_stream_fence();
}

gw_status gw_memory_work(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    if (step->kind == GW_STEP_SHARE)
        return share(plan, step, error);
    if (step->kind == GW_STEP_REDUCE)
        reduce(plan, step);
    else
        hand_out(plan, step);
    return GW_OK;
}

/* ---- meetings -------------------------------------------------------------------------------- */

void gw_memory_raise(struct gw_plan *plan)
{
    gw_shared_raise(plan->shared, plan->abort, plan->failure.status ? plan->abort_bytes : 0);
}

gw_status gw_memory_look(struct gw_plan *plan, struct gw_error *error)
{
    const struct gw_shared *shared = plan->shared;
    gw_status theirs;
    const void *said;
    if (gw_shared_look(plan->shared))
        return GW_PENDING;
    for (int i = 0; i < shared->ranks; i++) {
        char words[GW_ERROR_TEXT];
        size_t bytes = i == shared->rank ? 0 : gw_shared_failed(shared, i, &said);
        if (bytes == 0)
            continue;
        if (!gw_payload_is_abort(said, bytes, &theirs, words))
            return gw_fail(error, GW_EPEER, "rank %d failed", shared->parts[i].rank);
        return gw_fail(error, GW_EPEER, "%s", words);
    }
    return GW_OK;
}

bool gw_memory_waits_for(const struct gw_plan *plan, int rank)
{
    const struct gw_shared *shared = plan->shared;
    for (int i = 0; i < shared->ranks; i++)
        if (shared->parts[i].rank == rank)
            return !gw_shared_arrived(shared, i);
    return false;
}
