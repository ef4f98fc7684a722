/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* vote: one bit up, the majority of all ranks' bits down; both decode to +1 or -1. Ranks that send
 * nonsense are outvoted. Bernstein et al. 2018, 2019 (signSGD with majority vote).
 *
 * Votes are counted on packed words by bit-sliced counters (compress/kernels/votes.h). A tie (an
 * even number of ranks) falls as `ties` says; a coin from the shared seed leaves no drift.
 *
 * Body: the sign bits, packed as kernels.h says. Merged, under ties=zero, a second plane of the
 * same size follows, with the bits of the elements that are not zero. */
#include "compress/kernels/table.h"
#include "compress/rows.h"

enum { TIES };
enum { TIES_COIN, TIES_PLUS, TIES_ZERO, TIES_PREVIOUS };
enum { GROUP_BYTES = GW_GROUP / 8 };

static const struct gw_codec_row previous_row;

static int ties_of(const struct gw_codec *c)
{
    return (int)c->values.number[TIES];
}

static gw_status vote_open(struct gw_codec *c, struct gw_error *error)
{
    (void)error;
    if (ties_of(c) == TIES_PREVIOUS)
        c->row = &previous_row;
    return GW_OK;
}

/* Under ties=previous: the last vote on each element, +1 or -1; 0 before the first. */
static size_t vote_state_count(const struct gw_codec *c)
{
    return c->site.count;
}

/* What is not merged here in this run stays as it was. */
static gw_status vote_prepare(struct gw_codec *c, struct gw_error *error)
{
    (void)error;
    if (c->site.count > 0)
        memcpy(c->next, c->state, c->site.count * sizeof(float));
    return GW_OK;
}

static size_t vote_bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)c;
    (void)first;
    return gw_packed_bytes(count, 1);
}

static size_t vote_merged_bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)first;
    return gw_packed_bytes(count, 1) * (ties_of(c) == TIES_ZERO ? 2 : 1);
}

static size_t vote_granule(const struct gw_codec *c)
{
    (void)c;
    return GW_GROUP;
}

static gw_status vote_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                             size_t *written, struct gw_error *error)
{
    (void)error;
    if (count > 0)
        c->kernels->pack_signs(c->input + first, count, body);
    *written = gw_packed_bytes(count, 1);
    return GW_OK;
}

/* ---- decode ---------------------------------------------------------------------------------- */

static gw_status vote_check(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, struct gw_error *error)
{
    size_t expected = body.flags & GW_PAYLOAD_MERGED ? vote_merged_bound(c, first, count)
                                                     : vote_bound(c, first, count);
    if (body.length == expected)
        return GW_OK;
    return gw_fail(error, GW_EPAYLOAD, "vote: the body has %zu bytes, expected %zu", body.length,
                   expected);
}

static const uint8_t plus_one[4] = { 0, 0, 0x80, 0x3f }, minus_one[4] = { 0, 0, 0x80, 0xbf };
static const struct gw_scales clear = { plus_one, 0, GW_WHOLE }, set = { minus_one, 0, GW_WHOLE };
static const uint8_t plus_half[4] = { 0, 0, 0, 0x3f }, minus_half[4] = { 0, 0, 0, 0xbf };
static const struct gw_scales half_clear = { plus_half, 0, GW_WHOLE };
static const struct gw_scales half_set = { minus_half, 0, GW_WHOLE };

/* One group with a plane of non-zeros: a half of each sign, and a half of the same sign, or of the
 * other, which gives 0. */
static void decode_group(const struct gw_codec *c, const uint8_t *signs, const uint8_t *nonzero,
                         size_t count, gw_f32 *out)
{
    uint8_t other[GROUP_BYTES];
    for (size_t i = 0; i < gw_packed_bytes(count, 1); i++)
        other[i] = (uint8_t)(signs[i] ^ ~nonzero[i]);
    c->kernels->unpack_signs(signs, count, &half_clear, &half_set, out);
    c->kernels->unpack_signs_add(other, count, &half_clear, &half_set, 1.0f, out);
}

static void vote_decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                        gw_f32 *out)
{
    (void)first;
    size_t plane = gw_packed_bytes(count, 1);
    if (body.length == plane) {
        c->kernels->unpack_signs(body.bytes, count, &clear, &set, out);
        return;
    }
    for (size_t at = 0; at < count; at += GW_GROUP) {
        const uint8_t *signs = body.bytes + at / 8;
        decode_group(c, signs, signs + plane, gw_min_size(GW_GROUP, count - at), out + at);
    }
}

static void vote_decode_add(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, float weight, gw_f32 *sum)
{
    (void)first;
    size_t plane = gw_packed_bytes(count, 1);
    if (body.length == plane) {
        c->kernels->unpack_signs_add(body.bytes, count, &clear, &set, weight, sum);
        return;
    }
    for (size_t at = 0; at < count; at += GW_GROUP) {
        gw_f32 values[GW_GROUP];
        const uint8_t *signs = body.bytes + at / 8;
        size_t n = gw_min_size(GW_GROUP, count - at);
        decode_group(c, signs, signs + plane, n, values);
        c->kernels->add_scaled(sum + at, values, weight, n);
    }
}

/* ---- merge ----------------------------------------------------------------------------------- */

enum { CHUNK = 32 * GW_GROUP, CHUNK_BYTES = CHUNK / 8 };

/* Bits beyond the last element are zero on the wire. */
static void trim(uint8_t *bits, size_t count)
{
    if (count % 8)
        bits[count / 8] &= (uint8_t)((1u << (count % 8)) - 1);
}

/* Ties are negative where `side` is. */
static void settle(uint8_t *negative, const uint8_t *tie, const uint8_t *side, size_t bytes)
{
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8)
        gw_put_u64(negative + i,
                   gw_get_u64(negative + i) | (gw_get_u64(tie + i) & gw_get_u64(side + i)));
    for (; i < bytes; i++)
        negative[i] |= tie[i] & side[i];
}

/* Ties go as the last vote went; then this vote is remembered. */
static void remember(const struct gw_codec *c, size_t first, size_t count, uint8_t *negative,
                     const uint8_t *tie)
{
    uint8_t last[CHUNK_BYTES];
    c->kernels->pack_signs(c->state + first, count, last);
    settle(negative, tie, last, gw_packed_bytes(count, 1));
    c->kernels->unpack_signs(negative, count, &clear, &set, c->next + first);
}

/* A number of elements (at most CHUNK) of a merged body of `total`. */
static void merge_chunk(struct gw_codec *c, size_t at, size_t count, const struct gw_body *bodies,
                        int n, size_t first, size_t total, uint8_t *body)
{
    struct gw_random_key key = gw_random_key(c->site.seed, c->site.tensor_key, c->run, -1, 0);
    const struct gw_coins coins = { key, c->site.first + first + at };
    uint8_t *negative = body + at / 8, tie[CHUNK_BYTES];
    size_t bytes = gw_packed_bytes(count, 1);
    c->kernels->majority(bodies, (size_t)n, at / 8, count, ties_of(c) == TIES_COIN ? &coins : NULL,
                         negative, tie);
    if (ties_of(c) == TIES_PREVIOUS)
        remember(c, first + at, count, negative, tie);
    if (ties_of(c) != TIES_ZERO)
        return;
    uint8_t *nonzero = negative + gw_packed_bytes(total, 1);
    for (size_t i = 0; i < bytes; i++)
        nonzero[i] = (uint8_t)~tie[i];
    trim(nonzero, count);
}

static void vote_merge(struct gw_codec *c, size_t first, size_t count, const struct gw_body *bodies,
                       int n, uint8_t *body, size_t *written)
{
    for (size_t at = 0; at < count; at += CHUNK)
        merge_chunk(c, at, gw_min_size(CHUNK, count - at), bodies, n, first, count, body);
    *written = vote_merged_bound(c, first, count);
}

static const gw_param params[] = {
    { "ties", GW_PARAM_NAME, "coin", 0, 0, "coin|plus|zero|previous", "",
      "what a tie becomes: a fair coin from the shared seed, +1, 0, or the last vote" },
    { NULL },
};

#define VOTE_ROW                                                                                   \
    .info = { .name = "vote",                                                                      \
              .sentence = "one sign bit up, the majority's sign down",                             \
              .paper = "Bernstein et al. 2019, arXiv:1810.05291",                                  \
              .params = params,                                                                    \
              .traits = GW_SUMMABLE | GW_FIXED_SIZE | GW_VOTE },                                   \
    .wire_id = GW_WIRE_VOTE, .open = vote_open, .granule = vote_granule, .bound = vote_bound,      \
    .merged_bound = vote_merged_bound, .encode = vote_encode, .check = vote_check,                 \
    .decode = vote_decode, .decode_add = vote_decode_add, .merge = vote_merge

const struct gw_codec_row gw_row_vote = { VOTE_ROW };

static const struct gw_codec_row previous_row = { VOTE_ROW, .state_count = vote_state_count,
                                                  .prepare = vote_prepare };
