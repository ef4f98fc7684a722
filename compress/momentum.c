/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* momentum: the codec behind it gets v = beta v + (1 - beta) x instead of x. Before a sign or a
 * vote this is Signum. Bernstein et al. 2018. */
#include "compress/rows.h"

enum { BETA };

static size_t momentum_state_count(const struct gw_codec *c)
{
    return c->site.count;
}

static gw_status momentum_prepare(struct gw_codec *c, struct gw_error *error)
{
    float beta = (float)c->values.number[BETA], rest = 1.0f - beta;
    const gw_f32 *x = c->input, *v = c->state;
    for (size_t i = 0; i < c->site.count; i++)
        c->next[i] = beta * v[i] + rest * x[i];
    return gw_codec_prepare_inner(c->inner, c->next, error);
}

static gw_status momentum_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                                 size_t *written, struct gw_error *error)
{
    return c->inner->row->encode(c->inner, first, count, body, written, error);
}

static const gw_param params[] = {
    { "beta", GW_PARAM_REAL, "0.9", 0, 0.9999, NULL, "", "weight of the past" },
    { NULL },
};

const struct gw_codec_row gw_row_momentum = {
    .info = { .name = "momentum",
              .sentence = "sends the running mean of the input instead of the input (Signum)",
              .paper = "Bernstein et al. 2018, arXiv:1802.04434",
              .params = params,
              .traits = GW_WRAPPER },
    .state_count = momentum_state_count,
    .prepare = momentum_prepare,
    .encode = momentum_encode,
};
