/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A short trial: where the cost model is not sure, the candidates run for a moment. */
#ifndef GW_COLLECTIVES_TRIAL_H
#define GW_COLLECTIVES_TRIAL_H

#include "collectives/plan.h"

enum { GW_CONTENDERS_MAX = 5, GW_TRIAL_ROUNDS = 15 };

struct gw_contender {
    const struct gw_algorithm_row *algorithm;
    bool raw;
    double seconds; /* predicted; then measured */
    bool tuned;     /* a tuning file's prediction */
    gw_plan *plan;  /* during the trial */
};

/* Elements that a trial of these should take, so that it ends soon. */
size_t gw_trial_elements(const struct gw_plan *plan, const struct gw_contender *c, int count);

/* Collective: run each with the first `elements` of the plan's tensors, in turns, and put the
 * median over the turns of the slowest rank's time into its `seconds`: the same numbers on every
 * rank. Takes about a tenth of a second at most. Errors: of a plan or a run, on every rank; the
 * comm stays usable if it was the plan's or the run's own. */
gw_status gw_trial_run(struct gw_plan *plan, const struct gw_request *request,
                       struct gw_contender *c, int count, size_t elements, struct gw_error *error);

#endif
