/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From a mean gradient to new parameters: SGD with momentum, or Adam; and the rate's schedule. */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include <stddef.h>

/* Adam's other two numbers. */
#define OPTIMIZER_ADAM_BETA2   0.99
#define OPTIMIZER_ADAM_EPSILON 1e-8

typedef enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAM } optimizer_kind;
typedef enum tr_schedule { SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE } tr_schedule;

typedef struct tr_optimizer {
    optimizer_kind kind;
    float momentum; /* SGD: of the gradients' sum; Adam: beta1 */
    size_t count;
    float *moments; /* SGD: count velocities; Adam: count means, then count mean squares */
    size_t moments_count;
} tr_optimizer;

/* Returns 0, -1 without memory. */
int optimizer_open(tr_optimizer *out, optimizer_kind kind, double momentum, size_t count);
void optimizer_close(tr_optimizer *optimizer);

/* parameters -= rate * direction(gradient). `step` counts from 0. */
void optimizer_step(tr_optimizer *optimizer, float *parameters, const float *gradient, double rate,
                    size_t step);

/* The learning rate of `step` of `steps`: `rate` at first, falling to rate * end, after a linear
 * rise over the first `warmup` steps. */
double schedule_rate(tr_schedule schedule, double rate, double end, size_t warmup, size_t step,
                     size_t steps);

#endif
