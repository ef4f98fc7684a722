/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Looking inside a plan: statistics, the choice, the steps. */
#include "collectives/gate.h"

#include <math.h>

static double raw_bytes(const struct gw_plan *plan)
{
    double n = plan->problem.size, share = (n - 1) / n;
    if (plan->collective == GW_BROADCAST)
        return plan->problem.raw_bytes;
    return (plan->collective == GW_ALLREDUCE ? 2 : 1) * share * plan->problem.raw_bytes;
}

gw_status gw_plan_stats(const gw_plan *plan, gw_stats *stats)
{
    if (!plan || !stats)
        return GW_EINVAL;
    gw_comm_enter(plan->comm); /* a run may be under way */
    double energy = 0;
    for (int t = 0; t < plan->tensors_count; t++)
        energy += gw_codec_residual_energy(plan->tensors[t].codec);
    for (int i = 0; i < plan->owners_count; i++)
        if (plan->owners[i])
            energy += gw_codec_residual_energy(plan->owners[i]);
    const gw_plan *last = gw_gate_last(plan);
    gw_plan_lock(last);
    *stats = last->stats;
    gw_plan_unlock(last);
    gw_comm_leave(plan->comm);
    if (plan->gate && plan->gate->twin) {
        const gw_plan *other = last == plan ? plan->gate->twin : plan;
        stats->runs += other->stats.runs;
        stats->failed_runs += other->stats.failed_runs;
    }
    stats->raw_bytes = (uint64_t)raw_bytes(plan);
    stats->ratio = stats->sent_bytes ? raw_bytes(plan) / (double)stats->sent_bytes : 1;
    stats->error_norm = sqrt(energy);
    return GW_OK;
}

const char *gw_plan_codec(const gw_plan *plan)
{
    if (plan->gate && plan->gate->raw)
        return "raw";
    return plan->tensors_count > 0 ? plan->tensors[0].spec : "";
}

const char *gw_plan_algorithm(const gw_plan *plan)
{
    const gw_plan *sender = plan->gate && plan->gate->raw ? plan->gate->twin : plan;
    return sender->algorithm->info.name;
}

const char *gw_plan_reason(const gw_plan *plan)
{
    return plan->gate ? plan->gate->reason : plan->reason;
}

const char *gw_plan_error(const gw_plan *plan)
{
    return plan ? plan->error.text : "";
}

static void print_step(const struct gw_plan *plan, int i, FILE *stream)
{
    const struct gw_step *s = &plan->list.steps[i];
    fprintf(stream, "%5d  %-8s", i, gw_step_name(s->kind));
    if (s->piece >= 0)
        fprintf(stream, "  piece %d (%zu elements)", s->piece, plan->layout.pieces[s->piece].count);
    if (s->from >= 0)
        fprintf(stream, "  slots %d..%d", s->from, s->from + plan->problem.size - 1);
    if (s->slot >= 0)
        fprintf(stream, "  slot %d", s->slot);
    if (s->peer >= 0)
        fprintf(stream, "  %s rank %d", s->kind == GW_STEP_SEND ? "to" : "from", s->peer);
    fputc('\n', stream);
}

gw_status gw_plan_print(const gw_plan *plan, FILE *stream)
{
    if (!plan || !stream)
        return GW_EINVAL;
    fprintf(stream, "rank %d of %d over %s\n%s\n", plan->problem.rank, plan->problem.size,
            plan->comm->spec, gw_plan_reason(plan));
    for (int t = 0; t < plan->tensors_count; t++)
        fprintf(stream, "tensor '%s': %zu elements by %s\n", plan->tensors[t].name,
                plan->tensors[t].count, plan->tensors[t].spec);
    const gw_plan *sender = plan->gate && plan->gate->raw ? plan->gate->twin : plan;
    if (plan->gate)
        fprintf(stream, "%s\n", sender->reason);
    for (int i = 0; i < sender->list.count; i++)
        print_step(sender, i, stream);
    return ferror(stream) ? GW_EIO : GW_OK;
}
