/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Descent along the gradient: none (no optimizer: what was aggregated is what is pulled), sgd,
 * momentum, nesterov. Weight decay d is added to the gradient: g <- g + d w.
 *
 *     sgd        w <- w - lr g
 *     momentum   u <- m u + g;  w <- w - lr u             Polyak 1964, Some methods of speeding up
 *                                                         the convergence of iteration methods
 *     nesterov   u <- m u + g;  w <- w - lr (g + m u)     Sutskever et al. 2013, On the importance
 *                                                         of initialization and momentum */
#include "server/optimize_rows.h"

enum { LR, DECAY, MOMENTUM = DECAY, MOMENTUM_DECAY };

/* ---- none ------------------------------------------------------------------------------------ */

static void take(const struct gw_step *step, size_t count, gw_f32 *w, float *g,
                 gw_f32 *const *state)
{
    (void)step;
    (void)state;
    if (count > 0)
        memcpy(w, g, count * sizeof *g);
}

/* ---- sgd ------------------------------------------------------------------------------------- */

static void sgd_block(float rate, float decay, gw_block w, const gw_block g)
{
    for (int i = 0; i < GW_BLOCK; i++)
        w[i] = gw_if_finite(w[i] - rate * (g[i] + decay * w[i]), w[i]);
}

static void sgd(const struct gw_step *step, size_t count, gw_f32 *w, float *g, gw_f32 *const *state)
{
    (void)state;
    float rate = (float)step->rate, decay = (float)step->values->number[DECAY];
    gw_block wb, gb;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t n = gw_min_size(GW_BLOCK, count - at);
        gw_block_load(wb, w + at, n);
        gw_block_load(gb, (const gw_f32 *)g + at, n);
        sgd_block(rate, decay, wb, gb);
        gw_block_store(w + at, wb, n);
    }
}

/* ---- momentum and nesterov ------------------------------------------------------------------- */

struct heavy {
    float rate, decay, momentum;
    float along, behind; /* the step is along * u + behind * g */
};

static void heavy_block(const struct heavy *k, gw_block w, const gw_block g, gw_block u)
{
    for (int i = 0; i < GW_BLOCK; i++) {
        float gradient = gw_saturate(g[i] + k->decay * w[i]);
        float velocity = gw_saturate(k->momentum * u[i] + gradient);
        float direction = k->along * velocity + k->behind * gradient;
        u[i] = velocity;
        w[i] = gw_if_finite(w[i] - k->rate * direction, w[i]);
    }
}

static void roll(const struct heavy *k, size_t count, gw_f32 *w, const float *g, gw_f32 *u)
{
    gw_block wb, gb, ub;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t n = gw_min_size(GW_BLOCK, count - at);
        gw_block_load(wb, w + at, n);
        gw_block_load(gb, (const gw_f32 *)g + at, n);
        gw_block_load(ub, u + at, n);
        heavy_block(k, wb, gb, ub);
        gw_block_store(w + at, wb, n);
        gw_block_store(u + at, ub, n);
    }
}

static void momentum(const struct gw_step *step, size_t count, gw_f32 *w, float *g,
                     gw_f32 *const *state)
{
    const double *number = step->values->number;
    const struct heavy k = { .rate = (float)step->rate,
                             .decay = (float)number[MOMENTUM_DECAY],
                             .momentum = (float)number[MOMENTUM],
                             .along = 1 };
    roll(&k, count, w, g, state[0]);
}

static void nesterov(const struct gw_step *step, size_t count, gw_f32 *w, float *g,
                     gw_f32 *const *state)
{
    const double *number = step->values->number;
    const struct heavy k = { .rate = (float)step->rate,
                             .decay = (float)number[MOMENTUM_DECAY],
                             .momentum = (float)number[MOMENTUM],
                             .along = (float)number[MOMENTUM],
                             .behind = 1 };
    roll(&k, count, w, g, state[0]);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static const gw_param no_params[] = { { NULL } };

static const gw_param sgd_params[] = {
    [LR] = { "lr", GW_PARAM_REAL, "0.1", 0, 1e30, NULL, "", "learning rate" },
    [DECAY] = { "weight_decay", GW_PARAM_REAL, "0", 0, 1e30, NULL, "",
                "times the value, added to the gradient" },
    { NULL },
};

static const gw_param heavy_params[] = {
    [LR] = { "lr", GW_PARAM_REAL, "0.1", 0, 1e30, NULL, "", "learning rate" },
    [MOMENTUM] = { "momentum", GW_PARAM_REAL, "0.9", 0, 1, NULL, "",
                   "how much of the last step goes on" },
    [MOMENTUM_DECAY] = { "weight_decay", GW_PARAM_REAL, "0", 0, 1e30, NULL, "",
                         "times the value, added to the gradient" },
    { NULL },
};

const struct gw_optimizer gw_optimizer_none = {
    .name = "none",
    .sentence = "the values become what was aggregated: workers pull gradients",
    .paper = "",
    .params = no_params,
    .step = take,
};

const struct gw_optimizer gw_optimizer_sgd = {
    .name = "sgd",
    .sentence = "stochastic gradient descent",
    .paper = "Robbins, Monro 1951, A Stochastic Approximation Method",
    .params = sgd_params,
    .step = sgd,
};

const struct gw_optimizer gw_optimizer_momentum = {
    .name = "momentum",
    .sentence = "gradient descent with a heavy ball's momentum",
    .paper = "Polyak 1964, Some methods of speeding up the convergence of iteration methods",
    .params = heavy_params,
    .state_count = 1,
    .step = momentum,
};

const struct gw_optimizer gw_optimizer_nesterov = {
    .name = "nesterov",
    .sentence = "gradient descent with Nesterov's momentum",
    .paper = "Sutskever et al. 2013, On the importance of initialization and momentum in deep "
             "learning",
    .params = heavy_params,
    .state_count = 1,
    .step = nesterov,
};
