/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the steps that compute do: codecs on the one hand, the plan's buffers on the other. */
#include "collectives/memory.h"

#include <string.h>

#include "base/stream.h"
#include "collectives/gate.h"
#include "compress/elements.h"

size_t gw_plan_unit_first(const struct gw_plan *plan, const struct gw_segment *segment)
{
    bool by_block = plan->collective == GW_ALLGATHER && plan->block_count > 0;
    return by_block ? segment->first % plan->block_count : segment->first;
}

const void *gw_plan_input(const struct gw_plan *plan, const struct gw_segment *segment)
{
    /* What the codec saw: the caller's buffer, or its copy without NaN and infinity. */
    const void *input = plan->tensors[segment->tensor].codec->input;
    return (const uint8_t *)input + gw_plan_unit_first(plan, segment) * gw_type_bytes(plan->type);
}

void *gw_plan_output(const struct gw_plan *plan, const struct gw_segment *segment)
{
    size_t shift =
        plan->collective == GW_REDUCE_SCATTER ? plan->block_count * (size_t)plan->problem.rank : 0;
    return (uint8_t *)plan->out[segment->tensor] +
           (segment->first - shift) * gw_type_bytes(plan->type);
}

void *gw_plan_sum(const struct gw_plan *plan, const struct gw_piece *piece,
                  const struct gw_segment *segment)
{
    size_t at = piece->first - plan->sum_first;
    for (int i = piece->segment; &plan->layout.segments[i] != segment; i++)
        at += plan->layout.segments[i].count;
    return plan->sum + at * gw_type_bytes(plan->type);
}

static gw_status prepare(struct gw_plan *plan, struct gw_error *error)
{
    if (plan->collective == GW_BROADCAST && plan->problem.rank != plan->root)
        return GW_OK;
    for (int t = 0; t < plan->tensors_count; t++) {
        struct gw_codec *codec = plan->tensors[t].codec;
        gw_status s = gw_gate_wrap(plan, t, error);
        if (!s && !gw_memory_needed(plan)) /* which looks as it copies */
            s = gw_codec_prepare(codec, plan->in[t], error);
        if (!s && plan->native) /* which takes the input as it is, and tells nobody of a failure */
            s = gw_codec_check_range(codec, 0, codec->site.count, error);
        if (s)
            return s;
    }
    return GW_OK;
}

static gw_status propose(struct gw_plan *plan, struct gw_plan_slot *slot)
{
    uint8_t *body = plan->arena + slot->offset + GW_HEADER_BYTES;
    size_t at = 0;
    for (int t = 0; t < plan->tensors_count; t++) {
        gw_codec_propose(plan->tensors[t].codec, plan->side + at);
        at += gw_codec_side_count(plan->tensors[t].codec);
    }
    for (size_t i = 0; i < at; i++)
        gw_put_f32(body + 4 * i, plan->side[i]);
    gw_payload_seal(body - GW_HEADER_BYTES, 0, 0, at, 4 * at);
    slot->length = GW_HEADER_BYTES + 4 * at;
    return GW_OK;
}

static gw_status adopt(struct gw_plan *plan, int from, struct gw_error *error)
{
    for (size_t i = 0; i < plan->side_floats; i++)
        plan->side[i] = 0;
    for (int r = 0; r < plan->problem.size; r++) {
        const uint8_t *body = plan->arena + plan->slots[from + r].offset + GW_HEADER_BYTES;
        for (size_t i = 0; i < plan->side_floats; i++) {
            float v = gw_get_f32(body + 4 * i);
            if (v > plan->side[i] || v != v)
                plan->side[i] = v;
        }
    }
    size_t at = 0;
    for (int t = 0; t < plan->tensors_count; t++) {
        gw_status s = gw_codec_adopt(plan->tensors[t].codec, plan->side + at, error);
        if (s)
            return s;
        at += gw_codec_side_count(plan->tensors[t].codec);
    }
    return GW_OK;
}

/* One payload after the other, a segment each. */
static gw_status encode(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    const struct gw_piece *piece = &plan->layout.pieces[step->piece];
    struct gw_plan_slot *slot = &plan->slots[step->slot];
    size_t length = 0;
    for (int i = piece->segment; i < piece->segment + piece->segments; i++) {
        const struct gw_segment *segment = &plan->layout.segments[i];
        struct gw_codec *codec = plan->tensors[segment->tensor].codec;
        size_t first = gw_plan_unit_first(plan, segment), written;
        gw_status s;
        if (step->kind != GW_STEP_ENCODE) {
            codec = plan->owners[step->kind == GW_STEP_CARRY ? plan->layout.segments_count + i : i];
            first = 0;
            s = gw_codec_prepare(codec, gw_plan_sum(plan, piece, segment), error);
            if (s)
                return s;
        }
        s = gw_payload_encode(codec, first, segment->count, plan->arena + slot->offset + length,
                              slot->capacity - length, &written, error);
        if (s)
            return s;
        length += written;
    }
    slot->length = length;
    return GW_OK;
}

static void *target(const struct gw_plan *plan, const struct gw_step *step,
                    const struct gw_piece *piece, const struct gw_segment *segment)
{
    return step->kind == GW_STEP_DELIVER ? gw_plan_output(plan, segment)
                                         : gw_plan_sum(plan, piece, segment);
}

static gw_status decode(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    const struct gw_piece *piece = &plan->layout.pieces[step->piece];
    const struct gw_plan_slot *slot = &plan->slots[step->slot];
    size_t at = 0;
    for (int i = piece->segment; i < piece->segment + piece->segments; i++) {
        const struct gw_segment *segment = &plan->layout.segments[i];
        const struct gw_codec *codec = plan->tensors[segment->tensor].codec;
        const uint8_t *payload = plan->arena + slot->offset + at;
        size_t first = gw_plan_unit_first(plan, segment), bytes;
        gw_status s = gw_payload_size(payload, slot->length - at, &bytes, error);
        if (s)
            return s;
        void *to = target(plan, step, piece, segment);
        if (step->kind == GW_STEP_ADD)
            gw_payload_decode_add(codec, first, segment->count, payload, bytes, 1.0f, to);
        else
            gw_payload_decode(codec, first, segment->count, payload, bytes, to);
        at += bytes;
    }
    if (plan->shared) /* large outputs may have gone past the cache */
        gw_stream_fence();
    return GW_OK;
}

static gw_status merge_segment(struct gw_plan *plan, const struct gw_step *step,
                               const struct gw_segment *segment, struct gw_plan_slot *slot,
                               struct gw_scratch *scratch, struct gw_error *error)
{
    int n = plan->problem.size;
    for (int r = 0; r < n; r++) {
        const struct gw_plan_slot *from = &plan->slots[step->from + r];
        const uint8_t *payload = plan->arena + from->offset + scratch->at[r];
        gw_status s =
            gw_payload_size(payload, from->length - scratch->at[r], &scratch->bytes[r], error);
        if (s)
            return s;
        scratch->from[r] = payload;
        scratch->at[r] += scratch->bytes[r];
    }
    size_t written;
    gw_status s = gw_payload_merge(plan->tensors[segment->tensor].codec,
                                   gw_plan_unit_first(plan, segment), segment->count, scratch->from,
                                   scratch->bytes, n, plan->arena + slot->offset + slot->length,
                                   slot->capacity - slot->length, &written, error);
    if (!s)
        slot->length += written;
    return s;
}

static gw_status merge(struct gw_plan *plan, const struct gw_step *step, struct gw_scratch *scratch,
                       struct gw_error *error)
{
    const struct gw_piece *piece = &plan->layout.pieces[step->piece];
    struct gw_plan_slot *slot = &plan->slots[step->slot];
    slot->length = 0;
    memset(scratch->at, 0, (size_t)plan->problem.size * sizeof *scratch->at);
    for (int i = piece->segment; i < piece->segment + piece->segments; i++) {
        gw_status s = merge_segment(plan, step, &plan->layout.segments[i], slot, scratch, error);
        if (s)
            return s;
    }
    return GW_OK;
}

static gw_status move(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    const struct gw_piece *piece = &plan->layout.pieces[step->piece];
    for (int i = piece->segment; i < piece->segment + piece->segments; i++) {
        const struct gw_segment *segment = &plan->layout.segments[i];
        void *sum = gw_plan_sum(plan, piece, segment);
        size_t bytes = segment->count * gw_type_bytes(plan->type);
        if (step->kind == GW_STEP_COPY) {
            memcpy(gw_plan_output(plan, segment), sum, bytes);
            continue;
        }
        gw_status s =
            gw_codec_check_range(plan->tensors[segment->tensor].codec,
                                 gw_plan_unit_first(plan, segment), segment->count, error);
        if (s)
            return s;
        memcpy(sum, gw_plan_input(plan, segment), bytes);
    }
    return GW_OK;
}

static gw_status divide(struct gw_plan *plan, const struct gw_step *step)
{
    const struct gw_piece *piece = &plan->layout.pieces[step->piece];
    for (int i = piece->segment; i < piece->segment + piece->segments; i++) {
        const struct gw_segment *segment = &plan->layout.segments[i];
        void *at = step->kind == GW_STEP_AVERAGE ? gw_plan_output(plan, segment)
                                                 : gw_plan_sum(plan, piece, segment);
        gw_elements_divide(plan->type, at, segment->count, plan->problem.size);
    }
    return GW_OK;
}

static gw_status commit(struct gw_plan *plan)
{
    bool sends = plan->collective != GW_BROADCAST || plan->problem.rank == plan->root;
    for (int t = 0; sends && t < plan->tensors_count; t++)
        gw_codec_commit(plan->tensors[t].codec);
    for (int i = 0; i < plan->owners_count; i++)
        if (plan->owners[i])
            gw_codec_commit(plan->owners[i]);
    gw_gate_commit(plan);
    plan->committed = true;
    return GW_OK;
}

static gw_status sign(struct gw_plan *plan, struct gw_plan_slot *slot)
{
    gw_payload_seal(plan->arena + slot->offset, 0, 0, 0, 0);
    slot->length = GW_HEADER_BYTES;
    return GW_OK;
}

gw_status gw_plan_work(struct gw_plan *plan, const struct gw_step *step, struct gw_scratch *scratch,
                       struct gw_error *error)
{
    switch (step->kind) {
    case GW_STEP_PREPARE:
        return prepare(plan, error);
    case GW_STEP_PROPOSE:
        return propose(plan, &plan->slots[step->slot]);
    case GW_STEP_ADOPT:
        return adopt(plan, step->from, error);
    case GW_STEP_ENCODE:
    case GW_STEP_REENCODE:
    case GW_STEP_CARRY:
        return encode(plan, step, error);
    case GW_STEP_MERGE:
        return merge(plan, step, scratch, error);
    case GW_STEP_DECODE:
    case GW_STEP_ADD:
    case GW_STEP_DELIVER:
        return decode(plan, step, error);
    case GW_STEP_LOAD:
    case GW_STEP_COPY:
        return move(plan, step, error);
    case GW_STEP_DIVIDE:
    case GW_STEP_AVERAGE:
        return divide(plan, step);
    case GW_STEP_SIGN:
        return sign(plan, &plan->slots[step->slot]);
    case GW_STEP_COMMIT:
        return commit(plan);
    case GW_STEP_SHARE:
    case GW_STEP_REDUCE:
    case GW_STEP_COMBINE:
    case GW_STEP_FETCH:
    case GW_STEP_TAKE:
        return gw_memory_work(plan, step, error);
    default:
        return gw_fail(error, GW_ESTATE, "%s is not a step of work", gw_step_name(step->kind));
    }
}

gw_status gw_plan_begin(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    switch (step->kind) {
    case GW_STEP_MEET:
        gw_memory_raise(plan);
        return GW_OK;
    default:
        return gw_fail(error, GW_ESTATE, "%s is not a step to poll", gw_step_name(step->kind));
    }
}

gw_status gw_plan_poll(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    switch (step->kind) {
    case GW_STEP_MEET:
        return gw_memory_look(plan, error);
    default:
        return GW_OK;
    }
}

/* ---- what has come in -------------------------------------------------------------------------*/

static gw_status accept_pieces(struct gw_plan *plan, const struct gw_piece *piece,
                               const uint8_t *message, size_t length, struct gw_error *error)
{
    size_t at = 0;
    for (int i = piece->segment; i < piece->segment + piece->segments; i++) {
        const struct gw_segment *segment = &plan->layout.segments[i];
        size_t bytes;
        gw_status s = gw_payload_size(message + at, length - at, &bytes, error);
        if (!s)
            s = gw_payload_check(plan->tensors[segment->tensor].codec,
                                 gw_plan_unit_first(plan, segment), segment->count, message + at,
                                 bytes, error);
        if (s)
            return s;
        at += bytes;
    }
    if (at != length)
        return gw_fail(error, GW_EPAYLOAD, "%zu bytes more than the payloads take", length - at);
    return GW_OK;
}

/* Side information and signatures: a header with a known number of floats behind it. */
static gw_status accept_control(const uint8_t *message, size_t length, size_t floats,
                                struct gw_error *error)
{
    size_t bytes;
    gw_status s = gw_payload_size(message, length, &bytes, error);
    if (!s && (bytes != length || length != GW_HEADER_BYTES + 4 * floats))
        s = gw_fail(error, GW_EPAYLOAD, "a control message of %zu bytes, expected %zu", length,
                    GW_HEADER_BYTES + 4 * floats);
    return s;
}

gw_status gw_plan_accept(struct gw_plan *plan, const struct gw_step *step, size_t bytes,
                         struct gw_error *error)
{
    const struct gw_slot *kind = &plan->list.slots[step->slot];
    struct gw_plan_slot *slot = &plan->slots[step->slot];
    const uint8_t *message = plan->arena + slot->offset;
    char words[GW_ERROR_TEXT];
    gw_status theirs, s;
    slot->length = bytes;
    if (gw_payload_is_abort(message, bytes, &theirs, words))
        return gw_fail(error, GW_EPEER, "%s", words);
    if (kind->kind == GW_SLOT_SIDE || kind->kind == GW_SLOT_SIGN)
        s = accept_control(message, bytes, kind->kind == GW_SLOT_SIDE ? plan->side_floats : 0,
                           error);
    else
        s = accept_pieces(plan, &plan->layout.pieces[kind->piece], message, bytes, error);
    if (s && error)
        return gw_fail(error, s, "from rank %d: %.500s", step->peer, error->text);
    return s;
}
