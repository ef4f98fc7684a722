/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Optimizers that run on the server. The table is optimizers.c, one row each. */
#ifndef GW_SERVER_OPTIMIZE_H
#define GW_SERVER_OPTIMIZE_H

#include <gradwire/info.h>

#include "base/error.h"
#include "base/spec.h"
#include "base/types.h"

/* What a step knows. */
struct gw_step {
    const struct gw_values *values; /* the spec's parameters */
    double rate;                    /* learning rate of this step */
    uint64_t step;                  /* 1 for the first */
    double trust;                   /* lamb: the tensor's trust ratio, in its second phase */
};

/* One row. `state` holds state_count arrays of `count` floats, zero at first. A value that would
 * become NaN or infinite stays as it was. The bits depend on the arguments alone. */
struct gw_optimizer {
    const char *name, *sentence, *paper;
    const gw_param *params; /* ends with a NULL key; "lr" first where there is one */
    int state_count;        /* floats per element */
    /* One pass: w from gradient g. g may be written to. NULL for two-phase rows. */
    void (*step)(const struct gw_step *step, size_t count, gw_f32 *w, float *g,
                 gw_f32 *const *state);
    /* Two passes with a norm between them (lamb): `measure` turns g into the direction and adds up
     * the squares of w and of it, in double and in order; `move` applies it with step->trust, which
     * `trust` makes of the tensor's two sums. */
    void (*measure)(const struct gw_step *step, size_t count, const gw_f32 *w, float *g,
                    gw_f32 *const *state, double squares[2]);
    double (*trust)(const struct gw_step *step, const double squares[2]);
    void (*move)(const struct gw_step *step, size_t count, gw_f32 *w, const float *g);
};

extern const struct gw_optimizer *const gw_optimizers[]; /* ends with NULL */

gw_status gw_optimizer_parse(const struct gw_optimizer **row, struct gw_values *values,
                             const char *spec, char *canonical, size_t capacity,
                             struct gw_error *error);

#endif
