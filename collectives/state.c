/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Residuals and momenta as bytes: training state, to be saved with the model.
 * Their layout is in records.h. */
#include "collectives/gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectives/records.h"

/* ---- writing ----------------------------------------------------------------------------------*/

static int units(const struct gw_plan *plan)
{
    return plan->tensors_count + plan->owners_count;
}

/* Where nodes carry sums, tensors' own codecs only decode. */
static bool carries(const struct gw_plan *plan)
{
    return plan->algorithm == &gw_hierarchy;
}

/* The codec of unit i: tensors first, then owned segments; NULL where there is none. */
static struct gw_codec *unit_codec(const struct gw_plan *plan, int i)
{
    if (i < plan->tensors_count)
        return carries(plan) ? NULL : plan->tensors[i].codec;
    return plan->owners[i - plan->tensors_count];
}

static uint64_t unit_spec(const struct gw_plan *plan, int i)
{
    int segments = plan->layout.segments_count, s = i - plan->tensors_count;
    if (s < 0)
        return gw_hash_text(plan->tensors[i].spec);
    const struct gw_plan_tensor *tensor =
        &plan->tensors[plan->layout.segments[s % segments].tensor];
    return gw_hash_text(s < segments ? tensor->owner_spec : tensor->spec);
}

size_t gw_plan_state_bytes(const gw_plan *plan)
{
    size_t bytes = GW_STATE_HEADER;
    for (int i = 0; plan && i < units(plan); i++)
        bytes += gw_record_bytes(unit_codec(plan, i));
    return bytes;
}

gw_status gw_plan_save(const gw_plan *plan, void *buffer, size_t capacity, size_t *written)
{
    if (!plan || !buffer || !written)
        return GW_EINVAL;
    if (gw_gate_runs(plan))
        return GW_ESTATE;
    size_t bytes = gw_plan_state_bytes(plan);
    if (capacity < bytes)
        return GW_ECAPACITY;
    uint8_t *out = buffer;
    size_t at = GW_STATE_HEADER;
    uint64_t records = 0;
    for (int i = 0; i < units(plan); i++) {
        if (!unit_codec(plan, i))
            continue;
        at += gw_record_put(out + at, unit_codec(plan, i), unit_spec(plan, i));
        records++;
    }
    gw_state_seal(out, at, plan->problem.size, plan->problem.rank, records);
    *written = at;
    return GW_OK;
}

/* ---- reading: nothing is believed
 * --------------------------------------------------------------*/

static gw_status check_unit(const struct gw_record *r, const struct gw_codec *c, uint64_t spec,
                            struct gw_error *error)
{
    if (r->tensor != c->site.tensor_key || r->first != c->site.first || r->count != c->site.count ||
        r->stage != (uint64_t)c->site.stage)
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state is of another layout: at tensor '%s' it has elements %llu "
                       "to %llu, the plan %zu to %zu",
                       c->site.tensor, (unsigned long long)r->first,
                       (unsigned long long)(r->first + r->count), c->site.first,
                       c->site.first + c->site.count);
    if (r->spec != spec || r->floats != gw_codec_state_count(c))
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state of tensor '%s' is of another codec than '%s'",
                       c->site.tensor, c->spec);
    return gw_record_check_values(r, error);
}

/* Room for the state of the largest unit. */
static float *open_scratch(const struct gw_plan *plan)
{
    size_t most = 0;
    for (int i = 0; i < units(plan); i++)
        if (unit_codec(plan, i))
            most = gw_max_size(most, gw_codec_state_count(unit_codec(plan, i)));
    return calloc(most + 1, sizeof(float));
}

/* First pass checks, second pass loads: a bad buffer changes nothing. */
static gw_status walk(gw_plan *plan, const uint8_t *in, size_t bytes, float *scratch)
{
    size_t at = GW_STATE_HEADER;
    for (int i = 0; i < units(plan); i++) {
        struct gw_codec *c = unit_codec(plan, i);
        struct gw_record r;
        if (!c)
            continue;
        gw_status s = gw_record_read(&r, in, bytes, &at, &plan->error);
        if (!s && !scratch)
            s = check_unit(&r, c, unit_spec(plan, i), &plan->error);
        if (s)
            return s;
        if (scratch)
            gw_record_load(c, &r, scratch);
    }
    if (at != bytes)
        return gw_fail(&plan->error, GW_EMISMATCH,
                       "the saved state has %zu bytes more than the plan", bytes - at);
    return GW_OK;
}

static gw_status check_idle(gw_plan *plan)
{
    gw_error_clear(&plan->error);
    if (gw_gate_runs(plan))
        return gw_fail(&plan->error, GW_ESTATE, "a run is under way: gw_wait first");
    return GW_OK;
}

gw_status gw_plan_load(gw_plan *plan, const void *buffer, size_t bytes)
{
    struct gw_state_header h;
    if (!plan || !buffer)
        return GW_EINVAL;
    gw_status s = check_idle(plan);
    if (!s)
        s = gw_state_open(&h, buffer, bytes, &plan->error);
    if (s)
        return s;
    if (h.ranks != (uint32_t)plan->problem.size || h.rank != (uint32_t)plan->problem.rank)
        return gw_fail(&plan->error, GW_EMISMATCH,
                       "the state was saved by rank %u of %u, this is rank %d of %d (see "
                       "gw_plan_load_folded)",
                       h.rank, h.ranks, plan->problem.rank, plan->problem.size);
    s = walk(plan, buffer, bytes, NULL);
    if (s)
        return s;
    float *scratch = open_scratch(plan);
    if (!scratch)
        return gw_fail(&plan->error, GW_ENOMEM, "not enough memory to load a state");
    s = walk(plan, buffer, bytes, scratch);
    free(scratch);
    return s;
}

/* ---- another number of ranks ------------------------------------------------------------------*/

/* An owner's residual has one float per element: elements move to who owns them now. */
static void fold_owner(const struct gw_codec *c, const struct gw_record *r, float *next)
{
    uint64_t first = r->first > c->site.first ? r->first : c->site.first;
    uint64_t end = gw_min_size(r->first + r->count, c->site.first + c->site.count);
    for (uint64_t e = first; e < end; e++)
        next[e - c->site.first] += gw_get_f32(r->values + 4 * (e - r->first));
}

/* Residuals of what nodes carried go to the first of the nodes, with their elements; momenta, which
 * are not owed to anybody, begin anew. */
static void fold_carried(const struct gw_plan *plan, const struct gw_codec *c,
                         const struct gw_record *r, int old_ranks, float *next)
{
    size_t at;
    if (plan->problem.node > 0 || !gw_record_residual(c, &at))
        return;
    size_t links = at / c->site.count;
    float scale = plan->operation == GW_MEAN ? (float)plan->problem.size / (float)old_ranks : 1;
    uint64_t first = r->first > c->site.first ? r->first : c->site.first;
    uint64_t end = gw_min_size(r->first + r->count, c->site.first + c->site.count);
    for (uint64_t e = first; e < end; e++)
        next[at + e - c->site.first] +=
            scale * gw_get_f32(r->values + 4 * (links * r->count + e - r->first));
}

static bool same_unit(const struct gw_record *r, const struct gw_codec *c)
{
    if (r->tensor != c->site.tensor_key || r->stage != (uint64_t)c->site.stage)
        return false;
    if (r->stage == 2) /* the same links, on other elements */
        return r->count > 0 && c->site.count > 0 &&
               r->floats / r->count == gw_codec_state_count(c) / c->site.count &&
               r->floats % r->count == 0;
    return r->stage == 1 ? r->floats == r->count && gw_codec_state_count(c) == c->site.count
                         : r->floats == gw_codec_state_count(c) && r->count == c->site.count;
}

static gw_status fold_unit(gw_plan *plan, struct gw_codec *c, const void *const *buffers,
                           const size_t *bytes, int count, float *next)
{
    uint64_t run = 0;
    memset(next, 0, gw_codec_state_count(c) * sizeof *next);
    for (int old = 0; old < count; old++) {
        const uint8_t *in = buffers[old];
        size_t at = GW_STATE_HEADER;
        while (at < bytes[old]) {
            struct gw_record r;
            gw_status s = gw_record_read(&r, in, bytes[old], &at, &plan->error);
            if (s)
                return s;
            if (!same_unit(&r, c))
                continue;
            run = r.run;
            if (r.stage == 1)
                fold_owner(c, &r, next);
            else if (r.stage == 2)
                fold_carried(plan, c, &r, count, next);
            else
                gw_record_fold(c, &r, old, count, next);
        }
    }
    gw_codec_state_load(c, next);
    gw_record_set_run(c, run);
    return GW_OK;
}

static gw_status check_folds(gw_plan *plan, const void *const *buffers, const size_t *bytes,
                             int count)
{
    for (int old = 0; old < count; old++) {
        struct gw_state_header h;
        gw_status s = gw_state_open(&h, buffers[old], bytes[old], &plan->error);
        if (s)
            return s;
        if (h.ranks != (uint32_t)count || h.rank != (uint32_t)old)
            return gw_fail(&plan->error, GW_EMISMATCH, "buffer %d of %d was saved by rank %u of %u",
                           old, count, h.rank, h.ranks);
        size_t at = GW_STATE_HEADER;
        while (at < bytes[old]) {
            struct gw_record r;
            s = gw_record_read(&r, buffers[old], bytes[old], &at, &plan->error);
            if (!s)
                s = gw_record_check_values(&r, &plan->error);
            if (!s && r.stage == 0 && (r.first != 0 || r.count > SIZE_MAX / 4))
                s = gw_fail(&plan->error, GW_EMISMATCH, "a record covers part of a tensor");
            if (s)
                return s;
        }
    }
    return GW_OK;
}

gw_status gw_plan_load_folded(gw_plan *plan, const void *const *buffers, const size_t *bytes,
                              int count, gw_fold fold)
{
    if (!plan || !buffers || !bytes || count < 1)
        return GW_EINVAL;
    gw_status s = check_idle(plan);
    if (!s)
        s = check_folds(plan, buffers, bytes, count);
    if (s)
        return s;
    if (count == plan->problem.size)
        return gw_plan_load(plan, buffers[plan->problem.rank], bytes[plan->problem.rank]);
    if (fold == GW_FOLD_REFUSE)
        return gw_fail(&plan->error, GW_EMISMATCH,
                       "the state was saved by %d ranks, the plan has %d: ask to drop or fold it",
                       count, plan->problem.size);
    float *next = open_scratch(plan);
    if (!next)
        return gw_fail(&plan->error, GW_ENOMEM, "not enough memory to fold a state");
    for (int i = 0; !s && i < units(plan); i++) {
        struct gw_codec *c = unit_codec(plan, i);
        if (c && fold == GW_FOLD_DROP)
            gw_codec_state_load(c, next);
        else if (c)
            s = fold_unit(plan, c, buffers, bytes, count, next);
    }
    free(next);
    return s;
}

gw_status gw_plan_rescale(gw_plan *plan, double factor)
{
    if (!plan)
        return GW_EINVAL;
    gw_status s = check_idle(plan);
    if (s)
        return s;
    if (!isfinite(factor) || !isfinite((float)factor))
        return gw_fail(&plan->error, GW_EINVAL, "gw_plan_rescale: the factor is not finite");
    for (int i = 0; i < units(plan); i++)
        if (unit_codec(plan, i))
            gw_codec_scale_residual(unit_codec(plan, i), (float)factor);
    return GW_OK;
}
