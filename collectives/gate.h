/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The gate: a plan that may send raw where its codec would make it slower.
 *
 * A gated plan keeps all state. When it sends raw its runs are those of a second plan, the twin,
 * whose input is what the gated plan's wrappers make of the caller's (compress/wrap.c): so error
 * feedback hands over its residual, clipping and momentum act, saved states stay the same bytes. */
#ifndef GW_COLLECTIVES_GATE_H
#define GW_COLLECTIVES_GATE_H

#include "collectives/live.h"
#include "collectives/plan.h"

struct gw_gating {
    bool raw;      /* the next run sends raw */
    bool last_raw; /* the last one did */
    gw_plan *twin; /* NULL: never raw */
    char reason[GW_ERROR_TEXT];
    const char **raw_specs; /* of the twin's tensors */
    uint8_t *heard;         /* of an exchange: everyone's */
    struct gw_live live;    /* of GW_GATE_LIVE */
};

/* Where the plan was asked to have a gate and may have one, allocate it; else say in plan->no_gate
 * why not. Local; after gw_plan_open. Errors: GW_ENOMEM. */
gw_status gw_gate_prepare(struct gw_plan *plan, const struct gw_request *request,
                          struct gw_error *error);

/* Decide. Collective: ranks have agreed that they have the same gate. */
gw_status gw_gate_settle(struct gw_plan *plan, const struct gw_request *request,
                         struct gw_error *error);

void gw_gate_close(struct gw_plan *plan);

/* Everyone's `bytes` bytes to plan->gate->heard, in rank order. */
gw_status gw_gate_exchange(struct gw_plan *plan, const void *mine, size_t bytes,
                           struct gw_error *error);

/* ---- gate_run.c: runs -------------------------------------------------------------------------*/

/* The plan whose run the next one is, `plan` or its twin, made ready for it. A run must follow. */
gw_plan *gw_gate_next(gw_plan *plan);

/* A call took the caller so long; it gave `status`. */
void gw_gate_note(gw_plan *plan, int64_t since_ns, gw_status status);

/* The plan whose run is under way, or has ended and nobody asked yet; else `plan`. */
gw_plan *gw_gate_current(gw_plan *plan);

/* The plan of the last run. */
const gw_plan *gw_gate_last(const gw_plan *plan);

/* Is a run under way? */
bool gw_gate_runs(const gw_plan *plan);

/* In a twin's steps: tensor t's input becomes what the gated plan's wrappers make of it; the run's
 * end. For other plans these do nothing. */
gw_status gw_gate_wrap(struct gw_plan *twin, int t, struct gw_error *error);
void gw_gate_commit(struct gw_plan *twin);
void gw_gate_rollback(struct gw_plan *twin);

#endif
