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
#include <stdlib.h>

#include "compress/bucket.h"

enum { BUCKET };
enum { GROUP_SHIFT = 9 };

struct onebit {
    unsigned shift;
    /* If the unit is one bucket: its means, and its codes, made in the pass that finds them. */
    float whole[2];
    uint8_t *codes;
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
    if (s || own->shift != GW_WHOLE)
        return s;
    c->row = &whole_row;
    c->reads_unit = 0; /* prepare finds what is not finite itself */
    own->codes = malloc(gw_max_size(gw_packed_bytes(c->site.count, 1), 1));
    if (!own->codes)
        return gw_fail(error, GW_ENOMEM, "out of memory for the %zu signs of tensor '%s'",
                       c->site.count, c->site.tensor);
    return GW_OK;
}

static void close_onebit(struct gw_codec *c)
{
    free(((struct onebit *)c->own)->codes);
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

/* The means of whole groups, and their codes. Returns whether all is finite. */
static int pack_means(const struct gw_codec *c, const gw_f32 *x, size_t count,
                      const gw_f32 *const ahead[2], uint8_t *codes, float means[2])
{
    double sums[2];
    size_t negatives = c->kernels->pack_signs_sums(x, count, ahead, codes, sums);
    means[0] = mean_of(sums[0], count - negatives);
    means[1] = mean_of(sums[1], negatives);
    return isfinite(sums[0]) && isfinite(sums[1]);
}

static gw_status prepare_whole(struct gw_codec *c, struct gw_error *error)
{
    struct onebit *own = c->own;
    const gw_f32 *x = c->input, *const ahead[2] = { x + GW_GROUP, x + GW_GROUP };
    own->whole[0] = own->whole[1] = 0;
    if (!c->site.count || pack_means(c, x, c->site.count, ahead, own->codes, own->whole))
        return GW_OK;
    return gw_codec_check_range(c, 0, c->site.count, error);
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
    if (first % GW_GROUP == 0 && (count % GW_GROUP == 0 || first + count == c->site.count))
        memcpy(body + 8, own->codes + first / 8, gw_packed_bytes(count, 1));
    else
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

/* True if a range cuts no bucket, and no bucket a group of codes: then a bucket's means are found
 * in the pass that packs it. */
static int packs_buckets(const struct gw_codec *c, size_t first, size_t count)
{
    const struct onebit *own = c->own;
    size_t end = first + count;
    return own->shift >= GROUP_SHIFT && gw_bucket_offset(own->shift, first) == 0 &&
           (gw_bucket_offset(own->shift, end) == 0 || end == c->site.count);
}

/* Such a range. Without state: encode the input. With: encode input + state, a bucket at a time in
 * the first-level cache, and leave what was not sent. */
static gw_status encode_whole_buckets(const struct gw_codec *c, const gw_f32 *state, gw_f32 *next,
                                      size_t first, size_t count, uint8_t *body,
                                      struct gw_error *error)
{
    const struct onebit *own = c->own;
    size_t bucket = (size_t)1 << own->shift, buckets = gw_bucket_count(own->shift, first, count);
    uint8_t *codes = body + 8 * buckets, *mean = body;
    gw_f32 buffer[GW_STRIDE];
    int streams = gw_bucket_streams(c), spoiled = 0;
    for (size_t at = 0; at < count; at += bucket, mean += 4) {
        size_t n = gw_min_size(bucket, count - at), begin = first + at;
        const gw_f32 *x = c->input + begin, *ahead[2] = { x + GW_GROUP, x + GW_GROUP };
        float means[2];
        if (state) {
            spoiled |= gw_bucket_add_state(c, state, begin, n, buffer);
            ahead[0] = x + n;
            ahead[1] = state + begin + n;
        }
        spoiled |= !pack_means(c, state ? buffer : x, n, ahead, codes + at / 8, means);
        gw_put_f32(mean, means[0]);
        gw_put_f32(mean + 4 * buckets, means[1]);
        if (state)
            c->kernels->subtract_by_sign(next + begin, buffer, n, means, ahead, streams);
    }
    if (state && streams)
        gw_stream_fence();
    return spoiled ? gw_codec_check_range(c, first, count, error) : GW_OK;
}

/* Any range: means are found as the codes need them. */
static void encode_cut(const struct gw_codec *c, const gw_f32 *state, gw_f32 *next, size_t first,
                       size_t count, uint8_t *body)
{
    const struct onebit *own = c->own;
    size_t buckets = gw_bucket_count(own->shift, first, count);
    size_t bucket = first >> own->shift, done = 0;
    uint8_t *codes = body + 8 * buckets;
    struct gw_scales means[2];
    means_in(c, body, first, count, means);
    const struct gw_source source = { .input = c->input, .state = state };
    for (size_t at = 0; at < count; at += GW_STRIDE, codes += GW_STRIDE / 8) {
        size_t n = gw_min_size(GW_STRIDE, count - at), begin = first + at;
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
        gw_bucket_add_state(c, state, begin, n, next + begin);
        c->kernels->pack_signs(next + begin, n, codes);
        c->kernels->unpack_signs_add(codes, n, &clear, &set, -1.0f, next + begin);
    }
}

static gw_status encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error)
{
    *written = bound(c, first, count);
    if (packs_buckets(c, first, count))
        return encode_whole_buckets(c, NULL, NULL, first, count, body, error);
    encode_cut(c, NULL, NULL, first, count, body);
    return gw_codec_check_range(c, first, count, error);
}

static gw_status encode_feedback(struct gw_codec *c, const struct gw_feedback *f, size_t first,
                                 size_t count, uint8_t *body, size_t *written,
                                 struct gw_error *error)
{
    const struct onebit *own = c->own;
    *written = bound(c, first, count);
    if (own->shift <= GW_STRIDE_SHIFT && packs_buckets(c, first, count))
        return encode_whole_buckets(c, f->state, f->next, first, count, body, error);
    encode_cut(c, f->state, f->next, first, count, body);
    return gw_codec_check_range(c, first, count, error);
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
    if (!gw_bucket_streams(c)) {
        c->kernels->unpack_signs(codes, count, &means[0], &means[1], out);
        return;
    }
    for (size_t at = 0; at < count; at += GW_STRIDE) {
        gw_f32 buffer[GW_STRIDE];
        size_t n = gw_min_size(GW_STRIDE, count - at);
        struct gw_scales clear = gw_scales_from(means[0], at), set = gw_scales_from(means[1], at);
        c->kernels->unpack_signs(codes + at / 8, n, &clear, &set, buffer);
        gw_stream_copy(out + at, buffer, n * sizeof(float));
    }
    gw_stream_fence();
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
    .close = close_onebit,
    .granule = granule,
    .bound = bound,
    .encode = encode,
    .encode_feedback = encode_feedback,
    .finds_nonfinite = 1,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};

/* The variant of bucket=0: the means need a pass over the unit before any range. */
static const struct gw_codec_row whole_row = {
    .info = ONEBIT_INFO,
    .wire_id = GW_WIRE_ONEBIT,
    .own_bytes = sizeof(struct onebit),
    .close = close_onebit,
    .granule = granule,
    .bound = bound,
    .prepare = prepare_whole,
    .encode = encode_whole,
    .finds_nonfinite = 1,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};
