/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Looks of a live gate. What counts is how long callers are held up, so that transfers hidden
 * behind a computation cost nothing. Times are compared through a small allreduce of their own,
 * started when a window ends and asked for when the next run starts: plans may run in any order. */
#include "collectives/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "collectives/gate.h"

enum { PATIENCE_MAX = 16 };

/* The other way must be this much faster. */
static const double GAIN = 1.1;

gw_status gw_live_open(struct gw_plan *plan, const struct gw_request *request, bool raw,
                       struct gw_error *error)
{
    static const char *const spec = "raw";
    const gw_tensor times = { "gate", 2 };
    struct gw_live *live = &plan->gate->live;
    gw_options options = request->options ? *request->options : (gw_options){ 0 };
    options.algorithm = "doubling";
    options.nonfinite = GW_NONFINITE_PASS;
    const struct gw_request inner = { .collective = GW_ALLREDUCE,
                                      .tensors = &times,
                                      .tensors_count = 1,
                                      .type = GW_F64,
                                      .operation = GW_MAX,
                                      .options = &options,
                                      .inner = true,
                                      .specs = &spec };
    *live = (struct gw_live){ .window = plan->gate_every < 2 ? 2 : plan->gate_every,
                              .chosen = raw,
                              .patience = 1 };
    gw_status s = gw_plan_create_plain(&live->look, plan->comm, &inner);
    if (s)
        *error = plan->comm->error;
    return s;
}

void gw_live_close(struct gw_live *live)
{
    gw_plan_close(live->look);
    live->look = NULL;
}

static void decide(struct gw_plan *plan)
{
    struct gw_live *live = &plan->gate->live;
    double raw = live->times[!live->chosen], codec = live->times[live->chosen];
    bool better = live->times[0] > GAIN * live->times[1];
    if (better)
        live->chosen = !live->chosen;
    live->patience = better ? 1 : 2 * live->patience;
    if (live->patience > PATIENCE_MAX)
        live->patience = PATIENCE_MAX;
    snprintf(plan->gate->reason, sizeof plan->gate->reason,
             "sends %s by %s: live, at run %llu callers waited %.4g ms for raw by %s, %.4g ms for "
             "the codec by %s",
             live->chosen ? "raw" : "codes",
             (live->chosen ? plan->gate->twin : plan)->algorithm->info.name,
             (unsigned long long)live->run, raw * 1e3, plan->gate->twin->algorithm->info.name,
             codec * 1e3, plan->algorithm->info.name);
}

bool gw_live_turn(struct gw_plan *plan)
{
    struct gw_live *live = &plan->gate->live;
    if (live->looking && gw_wait(live->look) == GW_OK)
        decide(plan);
    live->looking = false;
    uint64_t at = live->run++ % live->window;
    if (at == 0) {
        live->samples_count = 0;
        live->waited++;
    }
    live->probing = at == live->window - 1 && live->waited >= live->patience;
    live->spent_s = 0;
    return live->chosen != live->probing;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Runs that failed give no sample, on any rank; the transport's own failure ends it all. */
static void look(struct gw_live *live, double probe_s)
{
    size_t count = gw_min_size((size_t)live->samples_count, GW_LIVE_SAMPLES);
    if (count == 0)
        return;
    qsort(live->samples, count, sizeof *live->samples, compare);
    live->times[0] = live->samples[count / 2];
    live->times[1] = probe_s;
    live->waited = 0;
    live->looking = gw_start(live->look, live->times, live->times) == GW_OK;
}

void gw_live_note(struct gw_plan *plan, double seconds, gw_status status)
{
    struct gw_live *live = &plan->gate->live;
    live->spent_s += seconds;
    if (status)
        return;
    if (live->probing)
        look(live, live->spent_s);
    else
        live->samples[live->samples_count++ % GW_LIVE_SAMPLES] = live->spent_s;
}
