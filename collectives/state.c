/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Residuals and momenta as bytes: training state, to be saved with the model.
 * Their layout is in records.h. What owners keep is read by elements, for they may have been cut
 * into other pieces when it was written; where ranks own other elements: state_fold.c. */
#include "collectives/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collectives/gate.h"
#include "collectives/records.h"

/* ---- writing ----------------------------------------------------------------------------------*/

int gw_state_units(const struct gw_plan *plan)
{
    return plan->tensors_count + plan->owners_count;
}

struct gw_codec *gw_state_codec(const struct gw_plan *plan, int i)
{
    if (i < plan->tensors_count)
        return gw_state_carries(plan) ? NULL : plan->tensors[i].codec;
    return plan->owners[i - plan->tensors_count];
}

uint64_t gw_state_parted_spec(const struct gw_plan_tensor *tensor)
{
    char text[GW_SPEC_TEXT + 8];
    snprintf(text, sizeof text, "%s@owners", tensor->spec);
    return gw_hash_text(text);
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
    for (int i = 0; plan && i < gw_state_units(plan); i++)
        bytes += gw_record_bytes(gw_state_codec(plan, i));
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
    for (int i = 0; i < gw_state_units(plan); i++) {
        if (!gw_state_codec(plan, i))
            continue;
        bool parted = i < plan->tensors_count && !plan->algorithm->whole &&
                      gw_state_codec(plan, i)->core->row->state_count;
        at += gw_record_put(out + at, gw_state_codec(plan, i),
                            parted ? gw_state_parted_spec(&plan->tensors[i]) : unit_spec(plan, i));
        records++;
    }
    gw_state_seal(out, at, plan->problem.size, plan->problem.rank, records);
    *written = at;
    return GW_OK;
}

/* ---- reading: nothing is believed
 * --------------------------------------------------------------*/

/* Saved records, in their order. Those without floats have nothing but the run, which is the same
 * everywhere: no unit needs them. */
struct reader {
    struct gw_plan *plan;
    const uint8_t *in;
    size_t bytes, at;
    uint64_t run;
    struct gw_record owner; /* being read, by elements */
    uint64_t used;          /* of its elements */
    float *scratch;         /* NULL: check only */
};

static gw_status another_layout(struct reader *from, const struct gw_codec *c)
{
    return gw_fail(&from->plan->error, GW_EMISMATCH,
                   "the saved state does not have what rank %d keeps of elements %zu to %zu of "
                   "tensor '%s': it is of another algorithm or list of tensors than this plan "
                   "(%s); name the algorithm in the options, keep the plan in a file "
                   "(GRADWIRE_PINS), or give gw_plan_load_folded all ranks' states",
                   from->plan->problem.rank, c->site.first, c->site.first + c->site.count,
                   c->site.tensor, from->plan->algorithm->info.name);
}

static gw_status check_unit(struct reader *from, const struct gw_record *r,
                            const struct gw_codec *c, uint64_t spec, bool fits)
{
    struct gw_error *error = &from->plan->error;
    if (r->spec != spec || !fits)
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state of tensor '%s' is of another codec than '%s'",
                       c->site.tensor, c->spec);
    if (r->floats > 0 && r->run != from->run)
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state of tensor '%s' is of run %llu, the rest of run %llu",
                       c->site.tensor, (unsigned long long)r->run, (unsigned long long)from->run);
    return gw_record_check_values(r, error);
}

/* What a rank keeps of a tensor that it sends: one record. There is none where the state is of an
 * algorithm in which nodes send. */
static gw_status read_tensor(struct reader *from, const struct gw_plan_tensor *tensor,
                             uint64_t spec)
{
    struct gw_codec *c = tensor->codec;
    size_t at = from->at, floats = gw_codec_state_count(c);
    struct gw_record r = { .stage = 1 };
    gw_status s = at < from->bytes
                      ? gw_record_read(&r, from->in, from->bytes, &from->at, &from->plan->error)
                      : GW_OK;
    if (s)
        return s;
    bool parted = r.spec == gw_state_parted_spec(tensor);
    r.spec = parted ? spec : r.spec;
    if (r.stage != 0 && floats == 0) {
        from->at = at;
        r.floats = 0;
    } else if (r.tensor != c->site.tensor_key || r.first != c->site.first ||
               r.count != c->site.count || r.stage != 0 ||
               (parted && from->plan->algorithm->whole)) {
        return another_layout(from, c);
    } else if (!from->scratch) {
        return check_unit(from, &r, c, spec, r.floats == floats);
    }
    if (from->scratch) {
        r.run = from->run;
        gw_record_load(c, &r, from->scratch);
    }
    return GW_OK;
}

/* Go to the next record that has floats; one of no elements where there is none. */
static gw_status next_owner(struct reader *from)
{
    gw_status s = GW_OK;
    from->used = 0;
    do {
        from->owner = (struct gw_record){ 0 };
        if (from->at < from->bytes)
            s = gw_record_read(&from->owner, from->in, from->bytes, &from->at, &from->plan->error);
    } while (!s && from->owner.floats == 0 && from->at < from->bytes);
    return s;
}

/* Every link of an owner's chain has one float per element, or none. */
static void copy_range(struct reader *from, const struct gw_codec *c, uint64_t element, uint64_t n)
{
    const struct gw_record *r = &from->owner;
    size_t links = gw_codec_state_count(c) / c->site.count;
    for (size_t l = 0; from->scratch && l < links; l++) {
        float *to = from->scratch + l * c->site.count + (element - c->site.first);
        const uint8_t *values = r->values + 4 * (l * r->count + from->used);
        for (size_t i = 0; i < n; i++)
            to[i] = gw_get_f32(values + 4 * i);
    }
}

/* What an owner keeps: of as many records as cover its elements, to the last of them. */
static gw_status read_owner(struct reader *from, struct gw_codec *c, uint64_t spec)
{
    const struct gw_record *r = &from->owner;
    size_t floats = gw_codec_state_count(c), links = floats / c->site.count;
    uint64_t end = c->site.first + c->site.count;
    for (uint64_t e = c->site.first, n; floats > 0 && e < end; e += n, from->used += n) {
        bool opens = from->used == r->count;
        gw_status s = opens ? next_owner(from) : GW_OK;
        if (!s && (r->tensor != c->site.tensor_key || r->stage != (uint64_t)c->site.stage ||
                   r->count == 0 || r->first + from->used != e))
            s = another_layout(from, c);
        if (!s && opens && !from->scratch)
            s = check_unit(from, r, c, spec,
                           r->floats % links == 0 && r->floats / links == r->count);
        if (s)
            return s;
        n = gw_min_size(r->count - from->used, end - e);
        copy_range(from, c, e, n);
    }
    if (from->scratch) {
        gw_codec_state_load(c, from->scratch);
        gw_record_set_run(c, from->run);
    }
    return GW_OK;
}

/* The run that all records with floats must be of. */
static gw_status find_run(struct reader *from)
{
    for (size_t at = from->at; at < from->bytes;) {
        struct gw_record r;
        gw_status s = gw_record_read(&r, from->in, from->bytes, &at, &from->plan->error);
        if (s)
            return s;
        from->run = r.run > from->run ? r.run : from->run;
    }
    return GW_OK;
}

float *gw_state_scratch(const struct gw_plan *plan)
{
    size_t most = 0;
    for (int i = 0; i < gw_state_units(plan); i++)
        if (gw_state_codec(plan, i))
            most = gw_max_size(most, gw_codec_state_count(gw_state_codec(plan, i)));
    return calloc(most + 1, sizeof(float));
}

/* First pass checks, second pass loads: a bad buffer changes nothing. */
static gw_status walk(gw_plan *plan, const uint8_t *in, size_t bytes, float *scratch)
{
    struct reader from = {
        .plan = plan, .in = in, .bytes = bytes, .at = GW_STATE_HEADER, .scratch = scratch
    };
    gw_status s = find_run(&from);
    for (int i = 0; !s && i < gw_state_units(plan); i++) {
        struct gw_codec *c = gw_state_codec(plan, i);
        if (c)
            s = i < plan->tensors_count ? read_tensor(&from, &plan->tensors[i], unit_spec(plan, i))
                                        : read_owner(&from, c, unit_spec(plan, i));
    }
    bool more = from.used < from.owner.count;
    if (!s && !more)
        s = next_owner(&from);
    if (!s && (more || from.owner.floats > 0))
        s = gw_fail(&plan->error, GW_EMISMATCH,
                    "the saved state has residuals that this plan (%s) has no place for: it is of "
                    "another algorithm or list of tensors; name the algorithm in the options, "
                    "keep the plan in a file (GRADWIRE_PINS), or give gw_plan_load_folded all "
                    "ranks' states",
                    plan->algorithm->info.name);
    return s;
}

gw_status gw_state_idle(gw_plan *plan)
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
    gw_status s = gw_state_idle(plan);
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
    float *scratch = gw_state_scratch(plan);
    if (!scratch)
        return gw_fail(&plan->error, GW_ENOMEM, "not enough memory to load a state");
    s = walk(plan, buffer, bytes, scratch);
    free(scratch);
    return s;
}

gw_status gw_plan_rescale(gw_plan *plan, double factor)
{
    if (!plan)
        return GW_EINVAL;
    gw_status s = gw_state_idle(plan);
    if (s)
        return s;
    if (!isfinite(factor) || !isfinite((float)factor))
        return gw_fail(&plan->error, GW_EINVAL, "gw_plan_rescale: the factor is not finite");
    for (int i = 0; i < gw_state_units(plan); i++)
        if (gw_state_codec(plan, i))
            gw_codec_scale_residual(gw_state_codec(plan, i), (float)factor);
    return GW_OK;
}
