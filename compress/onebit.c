/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* onebit: one sign bit per element and two values per bucket, the mean of the elements without and
 * the mean of those with the sign bit (0 if there are none). Never worse than `sign`, for 4 more
 * bytes per bucket; wins where the two sides are unlike. Biased: only under ef+.
 *
 * Seide et al. 2014, 1-Bit Stochastic Gradient Descent, whose bucket is a matrix column.
 *
 * Body: the means without sign of all buckets, those with sign of all buckets, the 1-bit codes. */
#include "compress/packed.h"

#include <math.h>

#include "compress/bucket.h"

enum { BUCKET };

struct onebit {
    unsigned shift;
    float whole[2]; /* the means of the unit, if it is one bucket */
};

static const gw_param params[] = {
    [BUCKET] = { "bucket", GW_PARAM_INTEGER, "2048", 0, GW_BUCKET_MOST, NULL, "elements",
                 "elements per pair of means, a power of two from 16; 0: one for the tensor" },
    { 0 },
};

static const struct gw_codec_row whole_row;

static gw_status open_onebit(struct gw_codec *c, struct gw_error *error)
{
    struct onebit *own = c->own;
    gw_status s = gw_bucket_shift(&own->shift, "onebit", c->values.number[BUCKET], error);
    if (!s && own->shift == GW_WHOLE)
        c->row = &whole_row;
    return s;
}

static size_t granule(const struct gw_codec *c)
{
    const struct onebit *own = c->own;
    return gw_bucket_granule(own->shift);
}

static size_t bound(const struct gw_codec *c, size_t first, size_t count)
{
    const struct onebit *own = c->own;
    return 8 * gw_bucket_count(own->shift, first, count) + gw_packed_bytes(count, 1);
}

static float mean_of(double sum, size_t count)
{
    if (!count)
        return 0;
    double mean = sum / (double)count;
    if (fabs(mean) < (double)FLT_MIN)
        return 0;
    return isfinite(mean) ? (float)mean : NAN;
}

static void means_of(const struct gw_codec *c, struct gw_source source, size_t start, size_t end,
                     float means[2])
{
    gw_f32 buffer[GW_GROUP];
    double sums[2] = { 0, 0 };
    size_t negatives = 0;
    for (size_t at = start; at < end; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, end - at);
        double part[2];
        negatives += c->kernels->sum_by_sign(gw_bucket_piece(c, source, at, n, buffer), n, part);
        sums[0] += part[0];
        sums[1] += part[1];
    }
    means[0] = mean_of(sums[0], end - start - negatives);
    means[1] = mean_of(sums[1], negatives);
}

static gw_status prepare_whole(struct gw_codec *c, struct gw_error *error)
{
    (void)error;
    struct onebit *own = c->own;
    means_of(c, (struct gw_source){ c->input, NULL }, 0, c->site.count, own->whole);
    return GW_OK;
}

static gw_status encode_whole(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                              size_t *written, struct gw_error *error)
{
    (void)error;
    const struct onebit *own = c->own;
    *written = bound(c, first, count);
    if (!count)
        return GW_OK;
    gw_put_f32(body, own->whole[0]);
    gw_put_f32(body + 4, own->whole[1]);
    c->kernels->pack_signs(c->input + first, count, body + 8);
    return GW_OK;
}

/* The two sets of means of a body. */
static void means_in(const struct gw_codec *c, const uint8_t *body, size_t first, size_t count,
                     struct gw_scales means[2])
{
    const struct onebit *own = c->own;
    means[0] = (struct gw_scales){ body, gw_bucket_offset(own->shift, first), own->shift };
    means[1] = means[0];
    means[1].bytes += 4 * gw_bucket_count(own->shift, first, count);
}

/* Without state: encode the input. With: encode input + state and leave what was not sent. */
static void encode_buckets(const struct gw_codec *c, const gw_f32 *state, gw_f32 *next,
                           size_t first, size_t count, uint8_t *body)
{
    const struct onebit *own = c->own;
    size_t buckets = gw_bucket_count(own->shift, first, count);
    size_t bucket = first >> own->shift, done = 0;
    uint8_t *codes = body + 8 * buckets;
    struct gw_scales means[2];
    means_in(c, body, first, count, means);
    int early = state && gw_bucket_whole(c, own->shift, first, count);
    struct gw_source source = { early ? next : c->input, early ? NULL : state };
    for (size_t at = 0; at < count; at += GW_STRIDE, codes += GW_STRIDE / 8) {
        size_t n = gw_min_size(GW_STRIDE, count - at), begin = first + at;
        if (early)
            gw_bucket_add_state(c, state, begin, n, next + begin);
        for (; bucket <= (begin + n - 1) >> own->shift; bucket++, done++) {
            float pair[2];
            means_of(c, source, gw_bucket_start(own->shift, bucket),
                     gw_bucket_end(c, own->shift, bucket), pair);
            gw_put_f32(body + 4 * done, pair[0]);
            gw_put_f32(body + 4 * (buckets + done), pair[1]);
        }
        if (!state) {
            c->kernels->pack_signs(c->input + begin, n, codes);
            continue;
        }
        struct gw_scales clear = gw_scales_from(means[0], at), set = gw_scales_from(means[1], at);
        if (!early)
            gw_bucket_add_state(c, state, begin, n, next + begin);
        c->kernels->pack_signs(next + begin, n, codes);
        c->kernels->unpack_signs_add(codes, n, &clear, &set, -1.0f, next + begin);
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
    const struct onebit *own = c->own;
    gw_status s = gw_bucket_check_size(c, body.length, bound(c, first, count), error);
    if (s || c->site.nonfinite == GW_NONFINITE_PASS)
        return s;
    size_t means = 2 * gw_bucket_count(own->shift, first, count);
    for (size_t i = 0; i < means; i++)
        if (!gw_is_finite(gw_get_f32(body.bytes + 4 * i)))
            return gw_fail(error, GW_EPAYLOAD, "tensor '%s': mean %zu of the payload is not finite",
                           c->site.tensor, i);
    return GW_OK;
}

static void decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out)
{
    const struct onebit *own = c->own;
    struct gw_scales means[2];
    means_in(c, body.bytes, first, count, means);
    const uint8_t *codes = body.bytes + 8 * gw_bucket_count(own->shift, first, count);
    c->kernels->unpack_signs(codes, count, &means[0], &means[1], out);
}

static void decode_add(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum)
{
    const struct onebit *own = c->own;
    struct gw_scales means[2];
    means_in(c, body.bytes, first, count, means);
    const uint8_t *codes = body.bytes + 8 * gw_bucket_count(own->shift, first, count);
    c->kernels->unpack_signs_add(codes, count, &means[0], &means[1], weight, sum);
}

#define ONEBIT_INFO                                                                                \
    {                                                                                              \
        "onebit", "one sign bit per element and the mean of each side",                            \
            "Seide et al. 2014, 1-Bit Stochastic Gradient Descent", params,                        \
            GW_WANTS_EF | GW_FIXED_SIZE                                                            \
    }

const struct gw_codec_row gw_row_onebit = {
    .info = ONEBIT_INFO,
    .wire_id = GW_WIRE_ONEBIT,
    .own_bytes = sizeof(struct onebit),
    .open = open_onebit,
    .granule = granule,
    .bound = bound,
    .encode = encode,
    .encode_feedback = encode_feedback,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};

/* The variant of bucket=0: the means need a pass over the unit before any range. */
static const struct gw_codec_row whole_row = {
    .info = ONEBIT_INFO,
    .wire_id = GW_WIRE_ONEBIT,
    .own_bytes = sizeof(struct onebit),
    .granule = granule,
    .bound = bound,
    .prepare = prepare_whole,
    .encode = encode_whole,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};
