/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* randomk: one element of every 1/ratio, drawn at random with a seed that all ranks share. So all
 * ranks send the same positions, positions need not travel, and payloads add up as they are.
 * Stich et al. 2018; Konecny et al. 2016.
 *
 * The tensor is cut into strata of round(1/ratio) elements; a hash of the key and the stratum's
 * number picks its element. Whether an element is sent is thus a function of the element alone,
 * and any range can be encoded on its own. A stratum that the tensor's end cuts off may send none.
 *
 * Body: the key (two u32), then the picked values of the range as f32. */
#include "compress/bucket.h"
#include "compress/rows.h"

#include <math.h>

enum { RATIO, SCALE, KEY_BYTES = 8 };

struct randomk {
    size_t stratum;
    float scale; /* 1; unbiased: the stratum's size */
};

static const struct gw_codec_row unbiased_row;

static gw_status randomk_open(struct gw_codec *c, struct gw_error *error)
{
    (void)error;
    struct randomk *own = c->own;
    own->stratum = gw_max_size((size_t)lround(1 / c->values.number[RATIO]), 1);
    own->scale = 1.0f;
    if (c->values.number[SCALE] != 0) {
        own->scale = (float)own->stratum;
        c->row = &unbiased_row;
    }
    return GW_OK;
}

static size_t stratum_of(const struct gw_codec *c)
{
    return ((const struct randomk *)c->own)->stratum;
}

static size_t randomk_bound(const struct gw_codec *c, size_t first, size_t count)
{
    if (count == 0)
        return KEY_BYTES;
    size_t begin = c->site.first + first, stratum = stratum_of(c);
    size_t strata = (begin + count - 1) / stratum - begin / stratum + 1;
    return KEY_BYTES + 4 * strata;
}

/* ---- which elements -------------------------------------------------------------------------- */

struct picks {
    struct gw_random_key key;
    size_t stratum, number; /* number: of the next stratum to look at */
    size_t begin, end;      /* the range, in elements of the tensor */
};

static struct picks picks_of(const struct gw_codec *c, struct gw_random_key key, size_t first,
                             size_t count)
{
    size_t begin = c->site.first + first, stratum = stratum_of(c);
    return (struct picks){ .key = key,
                           .stratum = stratum,
                           .number = begin / stratum,
                           .begin = begin,
                           .end = begin + count };
}

/* The next picked element, counted from the range's start; 0 at the end. */
static int next_pick(struct picks *p, size_t *element)
{
    while (p->number * p->stratum < p->end) {
        uint64_t hash = gw_random_u32(p->key, p->number);
        size_t picked = p->number * p->stratum + (size_t)(hash * p->stratum >> 32);
        p->number++;
        if (picked >= p->begin && picked < p->end) {
            *element = picked - p->begin;
            return 1;
        }
    }
    return 0;
}

static struct gw_random_key key_of(struct gw_body body)
{
    return (struct gw_random_key){ gw_get_u32(body.bytes), gw_get_u32(body.bytes + 4) };
}

/* ---- encode and decode ----------------------------------------------------------------------- */

/* Of x, the range's first element. `rest`: NULL, or x itself, to be left without what is sent. */
static size_t encode_from(const struct gw_codec *c, const gw_f32 *x, gw_f32 *rest, size_t first,
                          size_t count, uint8_t *body)
{
    /* Owners (stage 1) pick what ranks picked: the rest is zero there. */
    struct gw_random_key key = gw_random_key(c->site.seed, c->site.tensor_key, c->run, -1, 0);
    float scale = ((const struct randomk *)c->own)->scale;
    struct picks picks = picks_of(c, key, first, count);
    uint8_t *at = body + KEY_BYTES;
    size_t i;
    gw_put_u32(body, key.first);
    gw_put_u32(body + 4, key.second);
    for (; next_pick(&picks, &i); at += sizeof(float)) {
        gw_put_f32(at, x[i] * scale);
        if (rest)
            rest[i] = 0;
    }
    return (size_t)(at - body);
}

static gw_status randomk_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                                size_t *written, struct gw_error *error)
{
    (void)error;
    *written = encode_from(c, c->input + first, NULL, first, count, body);
    return GW_OK;
}

/* Of the biased form, which sends values as they are. */
static gw_status randomk_encode_feedback(struct gw_codec *c, const struct gw_feedback *feedback,
                                         size_t first, size_t count, uint8_t *body, size_t *written,
                                         struct gw_error *error)
{
    (void)error;
    gw_f32 *next = feedback->next + first;
    gw_bucket_add_state(c, feedback->state, first, count, next);
    *written = encode_from(c, next, next, first, count, body);
    return GW_OK;
}

static gw_status randomk_check(const struct gw_codec *c, size_t first, size_t count,
                               struct gw_body body, struct gw_error *error)
{
    size_t expected = KEY_BYTES, i;
    if (body.length < KEY_BYTES || body.length > randomk_bound(c, first, count))
        return gw_fail(error, GW_EPAYLOAD, "randomk: a body of %zu bytes for %zu elements",
                       body.length, count);
    struct picks picks = picks_of(c, key_of(body), first, count);
    while (next_pick(&picks, &i))
        expected += sizeof(float);
    if (body.length != expected)
        return gw_fail(error, GW_EPAYLOAD, "randomk: the body has %zu bytes, its key gives %zu",
                       body.length, expected);
    for (size_t at = KEY_BYTES; at < expected; at += sizeof(float))
        if (!gw_is_finite(gw_get_f32(body.bytes + at)) && c->site.nonfinite != GW_NONFINITE_PASS)
            return gw_fail(error, GW_EPAYLOAD, "randomk: value %zu is NaN or infinite",
                           (at - KEY_BYTES) / sizeof(float));
    return GW_OK;
}

static void randomk_decode_add(const struct gw_codec *c, size_t first, size_t count,
                               struct gw_body body, float weight, gw_f32 *sum)
{
    struct picks picks = picks_of(c, key_of(body), first, count);
    const uint8_t *at = body.bytes + KEY_BYTES;
    size_t i;
    for (; next_pick(&picks, &i); at += sizeof(float))
        sum[i] += weight * gw_get_f32(at);
}

static void randomk_decode(const struct gw_codec *c, size_t first, size_t count,
                           struct gw_body body, gw_f32 *out)
{
    struct picks picks = picks_of(c, key_of(body), first, count);
    const uint8_t *at = body.bytes + KEY_BYTES;
    size_t i;
    if (count > 0)
        memset(out, 0, count * sizeof(float));
    for (; next_pick(&picks, &i); at += sizeof(float))
        out[i] = gw_get_f32(at);
}

/* The lengths are equal unless a rank used another key, which plans rule out; then what is there
 * is added, harmlessly. */
static void randomk_merge(struct gw_codec *c, size_t first, size_t count,
                          const struct gw_body *bodies, int n, uint8_t *body, size_t *written)
{
    (void)first;
    (void)count;
    *written = bodies[0].length;
    memcpy(body, bodies[0].bytes, *written);
    for (int r = 1; r < n; r++) {
        size_t length = gw_min_size(bodies[r].length, *written);
        c->kernels->add((gw_f32 *)(body + KEY_BYTES), (const gw_f32 *)(bodies[r].bytes + KEY_BYTES),
                        (length - KEY_BYTES) / sizeof(float));
    }
}

static double randomk_variance(const struct gw_codec *c)
{
    return (double)stratum_of(c) - 1;
}

static size_t randomk_granule(const struct gw_codec *c)
{
    return stratum_of(c);
}

static const gw_param params[] = {
    { "ratio", GW_PARAM_REAL, "0.01", 1e-6, 1, NULL, "",
      "part of the elements that is sent; 1/ratio is rounded to a whole number" },
    { "scale", GW_PARAM_NAME, "biased", 0, 0, "biased|unbiased", "",
      "values as they are (for ef+), or times 1/ratio" },
    { NULL },
};

#define RANDOMK_ROW(extra_traits)                                                                  \
    .info = { .name = "randomk",                                                                   \
              .sentence = "elements drawn at random, the same on all ranks; summable",             \
              .paper = "Stich et al. 2018, arXiv:1809.07599",                                      \
              .params = params,                                                                    \
              .traits = GW_SUMMABLE | (extra_traits) },                                            \
    .wire_id = GW_WIRE_RANDOMK, .own_bytes = sizeof(struct randomk), .open = randomk_open,         \
    .granule = randomk_granule, .bound = randomk_bound, .merged_bound = randomk_bound,             \
    .encode = randomk_encode, .check = randomk_check, .decode = randomk_decode,                    \
    .decode_add = randomk_decode_add, .merge = randomk_merge

const struct gw_codec_row gw_row_randomk = { RANDOMK_ROW(GW_WANTS_EF),
                                             .encode_feedback = randomk_encode_feedback };

static const struct gw_codec_row unbiased_row = { RANDOMK_ROW(GW_UNBIASED),
                                                  .variance = randomk_variance };
