/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rows of optimizers.c, and the two moments that adam, adamw and lamb share. */
#ifndef GW_SERVER_OPTIMIZE_ROWS_H
#define GW_SERVER_OPTIMIZE_ROWS_H

#include "server/blocks.h"
#include "server/optimize.h"

extern const struct gw_optimizer gw_optimizer_none, gw_optimizer_sgd, gw_optimizer_momentum,
    gw_optimizer_nesterov, gw_optimizer_adam, gw_optimizer_adamw, gw_optimizer_lamb,
    gw_optimizer_adagrad;

/* Parameters of the three, in this order. */
enum { GW_ADAM_LR, GW_ADAM_BETA1, GW_ADAM_BETA2, GW_ADAM_EPSILON, GW_ADAM_DECAY };
#define GW_BETA_PARAM(name, standard, of)                                                          \
    {                                                                                              \
        name, GW_PARAM_REAL, standard, 0, 0.999999999, NULL, "", "decay of the mean of the " of    \
    }

/* What an element's step needs of them: once per step, in double. */
struct gw_moments {
    float beta1, rest1, beta2, rest2; /* rest: 1 - beta */
    float correct1, correct2;         /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float epsilon, rate, decay;
};

struct gw_moments gw_moments_of(const struct gw_step *step);

/* The new moments, and their direction, mean / (sqrt(mean of squares) + epsilon), both corrected.
 * 0 / 0, with an epsilon of 0, is no direction. Here, because compilers make it vectors only where
 * they see that the blocks are apart. */
static inline void gw_moments_block(const struct gw_moments *k, const gw_block g, gw_block mean,
                                    gw_block square, gw_block direction)
{
    for (int i = 0; i < GW_BLOCK; i++) {
        float m = gw_saturate(k->beta1 * mean[i] + k->rest1 * g[i]);
        float v = gw_saturate(k->beta2 * square[i] + k->rest2 * g[i] * g[i]);
        float below = __builtin_sqrtf(v) * k->correct2 + k->epsilon;
        mean[i] = m;
        square[i] = v;
        direction[i] = gw_if_finite(m * k->correct1 / below, 0);
    }
}

#endif
