/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* momentum: the codec behind it gets v = beta v + (1 - beta) x instead of x. Before a sign or a
 * vote this is Signum. Bernstein et al. 2018. */
#include "compress/kernels/table.h"
#include "compress/rows.h"

enum { BETA };

static size_t momentum_state_count(const struct gw_codec *c)
{
    return c->site.count;
}

/* next = beta v + rest x, a block at a time in aligned arrays of a fixed length, which compilers
 * turn into vectors. */
static void blend(gw_f32 *next, const gw_f32 *v, const gw_f32 *x, size_t count, float beta)
{
    float old[GW_GROUP] = { 0 }, new[GW_GROUP] = { 0 }, rest = 1.0f - beta;
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t bytes = gw_min_size(GW_GROUP, count - at) * sizeof(float);
        memcpy(old, v + at, bytes);
        memcpy(new, x + at, bytes);
        for (int i = 0; i < GW_GROUP; i++)
            old[i] = beta * old[i] + rest * new[i];
        memcpy(next + at, old, bytes);
    }
}

static gw_status momentum_prepare(struct gw_codec *c, struct gw_error *error)
{
    blend(c->next, c->state, c->input, c->site.count, (float)c->values.number[BETA]);
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
