/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From what was asked to steps and memory. Local: no communication. */
#include "collectives/memory.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 4096 };

static gw_status open_codecs(struct gw_plan *plan, struct gw_error *error)
{
    for (int t = 0; t < plan->tensors_count; t++) {
        struct gw_plan_tensor *tensor = &plan->tensors[t];
        struct gw_codec_site site = { .tensor = tensor->name,
                                      .tensor_key = gw_hash_text(tensor->name),
                                      .seed = plan->seed,
                                      .count = tensor->count,
                                      .rank = plan->comm->rank,
                                      .ranks = plan->comm->size,
                                      .nonfinite = plan->nonfinite,
                                      .type = plan->type,
                                      .operation = plan->operation };
        if (plan->collective == GW_ALLGATHER) {
            site.first = plan->block_count * (size_t)plan->comm->rank;
            site.count = plan->block_count;
        }
        gw_status s = gw_codec_open_site(&tensor->codec, tensor->spec, &site, error);
        if (s)
            return s;
    }
    return GW_OK;
}

gw_status gw_plan_describe_nodes(struct gw_plan *plan)
{
    struct gw_problem *p = &plan->problem;
    const gw_comm *comm = plan->comm;
    int filled[NODES_MAX] = { 0 };
    p->size = comm->size;
    p->rank = comm->rank;
    for (int r = 0; r < p->size; r++)
        p->nodes = comm->nodes[r] >= p->nodes ? comm->nodes[r] + 1 : p->nodes;
    p->node = comm->nodes[p->rank];
    p->node_rank = comm->node_rank;
    p->shares = comm->shares && !plan->unshared;
    if (p->size % p->nodes != 0 || p->nodes > NODES_MAX)
        return GW_OK;
    int each = p->size / p->nodes;
    plan->members = malloc((size_t)p->size * sizeof *plan->members);
    if (!plan->members)
        return GW_ENOMEM;
    for (int r = 0; r < p->size; r++) {
        int node = comm->nodes[r];
        if (filled[node] == each)
            return GW_OK;
        plan->members[node * each + filled[node]++] = r;
    }
    p->members = plan->members;
    p->node_ranks = each;
    return GW_OK;
}

static gw_status cut(struct gw_plan *plan, size_t piece)
{
    int n = plan->tensors_count;
    size_t *counts = calloc(2 * (size_t)n + 1, sizeof *counts), *granules = counts + n;
    if (!counts)
        return GW_ENOMEM;
    size_t total = 0;
    for (int t = 0; t < n; t++) {
        counts[t] = plan->tensors[t].count;
        granules[t] = plan->problem.dense ? 16 : gw_codec_granule(plan->tensors[t].codec);
        total += counts[t];
    }
    int blocks = plan->algorithm->whole ? 1 : plan->problem.size;
    int pieces = gw_pieces_of(plan->algorithm, &plan->problem, total, piece);
    plan->problem.pieces = pieces;
    int exact = plan->collective == GW_REDUCE_SCATTER || plan->collective == GW_ALLGATHER;
    gw_status s = gw_layout_cut(&plan->layout, counts, granules, n, blocks, pieces, exact);
    free(counts);
    return s;
}

static gw_status open_owner(struct gw_plan *plan, int index, int stage, struct gw_error *error)
{
    const struct gw_segment *segment = &plan->layout.segments[index];
    const struct gw_plan_tensor *tensor = &plan->tensors[segment->tensor];
    struct gw_codec **owner =
        &plan->owners[stage == 2 ? plan->layout.segments_count + index : index];
    if (*owner)
        return GW_OK;
    struct gw_codec_site site = tensor->codec->site;
    site.first = segment->first;
    site.count = segment->count;
    site.stage = stage;
    return gw_codec_open_site(owner, stage == 2 ? tensor->spec : tensor->owner_spec, &site, error);
}

static gw_status open_owners(struct gw_plan *plan, struct gw_error *error)
{
    plan->owners_count = 2 * plan->layout.segments_count;
    plan->owners = calloc((size_t)plan->owners_count + 1, sizeof *plan->owners);
    if (!plan->owners)
        return GW_ENOMEM;
    for (int i = 0; i < plan->list.count; i++) {
        const struct gw_step *step = &plan->list.steps[i];
        if (step->kind != GW_STEP_REENCODE && step->kind != GW_STEP_CARRY)
            continue;
        const struct gw_piece *piece = &plan->layout.pieces[step->piece];
        for (int j = piece->segment; j < piece->segment + piece->segments; j++) {
            gw_status s = open_owner(plan, j, step->kind == GW_STEP_CARRY ? 2 : 1, error);
            if (s)
                return s;
        }
    }
    return GW_OK;
}

static size_t slot_bytes(const struct gw_plan *plan, const struct gw_slot *slot)
{
    size_t bytes = GW_HEADER_BYTES + 4 * plan->side_floats;
    if (slot->kind == GW_SLOT_CODED || slot->kind == GW_SLOT_MERGED) {
        const struct gw_piece *piece = &plan->layout.pieces[slot->piece];
        bytes = 0;
        for (int i = piece->segment; i < piece->segment + piece->segments; i++) {
            const struct gw_segment *segment = &plan->layout.segments[i];
            const struct gw_codec *codec = plan->tensors[segment->tensor].codec;
            size_t first = gw_plan_unit_first(plan, segment);
            bytes += slot->kind == GW_SLOT_CODED
                         ? gw_payload_bound(codec, first, segment->count)
                         : gw_payload_merged_bound(codec, first, segment->count);
        }
    }
    /* Any message may be replaced by one that says why there is none. */
    return gw_max_size(bytes, GW_HEADER_BYTES + GW_ERROR_TEXT);
}

static gw_status open_slots(struct gw_plan *plan)
{
    size_t bytes = 0;
    plan->slots = calloc((size_t)plan->list.slots_count + 1, sizeof *plan->slots);
    if (!plan->slots)
        return GW_ENOMEM;
    for (int i = 0; i < plan->list.slots_count; i++) {
        plan->slots[i].offset = bytes;
        plan->slots[i].capacity = slot_bytes(plan, &plan->list.slots[i]);
        bytes += gw_round_up(plan->slots[i].capacity, 64);
    }
    plan->arena = malloc(bytes + 1);
    return plan->arena ? GW_OK : GW_ENOMEM;
}

static bool touches_sum(enum gw_step_kind kind)
{
    return kind == GW_STEP_REENCODE || kind == GW_STEP_CARRY || kind == GW_STEP_LOAD ||
           kind == GW_STEP_DECODE || kind == GW_STEP_ADD || kind == GW_STEP_DIVIDE ||
           kind == GW_STEP_NATIVE || kind == GW_STEP_COPY || kind == GW_STEP_REDUCE;
}

static gw_status open_sum(struct gw_plan *plan)
{
    size_t first = SIZE_MAX, end = 0;
    for (int i = 0; i < plan->list.count; i++) {
        const struct gw_step *step = &plan->list.steps[i];
        if (!touches_sum(step->kind))
            continue;
        const struct gw_piece *piece = &plan->layout.pieces[step->piece];
        first = gw_min_size(first, piece->first);
        end = gw_max_size(end, piece->first + piece->count);
    }
    plan->sum_first = end ? first : 0;
    plan->sum_count = end - plan->sum_first;
    if (gw_memory_needed(plan)) /* it will stand in shared memory */
        return GW_OK;
    plan->sum = malloc(plan->sum_count * gw_type_bytes(plan->type) + 1);
    return plan->sum ? GW_OK : GW_ENOMEM;
}

gw_status gw_plan_open(struct gw_plan *plan, struct gw_error *error)
{
    gw_status s = open_codecs(plan, error);
    if (s)
        return s;
    if (gw_plan_describe_nodes(plan))
        return gw_fail(error, GW_ENOMEM, "not enough memory for a plan of %d ranks",
                       plan->problem.size);
    gw_plan_describe(&plan->problem, &plan->side_floats, plan, NULL);
    return GW_OK;
}

gw_status gw_plan_build(struct gw_plan *plan, const char *algorithm, struct gw_error *error)
{
    struct gw_choice choice;
    gw_status s =
        gw_plan_choose(&choice, plan, algorithm, plan->reason, sizeof plan->reason, error);
    if (s)
        return s;
    plan->algorithm = choice.row;
    plan->predicted_s = choice.seconds;
    plan->made_piece_count = choice.piece_count;
    plan->tuned = choice.tuned;
    s = cut(plan, choice.piece_count);
    if (!s) {
        plan->algorithm->write(&plan->list, &plan->problem);
        s = plan->list.status;
    }
    if (!s)
        s = gw_graph_build(&plan->graph, &plan->list, plan->layout.pieces_count,
                           plan->problem.size);
    if (!s)
        s = open_slots(plan);
    if (!s)
        s = open_sum(plan);
    if (s)
        return gw_fail(error, s, "not enough memory for a plan of %zu elements",
                       plan->layout.count);
    s = gw_plan_open_run(plan, error);
    if (s)
        return s;
    s = open_owners(plan, error);
    return s == GW_ENOMEM ? gw_fail(error, s, "not enough memory for residuals") : s;
}
