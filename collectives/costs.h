/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Measured numbers of a comm, the same on all its ranks: links, rates of codecs, the transport's
 * own allreduce. Each is measured once, when the first plan needs it. */
#ifndef GW_COLLECTIVES_COSTS_H
#define GW_COLLECTIVES_COSTS_H

#include "collectives/price.h"

struct gw_plan;

struct gw_spec_rates {
    char spec[GW_SPEC_TEXT];
    struct gw_rates rates;
};

/* One block of memory, comm->costs. */
struct gw_costs {
    struct gw_native_times native;
    double crowding;
    int count, capacity;
    struct gw_spec_rates specs[];
};

/* Collective: every rank of the comm calls this at the same point of making a plan, whatever went
 * wrong on it so far (`local`). What `specs` (canonical) lack is measured by all ranks at the same
 * time, and the slowest counts. `count` 0: this rank needs nothing; ranks that need different
 * things measure nothing, because they are about to find out that they disagree.
 * Returns `local` where it is an error. */
gw_status gw_costs_measure(gw_comm *comm, const char *const *specs, int count, gw_status local,
                           struct gw_error *error);

/* The rates of a spec as measured, or what is assumed. */
const struct gw_rates *gw_costs_of(const gw_comm *comm, const char *spec);

/* ---- for a plan whose codecs are open (gw_plan_open) -------------------------------------------
 * build.c */

/* Collective: measure what the plan's choice depends on, if it depends on anything; with `compare`
 * also what gw_plan_predict needs. */
gw_status gw_plan_measure(struct gw_plan *plan, const char *algorithm, bool compare,
                          gw_status local, struct gw_error *error);

/* What the plan would choose, and what a run would take, if all its tensors stood under `spec`
 * (canonical; NULL: as they are). Local; after gw_plan_measure. `algorithm` "" or NULL: the
 * cheapest. Errors: GW_ENOTSUP, GW_ESPEC, GW_ENOMEM. */
gw_status gw_plan_predict(struct gw_choice *out, const struct gw_plan *plan, const char *spec,
                          const char *algorithm, struct gw_error *error);

#endif
