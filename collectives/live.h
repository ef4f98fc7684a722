/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* gate=live: look again now and then, at the runs that were made. */
#ifndef GW_COLLECTIVES_LIVE_H
#define GW_COLLECTIVES_LIVE_H

#include "collectives/plan.h"

enum { GW_LIVE_SAMPLES = 15 };

/* Runs come in windows of `window`. The last run of a window goes the other way; then ranks compare
 * both times and keep to what the slowest rank found faster. While the other way keeps losing, more
 * and more windows pass without trying it. */
struct gw_live {
    unsigned window;                 /* runs */
    uint64_t run;                    /* started so far */
    bool chosen;                     /* raw? what the last look decided */
    bool probing;                    /* the run under way goes the other way */
    unsigned patience, waited;       /* windows from one probe to the next; since the last */
    double spent_s;                  /* inside gw_start, gw_test, gw_wait of this run */
    double samples[GW_LIVE_SAMPLES]; /* this window's last */
    int samples_count;
    gw_plan *look;   /* the maximum of `times` over the ranks */
    double times[2]; /* the chosen way's, the other's */
    bool looking;
};

/* The first choice was `raw`. Collective. */
gw_status gw_live_open(struct gw_plan *plan, const struct gw_request *request, bool raw,
                       struct gw_error *error);
void gw_live_close(struct gw_live *live);

/* A run is about to start: does it send raw? */
bool gw_live_turn(struct gw_plan *plan);

/* The caller waited so long in a call; the run has ended if `status` is not pending. */
void gw_live_note(struct gw_plan *plan, double seconds, gw_status status);

#endif
