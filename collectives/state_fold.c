/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Loading the states of all ranks: there may have been more or fewer, and another algorithm.
 *
 * A residual is an amount of the result that is still to come. It may be kept by who sends a tensor
 * (stage 0), by who owns a part of it (stage 1), or by who carries a part from node to node (stage
 * 2); in stages 0 and 2 it counts as an input, in stage 1 as a result, which for GW_MEAN is `size`
 * times as much. Where the plan does not have the stage that kept it, another one takes it: every
 * rank sees all states and takes what is its own, so nothing is lost or taken twice. Momenta stay
 * with tensors; those of what nodes carried, which are not owed to anybody, begin anew. */
#include "collectives/state.h"

#include <stdlib.h>
#include <string.h>

#include "collectives/records.h"

struct folding {
    struct gw_plan *plan;
    const void *const *buffers; /* by old rank */
    const size_t *bytes;
    int count;
    uint64_t run;     /* the latest of any record */
    bool was_carried; /* some residual is of stage 2 */
    bool was_sent;    /* some state is of stage 0 */
    float *next;
};

/* ---- checks -----------------------------------------------------------------------------------*/

static const struct gw_plan_tensor *find_tensor(const struct gw_plan *plan, uint64_t key)
{
    for (int t = 0; t < plan->tensors_count; t++)
        if (plan->tensors[t].codec->site.tensor_key == key)
            return &plan->tensors[t];
    return NULL;
}

static bool fits(const struct gw_record *r, const struct gw_plan_tensor *tensor)
{
    size_t floats = gw_codec_state_count(tensor->codec), count = tensor->codec->site.count;
    if (r->first > count || r->count > count - r->first)
        return false;
    if (r->stage == 0)
        return r->first == 0 && r->count == count && r->floats == floats;
    if (r->stage == 1)
        return r->floats == r->count || r->floats == 0;
    return r->stage == 2 && r->floats == (count ? floats / count * r->count : 0);
}

static gw_status check_record(struct folding *f, const struct gw_record *r)
{
    struct gw_error *error = &f->plan->error;
    const struct gw_plan_tensor *tensor = find_tensor(f->plan, r->tensor);
    if (!tensor)
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state is of a tensor that the plan does not have");
    bool parted = r->stage == 0 && r->spec == gw_state_parted_spec(tensor);
    if (!parted && r->spec != gw_hash_text(r->stage == 1 ? tensor->owner_spec : tensor->spec))
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state of tensor '%s' is of another codec than '%s'", tensor->name,
                       tensor->spec);
    if (!fits(r, tensor))
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state of elements %llu to %llu of tensor '%s' does not fit its "
                       "%zu elements and codec '%s'",
                       (unsigned long long)r->first, (unsigned long long)(r->first + r->count),
                       tensor->name, tensor->count, tensor->spec);
    f->run = r->run > f->run ? r->run : f->run;
    f->was_carried |= r->stage == 2 && r->floats > 0;
    f->was_sent |= r->stage == 0 && r->floats > 0;
    return gw_record_check_values(r, error);
}

static gw_status check_buffer(struct folding *f, int old)
{
    struct gw_plan *plan = f->plan;
    struct gw_state_header h;
    if (!f->buffers[old])
        return gw_fail(&plan->error, GW_EINVAL, "gw_plan_load_folded: buffer %d is NULL", old);
    gw_status s = gw_state_open(&h, f->buffers[old], f->bytes[old], &plan->error);
    if (!s && (h.ranks != (uint32_t)f->count || h.rank != (uint32_t)old))
        s = gw_fail(&plan->error, GW_EMISMATCH, "buffer %d of %d was saved by rank %u of %u", old,
                    f->count, h.rank, h.ranks);
    for (size_t at = GW_STATE_HEADER; !s && at < f->bytes[old];) {
        struct gw_record r;
        s = gw_record_read(&r, f->buffers[old], f->bytes[old], &at, &plan->error);
        if (!s)
            s = check_record(f, &r);
    }
    return s;
}

/* ---- what comes to a unit ---------------------------------------------------------------------*/

/* Add `scale` times the elements of the record that the unit has, link `from` of the record's to
 * the unit's at `to`. */
static void add_range(const struct folding *f, const struct gw_codec *c, const struct gw_record *r,
                      size_t from, size_t to, float scale)
{
    uint64_t first = r->first > c->site.first ? r->first : c->site.first;
    uint64_t end = gw_min_size(r->first + r->count, c->site.first + c->site.count);
    for (uint64_t e = first; e < end; e++)
        gw_record_add(&f->next[to + e - c->site.first],
                      scale * gw_get_f32(r->values + 4 * (from * r->count + e - r->first)));
}

/* Has some rank's owner of this tensor a residual now? */
static bool has_owners(const struct gw_plan *plan, const struct gw_codec *c)
{
    const struct gw_plan_tensor *tensor = find_tensor(plan, c->site.tensor_key);
    return plan->collective == GW_ALLREDUCE && plan->algorithm->owners &&
           strncmp(tensor->owner_spec, "ef+", 3) == 0;
}

/* What ranks remember of parts that they merged begins anew where all merge everything. */
static void forget_parts(const struct gw_plan *plan, const struct gw_codec *c,
                         const struct gw_record *r, float *next)
{
    if (!c->core->row->state_count ||
        r->spec != gw_state_parted_spec(find_tensor(plan, c->site.tensor_key)))
        return;
    size_t core = c->core->row->state_count(c->core);
    memset(next + gw_codec_state_count(c) - core, 0, core * sizeof *next);
}

static void fold_record(const struct folding *f, const struct gw_codec *c,
                        const struct gw_record *r, int old)
{
    const struct gw_problem *p = &f->plan->problem;
    float size = f->plan->operation == GW_MEAN ? (float)p->size : 1;
    float scale = f->plan->operation == GW_MEAN ? size / (float)f->count : 1;
    size_t at = 0;
    bool residual = gw_record_residual(c, &at), mine = old % p->size == p->rank;
    if (c->site.stage == 1) {
        if (r->stage == 1)
            add_range(f, c, r, 0, at, 1);
        return;
    }
    if (c->site.stage == 0 && r->stage == 0) {
        gw_record_fold(c, r, old, f->count, f->next);
        if (f->plan->algorithm->whole)
            forget_parts(f->plan, c, r, f->next);
        return;
    }
    /* Of what is carried, the first node takes what there is. */
    bool takes = c->site.stage == 2 ? p->node == 0 : mine;
    if (!residual || !takes)
        return;
    if (r->stage != 1)
        add_range(f, c, r, at / c->site.count, at, scale);
    else if (!has_owners(f->plan, c))
        add_range(f, c, r, 0, at, size);
}

static void fold_unit(const struct folding *f, struct gw_codec *c)
{
    memset(f->next, 0, gw_codec_state_count(c) * sizeof *f->next);
    for (int old = 0; old < f->count; old++) {
        for (size_t at = GW_STATE_HEADER; at < f->bytes[old];) {
            struct gw_record r;
            if (gw_record_read(&r, f->buffers[old], f->bytes[old], &at, NULL))
                return;
            if (r.tensor == c->site.tensor_key && r.floats > 0)
                fold_record(f, c, &r, old);
        }
    }
    gw_codec_state_load(c, f->next);
    gw_record_set_run(c, f->run);
}

/* ---- public -----------------------------------------------------------------------------------*/

/* With as many ranks, what nodes carried stays with who carries it, momenta too. All ranks see the
 * same buffers and say the same here. */
static bool stays(const struct folding *f)
{
    return f->count == f->plan->problem.size && gw_state_carries(f->plan) && f->was_carried &&
           !f->was_sent;
}

static gw_status check(struct folding *f, gw_fold fold)
{
    struct gw_plan *plan = f->plan;
    gw_status s = gw_state_idle(plan);
    if (!s && fold == GW_FOLD_REFUSE && f->count != plan->problem.size)
        s = gw_fail(&plan->error, GW_EMISMATCH,
                    "the state was saved by %d ranks, the plan has %d: ask to drop or fold it",
                    f->count, plan->problem.size);
    for (int old = 0; !s && old < f->count; old++)
        s = check_buffer(f, old);
    return s;
}

gw_status gw_plan_load_folded(gw_plan *plan, const void *const *buffers, const size_t *bytes,
                              int count, gw_fold fold)
{
    if (!plan || !buffers || !bytes || count < 1)
        return GW_EINVAL;
    struct folding f = { .plan = plan, .buffers = buffers, .bytes = bytes, .count = count };
    bool equal = count == plan->problem.size;
    /* Blocks of an allgather are their ranks' own. */
    if (equal && (fold == GW_FOLD_REFUSE || plan->collective == GW_ALLGATHER))
        return gw_plan_load(plan, buffers[plan->problem.rank], bytes[plan->problem.rank]);
    gw_status s = check(&f, fold);
    if (s)
        return s;
    if (stays(&f))
        return gw_plan_load(plan, buffers[plan->problem.rank], bytes[plan->problem.rank]);
    f.next = gw_state_scratch(plan);
    if (!f.next)
        return gw_fail(&plan->error, GW_ENOMEM, "not enough memory to fold a state");
    for (int i = 0; i < gw_state_units(plan); i++) {
        struct gw_codec *c = gw_state_codec(plan, i);
        if (c && fold == GW_FOLD_DROP && !equal)
            gw_codec_state_load(c, f.next);
        else if (c)
            fold_unit(&f, c);
    }
    free(f.next);
    return GW_OK;
}
