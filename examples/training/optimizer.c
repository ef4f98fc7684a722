/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * SGD with momentum, and Adam (Kingma and Ba 2015). Every rank runs this on the same mean gradient
 * and gets the same bits.
 */
#include "optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int optimizer_open(tr_optimizer *out, optimizer_kind kind, double momentum, size_t count)
{
    *out = (tr_optimizer){ .kind = kind, .momentum = (float)momentum, .count = count };
    out->moments_count = kind == OPTIMIZER_ADAM ? 2 * count : count;
    out->moments = calloc(out->moments_count, sizeof(float));
    return out->moments ? 0 : -1;
}

void optimizer_close(tr_optimizer *optimizer)
{
    free(optimizer->moments);
    memset(optimizer, 0, sizeof *optimizer);
}

static void step_sgd(tr_optimizer *optimizer, float *parameters, const float *gradient, float rate)
{
    float *velocity = optimizer->moments;
    for (size_t i = 0; i < optimizer->count; i++) {
        velocity[i] = optimizer->momentum * velocity[i] + gradient[i];
        parameters[i] -= rate * velocity[i];
    }
}

static void step_adam(tr_optimizer *optimizer, float *parameters, const float *gradient,
                      double rate, size_t step)
{
    const float beta1 = optimizer->momentum, beta2 = (float)OPTIMIZER_ADAM_BETA2,
                tiny = (float)OPTIMIZER_ADAM_EPSILON;
    float *mean = optimizer->moments, *square = mean + optimizer->count;
    double t = (double)step + 1;
    float fix1 = (float)(rate / (1 - pow(beta1, t))), fix2 = (float)(1 / (1 - pow(beta2, t)));
    for (size_t i = 0; i < optimizer->count; i++) {
        float g = gradient[i];
        mean[i] = beta1 * mean[i] + (1 - beta1) * g;
        square[i] = beta2 * square[i] + (1 - beta2) * g * g;
        parameters[i] -= fix1 * mean[i] / (sqrtf(square[i] * fix2) + tiny);
    }
}

void optimizer_step(tr_optimizer *optimizer, float *parameters, const float *gradient, double rate,
                    size_t step)
{
    if (optimizer->kind == OPTIMIZER_ADAM)
        step_adam(optimizer, parameters, gradient, rate, step);
    else
        step_sgd(optimizer, parameters, gradient, (float)rate);
}

double schedule_rate(tr_schedule schedule, double rate, double end, size_t warmup, size_t step,
                     size_t steps)
{
    if (step < warmup)
        return rate * (double)(step + 1) / (double)(warmup + 1);
    double done = steps > warmup ? (double)(step - warmup) / (double)(steps - warmup) : 1;
    double left = 1;
    if (schedule == SCHEDULE_LINEAR)
        left = 1 - done;
    else if (schedule == SCHEDULE_COSINE)
        left = 0.5 + 0.5 * cos(3.14159265358979323846 * done);
    return rate * (end + (1 - end) * left);
}
