/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* lamb: adam's direction, as long as the tensor itself, for batches that large numbers of workers
 * make. You et al. 2020, "Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes",
 * Algorithm 2, with phi the identity.
 *
 *     r = m^ / (sqrt(v^) + e) of adam;  u = r + d w;  w <- w - lr |w| / |u| u
 *
 * The ratio is 1 where a norm is 0. */
#include "server/optimize_rows.h"

#include <math.h>

static void decay_block(float decay, const gw_block w, gw_block direction)
{
    for (int i = 0; i < GW_BLOCK; i++)
        direction[i] = gw_saturate(direction[i] + decay * w[i]);
}

static void measure(const struct gw_step *step, size_t count, const gw_f32 *w, float *g,
                    gw_f32 *const *state, double squares[2])
{
    const struct gw_moments k = gw_moments_of(step);
    gw_block wb, gb, mean, square, direction;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t n = gw_min_size(GW_BLOCK, count - at);
        gw_block_load(wb, w + at, n);
        gw_block_load(gb, (const gw_f32 *)g + at, n);
        gw_block_load(mean, state[0] + at, n);
        gw_block_load(square, state[1] + at, n);
        gw_moments_block(&k, gb, mean, square, direction);
        decay_block(k.decay, wb, direction);
        for (size_t i = 0; i < n; i++) {
            squares[0] += (double)wb[i] * (double)wb[i];
            squares[1] += (double)direction[i] * (double)direction[i];
        }
        gw_block_store((gw_f32 *)g + at, direction, n);
        gw_block_store(state[0] + at, mean, n);
        gw_block_store(state[1] + at, square, n);
    }
}

static double trust(const struct gw_step *step, const double squares[2])
{
    (void)step;
    return squares[0] > 0 && squares[1] > 0 ? sqrt(squares[0]) / sqrt(squares[1]) : 1;
}

static void move_block(float rate, const gw_block direction, gw_block w)
{
    for (int i = 0; i < GW_BLOCK; i++)
        w[i] = gw_if_finite(w[i] - rate * direction[i], w[i]);
}

static void move(const struct gw_step *step, size_t count, gw_f32 *w, const float *g)
{
    float rate = (float)(step->rate * step->trust);
    gw_block wb, direction;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t n = gw_min_size(GW_BLOCK, count - at);
        gw_block_load(wb, w + at, n);
        gw_block_load(direction, (const gw_f32 *)g + at, n);
        move_block(rate, direction, wb);
        gw_block_store(w + at, wb, n);
    }
}

static const gw_param params[] = {
    [GW_ADAM_LR] = { "lr", GW_PARAM_REAL, "0.001", 0, 1e30, NULL, "", "learning rate" },
    [GW_ADAM_BETA1] = GW_BETA_PARAM("beta1", "0.9", "gradients"),
    [GW_ADAM_BETA2] = GW_BETA_PARAM("beta2", "0.999", "squares"),
    [GW_ADAM_EPSILON] = { "epsilon", GW_PARAM_REAL, "1e-6", 0, 1, NULL, "", "added to the root" },
    [GW_ADAM_DECAY] = { "weight_decay", GW_PARAM_REAL, "0.01", 0, 1e30, NULL, "",
                        "times the value, added to the direction" },
    { NULL },
};

const struct gw_optimizer gw_optimizer_lamb = {
    .name = "lamb",
    .sentence = "adam's direction at a length in proportion to the tensor's",
    .paper = "You et al. 2020, Large Batch Optimization for Deep Learning, arXiv:1904.00962",
    .params = params,
    .state_count = 2,
    .measure = measure,
    .trust = trust,
    .move = move,
};
