/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* sign: one bit per element, the IEEE sign bit, and one scale per bucket: the mean magnitude (l1)
 * or the root mean square. Biased, so it belongs under ef+, which it serves in one pass over
 * memory if it has buckets. bucket=0 is the paper's one scale per tensor.
 *
 * Karimireddy et al. 2019, Error Feedback Fixes SignSGD; per bucket: Zheng et al. 2019,
 * dist-EF-blockSGD; rms: as DeepSpeed's 1-bit Adam.
 *
 * Body: the scales of the buckets, then the 1-bit codes. */
#include "compress/packed.h"

#include <math.h>

#include "compress/bucket.h"

enum { SCALE, BUCKET };

struct sign {
    unsigned shift;
    int rms;
    float whole; /* the scale of the unit, if it is one bucket */
};

static const gw_param params[] = {
    [SCALE] = { "scale", GW_PARAM_NAME, "l1", 0, 0, "l1|rms", "",
                "mean magnitude, or root mean square" },
    [BUCKET] = { "bucket", GW_PARAM_INTEGER, "2048", 0, GW_BUCKET_MOST, NULL, "elements",
                 "elements per scale, a power of two from 16; 0: one scale for the tensor" },
    { 0 },
};

static const struct gw_codec_row whole_row;

static gw_status open_sign(struct gw_codec *c, struct gw_error *error)
{
    struct sign *own = c->own;
    own->rms = c->values.number[SCALE] != 0;
    gw_status s = gw_bucket_shift(&own->shift, "sign", c->values.number[BUCKET], error);
    if (!s && own->shift == GW_WHOLE)
        c->row = &whole_row;
    return s;
}

static size_t granule(const struct gw_codec *c)
{
    const struct sign *own = c->own;
    return gw_bucket_granule(own->shift);
}

static size_t bound(const struct gw_codec *c, size_t first, size_t count)
{
    const struct sign *own = c->own;
    return 4 * gw_bucket_count(own->shift, first, count) + gw_packed_bytes(count, 1);
}

static float scale_of(const struct gw_codec *c, struct gw_source source, size_t start, size_t end)
{
    const struct sign *own = c->own;
    double n = (double)(end - start);
    double scale = own->rms ? sqrt(gw_bucket_sum_squares(c, source, start, end) / n)
                            : gw_bucket_sum_abs(c, source, start, end) / n;
    if (!(scale <= (double)FLT_MAX))
        return isfinite(scale) ? FLT_MAX : NAN;
    return scale < (double)FLT_MIN ? 0 : (float)scale;
}

static gw_status prepare_whole(struct gw_codec *c, struct gw_error *error)
{
    (void)error;
    struct sign *own = c->own;
    own->whole =
        c->site.count ? scale_of(c, (struct gw_source){ c->input, NULL }, 0, c->site.count) : 0;
    return GW_OK;
}

static gw_status encode_whole(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                              size_t *written, struct gw_error *error)
{
    (void)error;
    const struct sign *own = c->own;
    *written = bound(c, first, count);
    if (!count)
        return GW_OK;
    gw_put_f32(body, own->whole);
    c->kernels->pack_signs(c->input + first, count, body + 4);
    return GW_OK;
}

/* Decode a range stride by stride: negated scales of one stride fit on the stack. Stores if
 * `add` is 0. */
static void walk(const struct gw_codec *c, struct gw_scales scales, const uint8_t *codes,
                 size_t count, int add, float weight, gw_f32 *out)
{
    uint8_t negated[4 * GW_STRIDE_SCALES];
    for (size_t at = 0; at < count; at += GW_STRIDE) {
        size_t n = gw_min_size(GW_STRIDE, count - at);
        struct gw_scales clear = gw_scales_from(scales, at), set = clear;
        size_t buckets = ((clear.offset + n - 1) >> clear.shift) + 1;
        for (size_t i = 0; i < buckets; i++)
            gw_put_u32(negated + 4 * i, gw_get_u32(clear.bytes + 4 * i) ^ 0x80000000u);
        set.bytes = negated;
        if (add)
            c->kernels->unpack_signs_add(codes + at / 8, n, &clear, &set, weight, out + at);
        else
            c->kernels->unpack_signs(codes + at / 8, n, &clear, &set, out + at);
    }
}

/* Without state: encode the input. With: encode input + state and leave what was not sent. Scales
 * are found as the codes need them, while the bucket is in cache. */
static void encode_buckets(const struct gw_codec *c, const gw_f32 *state, gw_f32 *next,
                           size_t first, size_t count, uint8_t *body)
{
    const struct sign *own = c->own;
    size_t bucket = first >> own->shift, done = 0;
    struct gw_scales scales = { body, gw_bucket_offset(own->shift, first), own->shift };
    uint8_t *codes = body + 4 * gw_bucket_count(own->shift, first, count);
    int early = state && gw_bucket_whole(c, own->shift, first, count);
    struct gw_source source = { early ? next : c->input, early ? NULL : state };
    for (size_t at = 0; at < count; at += GW_STRIDE, codes += GW_STRIDE / 8) {
        size_t n = gw_min_size(GW_STRIDE, count - at), begin = first + at;
        if (early)
            gw_bucket_add_state(c, state, begin, n, next + begin);
        for (; bucket <= (begin + n - 1) >> own->shift; bucket++)
            gw_put_f32(body + 4 * done++, scale_of(c, source, gw_bucket_start(own->shift, bucket),
                                                   gw_bucket_end(c, own->shift, bucket)));
        if (!state) {
            c->kernels->pack_signs(c->input + begin, n, codes);
            continue;
        }
        if (!early)
            gw_bucket_add_state(c, state, begin, n, next + begin);
        c->kernels->pack_signs(next + begin, n, codes);
        walk(c, gw_scales_from(scales, at), codes, n, 1, -1.0f, next + begin);
    }
}

static gw_status encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error)
{
    (void)error;
    encode_buckets(c, NULL, NULL, first, count, body);
    *written = bound(c, first, count);
    return GW_OK;
}

static gw_status encode_feedback(struct gw_codec *c, const struct gw_feedback *feedback,
                                 size_t first, size_t count, uint8_t *body, size_t *written,
                                 struct gw_error *error)
{
    (void)error;
    encode_buckets(c, feedback->state, feedback->next, first, count, body);
    *written = bound(c, first, count);
    return GW_OK;
}

static gw_status check(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       struct gw_error *error)
{
    const struct sign *own = c->own;
    gw_status s = gw_bucket_check_size(c, body.length, bound(c, first, count), error);
    if (s)
        return s;
    return gw_bucket_check_scales(c, body.bytes, gw_bucket_count(own->shift, first, count), FLT_MAX,
                                  error);
}

static void decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out)
{
    const struct sign *own = c->own;
    struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    walk(c, scales, body.bytes + 4 * gw_bucket_count(own->shift, first, count), count, 0, 0, out);
}

static void decode_add(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum)
{
    const struct sign *own = c->own;
    struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    walk(c, scales, body.bytes + 4 * gw_bucket_count(own->shift, first, count), count, 1, weight,
         sum);
}

#define SIGN_INFO                                                                                  \
    {                                                                                              \
        "sign", "one sign bit per element and a scale per bucket or tensor",                       \
            "Karimireddy et al. 2019, Error Feedback Fixes SignSGD", params,                       \
            GW_WANTS_EF | GW_FIXED_SIZE                                                            \
    }

const struct gw_codec_row gw_row_sign = {
    .info = SIGN_INFO,
    .wire_id = GW_WIRE_SIGN,
    .own_bytes = sizeof(struct sign),
    .open = open_sign,
    .granule = granule,
    .bound = bound,
    .encode = encode,
    .encode_feedback = encode_feedback,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};

/* The variant of bucket=0: the scale needs a pass over the unit before any range. */
static const struct gw_codec_row whole_row = {
    .info = SIGN_INFO,
    .wire_id = GW_WIRE_SIGN,
    .own_bytes = sizeof(struct sign),
    .granule = granule,
    .bound = bound,
    .prepare = prepare_whole,
    .encode = encode_whole,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};
