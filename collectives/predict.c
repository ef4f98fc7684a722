/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From a plan to the problem that algorithms see and the terms that prices depend on. */
#include <stdlib.h>

#include "collectives/cache.h"
#include "collectives/costs.h"
#include "collectives/plan.h"
#include "collectives/tuning.h"

/* ---- the problem -------------------------------------------------------------------------------
 */

static void add_codec(struct gw_problem *p, const struct gw_codec *codec)
{
    const struct gw_codec_row *core = codec->core->row;
    p->dense = p->dense && codec->row == core && (core->info.traits & GW_ANY_TYPE);
    /* Raw merges too, but its sums need no codec's arithmetic: direct keeps rank order. */
    bool merges = core->merge && !(core->info.traits & GW_ANY_TYPE);
    p->merges = p->merges && merges;
    p->mergeless = p->mergeless && !merges;
    p->summable = p->summable && !(core->info.traits & GW_VOTE);
}

void gw_plan_describe(struct gw_problem *out, size_t *side_floats, const struct gw_plan *plan,
                      const struct gw_codec *instead)
{
    struct gw_problem p = { .collective = plan->collective,
                            .rank = plan->comm->rank,
                            .size = plan->comm->size,
                            .root = plan->root,
                            .nodes = plan->problem.nodes,
                            .node = plan->problem.node,
                            .node_ranks = plan->problem.node_ranks,
                            .node_rank = plan->problem.node_rank,
                            .members = plan->problem.members,
                            .shares = plan->problem.shares,
                            .carries = true,
                            .dense = true,
                            .merges = true,
                            .mergeless = true,
                            .summable = true };
    const struct gw_transport_row *transport = plan->comm->row;
    bool reduces = plan->collective == GW_ALLREDUCE || plan->collective == GW_REDUCE_SCATTER;
    gw_operation sums = plan->operation == GW_MEAN ? GW_SUM : plan->operation;
    *side_floats = 0;
    for (int t = 0; t < plan->tensors_count; t++) {
        const struct gw_codec *codec = instead ? instead : plan->tensors[t].codec;
        add_codec(&p, codec);
        *side_floats += gw_codec_side_count(codec);
        p.carries = p.carries && !(plan->by_tensor && gw_codec_has_state(codec));
        p.raw_bytes += (double)(plan->tensors[t].count * gw_type_bytes(plan->type));
    }
    if (plan->collective == GW_BROADCAST) /* one payload: nothing to merge */
        p.mergeless = true;
    p.wraps = plan->wrapped != NULL;
    p.agrees = reduces && *side_floats > 0;
    p.divides = plan->operation == GW_MEAN && p.summable;
    p.checks = plan->nonfinite == GW_NONFINITE_REFUSE && plan->type != GW_I32;
    p.native = transport->native && transport->has_native(plan->comm, plan->type, sums);
    *out = p;
}

/* ---- the terms ---------------------------------------------------------------------------------
 */

static size_t elements_of(const struct gw_plan *plan)
{
    size_t count = 0;
    for (int t = 0; t < plan->tensors_count; t++)
        count += plan->tensors[t].count;
    return count;
}

/* `share` of the elements and `part` of the payloads are like this. */
static void add_rates(struct gw_rates *sum, const struct gw_rates *rates, double share, double part)
{
    for (int w = 0; w < GW_WORKS; w++) {
        sum->work[w].fixed_s += part * rates->work[w].fixed_s;
        sum->work[w].element_s += share * rates->work[w].element_s;
    }
    sum->coded_bytes += share * rates->coded_bytes;
    sum->merged_bytes += share * rates->merged_bytes;
    sum->state_floats += share * rates->state_floats;
}

/* Plans whose tensors go by several codecs are not in such files. */
static struct gw_tuned tuned_of(const struct gw_plan *plan, const char *instead)
{
    struct gw_tuned t = { .tuning = plan->comm->tuning,
                          .collective = plan->collective,
                          .bytes = (double)elements_of(plan) * sizeof(float) };
    const char *spec = instead ? instead : plan->tensors_count ? plan->tensors[0].spec : "";
    for (int i = 1; i < plan->tensors_count && !instead; i++)
        if (strcmp(plan->tensors[i].spec, spec) != 0)
            t.tuning = NULL;
    if (plan->type != GW_F32)
        t.tuning = NULL;
    t.codec = gw_hash_text(spec);
    return t;
}

static struct gw_terms terms_of(const struct gw_plan *plan, const char *instead, size_t side_floats)
{
    const gw_comm *comm = plan->comm;
    const struct gw_costs *costs = comm->costs;
    struct gw_terms t = { .count = elements_of(plan),
                          .tensors = plan->tensors_count > 0 ? plan->tensors_count : 1,
                          .side_floats = side_floats,
                          .near = comm->near,
                          .far = comm->far,
                          .nodes = comm->nodes,
                          .memory = gw_memory_assumed,
                          .crowding = costs ? costs->crowding : 1,
                          .threads = plan->fewest_threads };
    t.elements = (double)t.count * (double)gw_type_bytes(plan->type) / 4;
    if (costs)
        t.native = costs->native;
    if (costs && costs->memory.read_s > 0)
        t.memory = costs->memory;
    for (int i = 0; i < plan->tensors_count; i++) {
        const struct gw_plan_tensor *tensor = &plan->tensors[i];
        const struct gw_rates *rates = gw_costs_of(comm, instead ? instead : tensor->spec);
        double part = 1.0 / plan->tensors_count;
        double share = t.count ? (double)tensor->count / (double)t.count : part;
        add_rates(&t.rates, rates, share, part);
        t.assumed |= rates == &gw_rates_assumed;
    }
    t.tuned = tuned_of(plan, instead);
    return t;
}

/* ---- what the rest of the room asks ------------------------------------------------------------
 */

/* Too large for caches: then memory counts. */
static bool is_large(const struct gw_plan *plan)
{
    return elements_of(plan) * gw_type_bytes(plan->type) > GW_CACHE_BYTES / 2;
}

static gw_status measure(struct gw_plan *plan, const char *compare, struct gw_want *want,
                         struct gw_error *error)
{
    const char **specs = calloc((size_t)plan->tensors_count + 1, sizeof *specs);
    gw_status s = GW_OK;
    for (int t = 0; specs && t < plan->tensors_count; t++)
        specs[want->count++] = plan->tensors[t].spec;
    if (specs && compare)
        specs[want->count++] = compare;
    if (!specs)
        s = gw_fail(error, GW_ENOMEM, "not enough memory for a plan of %d tensors",
                    plan->tensors_count);
    want->specs = specs;
    want->large = is_large(plan);
    s = gw_costs_measure(plan->comm, want, s, error);
    free(specs);
    return s;
}

gw_status gw_plan_measure(struct gw_plan *plan, const char *algorithm, const char *compare,
                          gw_status local, struct gw_error *error)
{
    const struct gw_wish wish = { algorithm, plan->piece_count };
    local = gw_tuning_read(plan->comm, local, error);
    struct gw_want want = { .threads = plan->threads };
    bool open = !local && plan->comm->size > 1 &&
                (compare || gw_choice_is_open(&plan->problem, elements_of(plan), &wish));
    gw_status s = open ? measure(plan, compare, &want, error)
                       : gw_costs_measure(plan->comm, &want, local, error);
    plan->fewest_threads = want.threads;
    return s;
}

gw_status gw_plan_choose(struct gw_choice *out, const struct gw_plan *plan, const char *algorithm,
                         char *reason, size_t capacity, struct gw_error *error)
{
    const struct gw_wish wish = { algorithm, plan->piece_count };
    struct gw_terms terms = terms_of(plan, NULL, plan->side_floats);
    return gw_choose(out, &plan->problem, &terms, &wish, reason, capacity, error);
}

gw_status gw_plan_predict(struct gw_choice *out, const struct gw_plan *plan, const char *spec,
                          const char *algorithm, struct gw_error *error)
{
    const struct gw_wish wish = { algorithm, plan->piece_count };
    struct gw_codec_site site = { .tensor = "tensor",
                                  .count = 1,
                                  .ranks = plan->comm->size,
                                  .type = plan->type,
                                  .operation = plan->operation };
    struct gw_codec *codec;
    struct gw_problem problem;
    size_t side_floats;
    char reason[GW_ERROR_TEXT];
    gw_status s = gw_codec_open_site(&codec, spec, &site, error);
    if (s)
        return s;
    gw_plan_describe(&problem, &side_floats, plan, codec);
    gw_codec_close(codec);
    struct gw_terms terms = terms_of(plan, spec, side_floats);
    return gw_choose(out, &problem, &terms, &wish, reason, sizeof reason, error);
}
