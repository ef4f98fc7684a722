/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Steps scaled element by element by past gradients: adam, adamw, adagrad. t counts steps from 1.
 *
 *     adam      g <- g + d w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *               w <- w - lr m^ / (sqrt(v^) + e),  m^ = m / (1 - b1^t),  v^ = v / (1 - b2^t)
 *                                                       Kingma, Ba 2015, Algorithm 1
 *     adamw     the same without d in g, and w <- w - lr d w beside it
 *                                                       Loshchilov, Hutter 2019, Algorithm 2
 *     adagrad   g <- g + d w;  v <- v + g^2;  w <- w - lr g / (sqrt(v) + e)
 *                                                       Duchi, Hazan, Singer 2011 */
#include "server/optimize_rows.h"

#include <math.h>

/* base^n by multiplications alone: the same bits with every C library. */
static double power(double base, uint64_t n)
{
    double result = 1;
    for (; n > 0; n /= 2, base *= base)
        if (n % 2)
            result *= base;
    return result;
}

struct gw_moments gw_moments_of(const struct gw_step *step)
{
    const double *number = step->values->number;
    double beta1 = number[GW_ADAM_BETA1], beta2 = number[GW_ADAM_BETA2];
    return (struct gw_moments){
        .beta1 = (float)beta1,
        .rest1 = (float)(1 - beta1),
        .beta2 = (float)beta2,
        .rest2 = (float)(1 - beta2),
        .correct1 = (float)(1 / (1 - power(beta1, step->step))),
        .correct2 = (float)(1 / sqrt(1 - power(beta2, step->step))),
        .epsilon = (float)number[GW_ADAM_EPSILON],
        .rate = (float)step->rate,
        .decay = (float)number[GW_ADAM_DECAY],
    };
}

/* ---- adam and adamw -------------------------------------------------------------------------- */

static void decay_gradient(float decay, const gw_block w, gw_block g)
{
    for (int i = 0; i < GW_BLOCK; i++)
        g[i] = gw_saturate(g[i] + decay * w[i]);
}

static void move_block(float rate, float shrink, const gw_block direction, gw_block w)
{
    for (int i = 0; i < GW_BLOCK; i++)
        w[i] = gw_if_finite(w[i] - shrink * w[i] - rate * direction[i], w[i]);
}

static void adam_steps(const struct gw_moments *k, int decoupled, size_t count, gw_f32 *w,
                       const float *g, gw_f32 *const *state)
{
    gw_block wb, gb, mean, square, direction;
    float shrink = decoupled ? k->rate * k->decay : 0;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t n = gw_min_size(GW_BLOCK, count - at);
        gw_block_load(wb, w + at, n);
        gw_block_load(gb, (const gw_f32 *)g + at, n);
        gw_block_load(mean, state[0] + at, n);
        gw_block_load(square, state[1] + at, n);
        if (!decoupled)
            decay_gradient(k->decay, wb, gb);
        gw_moments_block(k, gb, mean, square, direction);
        move_block(k->rate, shrink, direction, wb);
        gw_block_store(w + at, wb, n);
        gw_block_store(state[0] + at, mean, n);
        gw_block_store(state[1] + at, square, n);
    }
}

static void adam(const struct gw_step *step, size_t count, gw_f32 *w, float *g,
                 gw_f32 *const *state)
{
    struct gw_moments k = gw_moments_of(step);
    adam_steps(&k, 0, count, w, g, state);
}

static void adamw(const struct gw_step *step, size_t count, gw_f32 *w, float *g,
                  gw_f32 *const *state)
{
    struct gw_moments k = gw_moments_of(step);
    adam_steps(&k, 1, count, w, g, state);
}

/* ---- adagrad --------------------------------------------------------------------------------- */

enum { LR, EPSILON, DECAY };

static void adagrad_block(float rate, float epsilon, const gw_block g, gw_block w, gw_block square)
{
    for (int i = 0; i < GW_BLOCK; i++) {
        float v = gw_saturate(square[i] + g[i] * g[i]);
        square[i] = v;
        w[i] = gw_if_finite(w[i] - rate * g[i] / (__builtin_sqrtf(v) + epsilon), w[i]);
    }
}

static void adagrad(const struct gw_step *step, size_t count, gw_f32 *w, float *g,
                    gw_f32 *const *state)
{
    const double *number = step->values->number;
    gw_block wb, gb, square;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t n = gw_min_size(GW_BLOCK, count - at);
        gw_block_load(wb, w + at, n);
        gw_block_load(gb, (const gw_f32 *)g + at, n);
        gw_block_load(square, state[0] + at, n);
        decay_gradient((float)number[DECAY], wb, gb);
        adagrad_block((float)step->rate, (float)number[EPSILON], gb, wb, square);
        gw_block_store(w + at, wb, n);
        gw_block_store(state[0] + at, square, n);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define ADAM_PARAMS(decay_standard, decay_sentence)                                                \
    [GW_ADAM_LR] = { "lr", GW_PARAM_REAL, "0.001", 0, 1e30, NULL, "", "learning rate" },           \
    [GW_ADAM_BETA1] = GW_BETA_PARAM("beta1", "0.9", "gradients"),                                  \
    [GW_ADAM_BETA2] = GW_BETA_PARAM("beta2", "0.999", "squares"),                                  \
    [GW_ADAM_EPSILON] = { "epsilon", GW_PARAM_REAL, "1e-8", 0, 1, NULL, "", "added to the root" }, \
    [GW_ADAM_DECAY] = { "weight_decay", GW_PARAM_REAL, decay_standard, 0, 1e30, NULL, "",          \
                        decay_sentence },                                                          \
    {                                                                                              \
        NULL                                                                                       \
    }

static const gw_param adam_params[] = { ADAM_PARAMS("0",
                                                    "times the value, added to the gradient") };
static const gw_param adamw_params[] = { ADAM_PARAMS("0.01",
                                                     "times lr and the value, taken off it") };

static const gw_param adagrad_params[] = {
    [LR] = { "lr", GW_PARAM_REAL, "0.01", 0, 1e30, NULL, "", "learning rate" },
    [EPSILON] = { "epsilon", GW_PARAM_REAL, "1e-10", 0, 1, NULL, "", "added to the root" },
    [DECAY] = { "weight_decay", GW_PARAM_REAL, "0", 0, 1e30, NULL, "",
                "times the value, added to the gradient" },
    { NULL },
};

const struct gw_optimizer gw_optimizer_adam = {
    .name = "adam",
    .sentence = "steps by the gradient's mean over the root of its square's mean",
    .paper = "Kingma, Ba 2015, Adam: A Method for Stochastic Optimization, arXiv:1412.6980",
    .params = adam_params,
    .state_count = 2,
    .step = adam,
};

const struct gw_optimizer gw_optimizer_adamw = {
    .name = "adamw",
    .sentence = "adam with weight decay apart from the gradient",
    .paper = "Loshchilov, Hutter 2019, Decoupled Weight Decay Regularization, arXiv:1711.05101",
    .params = adamw_params,
    .state_count = 2,
    .step = adamw,
};

const struct gw_optimizer gw_optimizer_adagrad = {
    .name = "adagrad",
    .sentence = "steps over the root of the sum of all squares",
    .paper = "Duchi, Hazan, Singer 2011, Adaptive Subgradient Methods",
    .params = adagrad_params,
    .state_count = 1,
    .step = adagrad,
};
