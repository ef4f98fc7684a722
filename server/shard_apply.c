/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Pushes to one step of the optimizer, part by part.
 *
 * A linear aggregator needs one array of floats: payloads are added as they are decoded, in worker
 * order. Others see all rows at once. Votes are counted on packed bits; who pushed another codec's
 * payload votes with its signs. What was aggregated is stepped chunk by chunk, while in cache. */
#include "server/shard_inside.h"

#include <math.h>

/* ---- begin ----------------------------------------------------------------------------------- */

/* Floats between rows. */
static size_t stride_of(const struct gw_shard *shard)
{
    return gw_round_up(shard->most, 16);
}

static size_t scratch_floats(const struct gw_shard *shard, size_t n)
{
    const struct gw_aggregator *a = shard->aggregator;
    size_t stride = stride_of(shard);
    if (a->linear)
        return stride;
    if (a->codec)
        return 2 * stride;
    size_t chunk = a->whole ? shard->most : gw_min_size(shard->most, GW_CHUNK);
    return (n + 1) * stride + a->scratch_count(&shard->aggregator_values, n, chunk);
}

/* Bodies of votes, one per push, and the merged one. */
static size_t scratch_bytes(const struct gw_shard *shard, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < shard->parts && shard->aggregator->codec; i++) {
        const struct gw_shard_part *p = &shard->part[i];
        bytes = gw_max_size(bytes, n * gw_payload_bound(p->votes, 0, p->part.count) +
                                       gw_payload_merged_bound(p->votes, 0, p->part.count));
    }
    return bytes;
}

struct gw_work *gw_shard_apply(struct gw_shard *shard, const struct gw_push_view *pushes,
                               size_t count, double rate, uint64_t round)
{
    size_t floats = scratch_floats(shard, count), bytes = scratch_bytes(shard, count);
    for (int t = 0; t < shard->threads; t++)
        if (gw_scratch_grow(&shard->scratch[t], floats, bytes, count))
            return NULL;
    struct gw_work *work = &shard->work;
    bool given = !isnan(rate) || !shard->optimizer->params[0].key;
    *work = (struct gw_work){
        .shard = shard, .kind = GW_WORK_APPLY, .pushes = pushes, .count = count, .round = round
    };
    work->step = (struct gw_step){ .values = &shard->optimizer_values,
                                   .rate = given ? rate : shard->optimizer_values.number[0],
                                   .step = shard->steps + 1 };
    return work;
}

/* ---- aggregate ------------------------------------------------------------------------------- */

static void decode(const struct gw_push_view *push, const struct gw_shard_part *p, size_t part,
                   float *out)
{
    const struct gw_blob *blob = push->parts[part];
    gw_payload_decode(push->raw ? p->raw : p->push, 0, p->part.count, blob->data, blob->bytes, out);
}

static void decode_add(const struct gw_push_view *push, const struct gw_shard_part *p, size_t part,
                       float *sum)
{
    const struct gw_blob *blob = push->parts[part];
    gw_payload_decode_add(push->raw ? p->raw : p->push, 0, p->part.count, blob->data, blob->bytes,
                          1.0f, sum);
}

static void sum_up(const struct gw_work *work, size_t part, float *out)
{
    const struct gw_shard_part *p = &work->shard->part[part];
    decode(&work->pushes[0], p, part, out);
    for (size_t i = 1; i < work->count; i++)
        decode_add(&work->pushes[i], p, part, out);
}

/* One push as a body of the vote codec: its own, or the signs of what it says, at `body`. */
static struct gw_body vote_of(const struct gw_push_view *push, struct gw_shard_part *p, size_t part,
                              float *row, uint8_t *body)
{
    const struct gw_blob *blob = push->parts[part];
    if (!push->raw && p->push->row->info.traits & GW_VOTE)
        return (struct gw_body){ .bytes = blob->data + GW_HEADER_BYTES,
                                 .length = blob->bytes - GW_HEADER_BYTES };
    struct gw_codec *votes = p->votes;
    size_t written = 0;
    decode(push, p, part, row);
    /* Finite floats, and a row that takes any: neither call has a reason to fail. */
    (void)!gw_codec_prepare(votes, row, NULL);
    (void)!votes->row->encode(votes, 0, p->part.count, body, &written, NULL);
    gw_codec_rollback(votes);
    return (struct gw_body){ .bytes = body, .length = written };
}

/* By the rows of the codec themselves: headers would be made only to be thrown away, and
 * gw_payload_merge may need memory. */
static void vote(const struct gw_work *work, size_t part, struct gw_scratch *scratch, float *out)
{
    struct gw_shard_part *p = &work->shard->part[part];
    struct gw_codec *votes = p->votes;
    size_t count = p->part.count, bound = gw_payload_bound(votes, 0, count), written = 0;
    float *row = scratch->floats + stride_of(work->shard);
    votes->run = work->round;
    for (size_t i = 0; i < work->count; i++)
        scratch->bodies[i] = vote_of(&work->pushes[i], p, part, row, scratch->bytes + i * bound);
    uint8_t *merged = scratch->bytes + work->count * bound;
    gw_codec_begin_run(votes);
    votes->row->merge(votes, 0, count, scratch->bodies, (int)work->count, merged, &written);
    const struct gw_body body = { .bytes = merged, .length = written, .flags = GW_PAYLOAD_MERGED };
    votes->row->decode(votes, 0, count, body, (gw_f32 *)out);
}

/* All rows behind `out` and the aggregator's scratch behind them. */
static void decode_rows(const struct gw_work *work, size_t part, struct gw_scratch *scratch)
{
    size_t stride = stride_of(work->shard);
    for (size_t i = 0; i < work->count; i++) {
        float *row = scratch->floats + (i + 1) * stride;
        decode(&work->pushes[i], &work->shard->part[part], part, row);
        scratch->rows[i] = row;
    }
}

static void combine(const struct gw_work *work, struct gw_scratch *scratch, size_t first,
                    size_t count, float *out)
{
    const struct gw_shard *shard = work->shard;
    for (size_t i = 0; i < work->count; i++)
        scratch->at[i] = scratch->rows[i] + first;
    shard->aggregator->combine(&shard->aggregator_values, scratch->at, work->count, out + first,
                               count, scratch->floats + (work->count + 1) * stride_of(shard));
}

/* ---- step ------------------------------------------------------------------------------------ */

/* A chunk's last act: `out` has the sum of linear aggregators, else the result. */
static void step(const struct gw_work *work, size_t part, size_t first, size_t count, float *out)
{
    struct gw_shard *shard = work->shard;
    struct gw_shard_part *p = &shard->part[part];
    const struct gw_optimizer *o = shard->optimizer;
    gw_f32 *state[GW_STATES_MAX] = { NULL };
    for (int k = 0; k < o->state_count; k++)
        state[k] = p->state[k] + first;
    if (shard->aggregator->linear)
        shard->aggregator->finish(&shard->aggregator_values, work->count, out + first, count);
    if (o->measure)
        o->measure(&work->step, count, p->values + first, out + first, state, p->squares);
    else
        o->step(&work->step, count, p->values + first, out + first, state);
}

static void aggregate_and_step(const struct gw_work *work, size_t part, struct gw_scratch *scratch)
{
    const struct gw_aggregator *a = work->shard->aggregator;
    struct gw_shard_part *p = &work->shard->part[part];
    size_t count = p->part.count, chunk = a->whole ? count : GW_CHUNK;
    float *out = p->direction ? p->direction : scratch->floats;
    p->squares[0] = p->squares[1] = 0;
    if (a->linear)
        sum_up(work, part, out);
    else if (a->codec)
        vote(work, part, scratch, out);
    else
        decode_rows(work, part, scratch);
    for (size_t at = 0; at < count; at += chunk) {
        size_t n = gw_min_size(chunk, count - at);
        if (a->combine)
            combine(work, scratch, at, n, out);
        step(work, part, at, n, out);
    }
}

/* The ratio of the tensor's part on this server: its parts' sums in order. */
static void move(const struct gw_work *work, size_t part)
{
    struct gw_shard *shard = work->shard;
    struct gw_shard_part *p = &shard->part[part];
    struct gw_step with_trust = work->step;
    double squares[2] = { 0, 0 };
    size_t i = part;
    while (i > 0 && shard->part[i - 1].part.tensor == p->part.tensor)
        i--;
    for (; i < shard->parts && shard->part[i].part.tensor == p->part.tensor; i++)
        for (int k = 0; k < 2; k++)
            squares[k] += shard->part[i].squares[k];
    with_trust.trust = shard->optimizer->trust(&work->step, squares);
    shard->optimizer->move(&with_trust, p->part.count, p->values, p->direction);
}

void gw_apply_part(struct gw_work *work, int phase, size_t part, int thread)
{
    if (phase == 0)
        aggregate_and_step(work, part, &work->shard->scratch[thread]);
    else
        move(work, part);
}

void gw_apply_end(struct gw_work *work)
{
    work->shard->steps++;
    work->shard->changes++;
}
