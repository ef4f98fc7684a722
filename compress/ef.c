/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* ef: error feedback in its classic form. p = x + residual is encoded, and what the payload does
 * not say of it is the next residual: nothing is lost, it only comes later.
 *
 * Where the inner codec offers encode_feedback, one pass over memory does all of it. Elsewhere the
 * unit is added up in `prepare`, encoded, and decoded again to be subtracted: the same bits.
 * An unbiased codec whose variance factor w is 1 or more would make the residual grow without
 * bound; C(p) / (1 + w) contracts, and is sent as C(p / (1 + w)).
 *
 * Seide et al. 2014; Stich et al. 2018; Karimireddy et al. 2019. */
#include "compress/bucket.h"
#include "compress/rows.h"

struct ef {
    int fused;
    float scale; /* 1, or 1 / (1 + w) */
};

static gw_status ef_open(struct gw_codec *c, struct gw_error *error)
{
    struct ef *own = c->own;
    const struct gw_codec *core = c->core;
    if (core->row->wire_id == GW_WIRE_VOTE)
        return gw_fail(
            error, GW_ENOTSUP,
            "ef cannot stand before vote: a vote says nothing of magnitudes, so there is "
            "no residual; use momentum+vote, or ef+sign");
    double w =
        core->row->info.traits & GW_UNBIASED && core->row->variance ? core->row->variance(core) : 0;
    own->scale = w >= 1 ? (float)(1 / (1 + w)) : 1.0f;
    own->fused = c->inner->row->encode_feedback != NULL;
    c->reads_unit = !own->fused;
    return GW_OK;
}

static size_t ef_state_count(const struct gw_codec *c)
{
    return c->site.count;
}

static gw_status ef_prepare(struct gw_codec *c, struct gw_error *error)
{
    const struct ef *own = c->own;
    bool bypassed = c->core->bypassed;
    if (bypassed ? !c->filled : own->fused)
        return gw_codec_prepare_inner(c->inner, c->input, error);
    gw_bucket_add_state(c, c->state, 0, c->site.count, c->next);
    for (size_t i = 0; own->scale != 1.0f && !bypassed && i < c->site.count; i++)
        c->next[i] *= own->scale;
    return gw_codec_prepare_inner(c->inner, c->next, error);
}

static gw_status ef_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                           size_t *written, struct gw_error *error)
{
    const struct ef *own = c->own;
    struct gw_codec *inner = c->inner, *core = c->core;
    if (own->fused) {
        const struct gw_feedback feedback = { c->state, c->next, own->scale };
        return inner->row->encode_feedback(inner, &feedback, first, count, body, written, error);
    }
    gw_status s = inner->row->encode(inner, first, count, body, written, error);
    if (s)
        return s;
    if (own->scale != 1.0f)
        gw_bucket_add_state(c, c->state, first, count, c->next + first);
    const struct gw_body sent = { .bytes = body, .length = *written };
    core->row->decode_add(core, first, count, sent, -1.0f, c->next + first);
    return GW_OK;
}

static const gw_param params[] = { { NULL } };

const struct gw_codec_row gw_row_ef = {
    .info = { .name = "ef",
              .sentence = "error feedback: what one run does not send is added to the next",
              .paper = "Seide et al. 2014, 1-bit SGD; Karimireddy et al. 2019, arXiv:1901.09847",
              .params = params,
              .traits = GW_WRAPPER },
    .own_bytes = sizeof(struct ef),
    .open = ef_open,
    .state_count = ef_state_count,
    .prepare = ef_prepare,
    .encode = ef_encode,
};
