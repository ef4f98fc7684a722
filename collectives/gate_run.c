/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Runs of a gated plan: its own, or its twin's with its own wrappers before them. */
#include "collectives/gate.h"
#include "collectives/pins.h"

/* Owners' residuals are of sums that every rank got already: as raw goes out there are no owners,
 * so they join what this rank sends. */
static void take_owners(struct gw_plan *plan)
{
    float factor = plan->problem.divides ? (float)plan->problem.size : 1;
    for (int i = 0; i < plan->layout.segments_count; i++)
        if (plan->owners[i])
            gw_codec_take_residual(plan->tensors[plan->layout.segments[i].tensor].codec,
                                   plan->owners[i], factor);
}

gw_plan *gw_gate_next(gw_plan *plan)
{
    struct gw_gating *gate = plan->gate;
    if (!gate)
        return plan;
    bool before = gate->raw;
    if (plan->pins && plan->pins->repeats) {
        gate->raw = gw_pins_turn(plan->pins);
    } else if (plan->gate_mode == GW_GATE_LIVE) {
        gate->raw = gw_live_turn(plan);
        if (gate->raw != before)
            gw_pins_note(plan, gate->live.run - 1, gate->raw);
    }
    gate->last_raw = gate->raw;
    if (!gate->raw)
        return plan;
    take_owners(plan);
    return gate->twin;
}

void gw_gate_note(gw_plan *plan, int64_t since_ns, gw_status status)
{
    if (plan->gate && plan->gate_mode == GW_GATE_LIVE && !(plan->pins && plan->pins->repeats))
        gw_live_note(plan, (double)(gw_now_ns() - since_ns) * 1e-9, status);
}

gw_plan *gw_gate_current(gw_plan *plan)
{
    struct gw_gating *gate = plan->gate;
    return gate && gate->twin && gate->twin->state != GW_PLAN_IDLE ? gate->twin : plan;
}

const gw_plan *gw_gate_last(const gw_plan *plan)
{
    return plan->gate && plan->gate->last_raw ? plan->gate->twin : plan;
}

bool gw_gate_runs(const gw_plan *plan)
{
    return plan->state == GW_PLAN_RUNNING ||
           (plan->gate && plan->gate->twin && plan->gate->twin->state == GW_PLAN_RUNNING);
}

gw_status gw_gate_wrap(struct gw_plan *twin, int t, struct gw_error *error)
{
    const void **in = &twin->in[t];
    return twin->wrapped ? gw_codec_wrap(twin->wrapped->tensors[t].codec, *in, in, error) : GW_OK;
}

void gw_gate_commit(struct gw_plan *twin)
{
    struct gw_plan *plan = twin->wrapped;
    for (int t = 0; plan && t < plan->tensors_count; t++)
        gw_codec_commit(plan->tensors[t].codec);
    for (int i = 0; plan && i < plan->layout.segments_count; i++)
        if (plan->owners[i])
            gw_codec_skip_run(plan->owners[i]);
}

void gw_gate_rollback(struct gw_plan *twin)
{
    struct gw_plan *plan = twin->wrapped;
    for (int t = 0; plan && t < plan->tensors_count; t++)
        gw_codec_rollback(plan->tensors[t].codec);
}
