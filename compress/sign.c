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
#include <stdlib.h>

#include "compress/bucket.h"

enum { SCALE, BUCKET };
enum { GROUP_SHIFT = 9 };

struct sign {
    unsigned shift;
    int rms;
    /* If the unit is one bucket: its scale, and its codes, made in the pass that finds the scale
     * (l1 only). */
    float whole;
    uint8_t *codes;
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
    if (s || own->shift != GW_WHOLE)
        return s;
    c->row = &whole_row;
    if (own->rms)
        return GW_OK;
    c->reads_unit = 0; /* prepare finds what is not finite itself */
    own->codes = malloc(gw_max_size(gw_packed_bytes(c->site.count, 1), 1));
    if (!own->codes)
        return gw_fail(error, GW_ENOMEM, "out of memory for the %zu signs of tensor '%s'",
                       c->site.count, c->site.tensor);
    return GW_OK;
}

static void close_sign(struct gw_codec *c)
{
    free(((struct sign *)c->own)->codes);
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

/* Of `count` elements with this sum of magnitudes, or of squares. */
static float scale_from(const struct sign *own, double sum, size_t count)
{
    double scale = own->rms ? sqrt(sum / (double)count) : sum / (double)count;
    if (!(scale <= (double)FLT_MAX))
        return isfinite(scale) ? FLT_MAX : NAN;
    return scale < (double)FLT_MIN ? 0 : (float)scale;
}

static float scale_of(const struct gw_codec *c, struct gw_source source, size_t start, size_t end)
{
    const struct sign *own = c->own;
    return scale_from(own,
                      own->rms ? gw_bucket_sum_squares(c, source, start, end)
                               : gw_bucket_sum_abs(c, source, start, end),
                      end - start);
}

/* ---- one bucket for the unit ----------------------------------------------------------------- */

static gw_status prepare_whole(struct gw_codec *c, struct gw_error *error)
{
    struct sign *own = c->own;
    size_t count = c->site.count;
    own->whole = 0;
    if (!count)
        return GW_OK;
    if (own->rms) {
        own->whole = scale_of(c, (struct gw_source){ .input = c->input }, 0, count);
        return GW_OK;
    }
    const gw_f32 *const ahead[2] = { c->input + GW_GROUP, c->input + GW_GROUP };
    double sum = c->kernels->pack_signs_abs(c->input, count, ahead, own->codes);
    own->whole = scale_from(own, sum, count);
    return sum <= DBL_MAX ? GW_OK : gw_codec_check_range(c, 0, count, error);
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
    int groups = first % GW_GROUP == 0 && (count % GW_GROUP == 0 || first + count == c->site.count);
    if (groups && own->codes)
        memcpy(body + 4, own->codes + first / 8, gw_packed_bytes(count, 1));
    else
        c->kernels->pack_signs(c->input + first, count, body + 4);
    return GW_OK;
}

/* ---- decode ---------------------------------------------------------------------------------- */

/* At most a stride of codes, whose negated scales fit on the stack. Stores if `add` is 0. */
static void unpack(const struct gw_codec *c, struct gw_scales clear, const uint8_t *codes,
                   size_t count, int add, float weight, gw_f32 *out)
{
    uint8_t negated[4 * GW_STRIDE_SCALES];
    struct gw_scales set = clear;
    size_t buckets = ((clear.offset + count - 1) >> clear.shift) + 1;
    for (size_t i = 0; i < buckets; i++)
        gw_put_u32(negated + 4 * i, gw_get_u32(clear.bytes + 4 * i) ^ 0x80000000u);
    set.bytes = negated;
    if (add)
        c->kernels->unpack_signs_add(codes, count, &clear, &set, weight, out);
    else
        c->kernels->unpack_signs(codes, count, &clear, &set, out);
}

static void decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out)
{
    const struct sign *own = c->own;
    const struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    const uint8_t *codes = body.bytes + 4 * gw_bucket_count(own->shift, first, count);
    gw_f32 buffer[GW_STRIDE];
    int streams = gw_bucket_streams(c);
    for (size_t at = 0; at < count; at += GW_STRIDE) {
        size_t n = gw_min_size(GW_STRIDE, count - at);
        unpack(c, gw_scales_from(scales, at), codes + at / 8, n, 0, 0, streams ? buffer : out + at);
        if (streams)
            gw_stream_copy(out + at, buffer, n * sizeof(float));
    }
    if (streams)
        gw_stream_fence();
}

static void decode_add(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum)
{
    const struct sign *own = c->own;
    const struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    const uint8_t *codes = body.bytes + 4 * gw_bucket_count(own->shift, first, count);
    for (size_t at = 0; at < count; at += GW_STRIDE)
        unpack(c, gw_scales_from(scales, at), codes + at / 8, gw_min_size(GW_STRIDE, count - at), 1,
               weight, sum + at);
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

/* ---- buckets: encode ------------------------------------------------------------------------- */

/* True if a range cuts no bucket, and no bucket a group of codes: then a bucket's scale is found
 * in the pass that packs it. */
static int packs_buckets(const struct gw_codec *c, size_t first, size_t count)
{
    const struct sign *own = c->own;
    size_t end = first + count;
    return !own->rms && own->shift >= GROUP_SHIFT && gw_bucket_offset(own->shift, first) == 0 &&
           (gw_bucket_offset(own->shift, end) == 0 || end == c->site.count);
}

/* Any range: scales are found as the codes need them, while the bucket is in cache. */
static void encode_cut(const struct gw_codec *c, const gw_f32 *state, gw_f32 *next, size_t first,
                       size_t count, uint8_t *body)
{
    const struct sign *own = c->own;
    size_t bucket = first >> own->shift, done = 0;
    const struct gw_scales scales = { body, gw_bucket_offset(own->shift, first), own->shift };
    const struct gw_source source = { .input = c->input, .state = state };
    uint8_t *codes = body + 4 * gw_bucket_count(own->shift, first, count);
    for (size_t at = 0; at < count; at += GW_STRIDE, codes += GW_STRIDE / 8) {
        size_t n = gw_min_size(GW_STRIDE, count - at), begin = first + at;
        for (; bucket <= (begin + n - 1) >> own->shift; bucket++)
            gw_put_f32(body + 4 * done++, scale_of(c, source, gw_bucket_start(own->shift, bucket),
                                                   gw_bucket_end(c, own->shift, bucket)));
        if (!state) {
            c->kernels->pack_signs(c->input + begin, n, codes);
            continue;
        }
        gw_bucket_add_state(c, state, begin, n, next + begin);
        c->kernels->pack_signs(next + begin, n, codes);
        unpack(c, gw_scales_from(scales, at), codes, n, 1, -1.0f, next + begin);
    }
}

/* A sum that is not finite tells of elements that are not, if not of sums with the state. */
static gw_status finish(const struct gw_codec *c, int spoiled, size_t first, size_t count,
                        struct gw_error *error)
{
    return spoiled ? gw_codec_check_range(c, first, count, error) : GW_OK;
}

/* A range that packs_buckets is true of. Returns whether a sum was not finite. */
static int encode_input(const struct gw_codec *c, size_t first, size_t count, uint8_t *body)
{
    const struct sign *own = c->own;
    size_t bucket = (size_t)1 << own->shift;
    uint8_t *scales = body, *codes = body + 4 * gw_bucket_count(own->shift, first, count);
    int spoiled = 0;
    for (size_t at = 0; at < count; at += bucket, scales += 4) {
        const gw_f32 *x = c->input + first + at, *const ahead[2] = { x + GW_GROUP, x + GW_GROUP };
        size_t n = gw_min_size(bucket, count - at);
        double sum = c->kernels->pack_signs_abs(x, n, ahead, codes + at / 8);
        spoiled |= !(sum <= DBL_MAX);
        gw_put_f32(scales, scale_from(own, sum, n));
    }
    return spoiled;
}

static gw_status encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error)
{
    *written = bound(c, first, count);
    if (packs_buckets(c, first, count))
        return finish(c, encode_input(c, first, count, body), first, count, error);
    encode_cut(c, NULL, NULL, first, count, body);
    return gw_codec_check_range(c, first, count, error);
}

/* ---- buckets: encode input + state, leave what was not sent ---------------------------------- */

/* input + state and its codes; returns its scale. `*spoiled` if its sum was not finite. */
static float send_sum(const struct gw_codec *c, const gw_f32 *state, size_t begin, size_t count,
                      gw_f32 *sum, uint8_t *codes, int *spoiled)
{
    double total = c->kernels->add_signs_abs(sum, c->input + begin, state + begin, count, codes);
    if (!(total <= DBL_MAX)) {
        const gw_f32 *const ahead[2] = { sum, sum };
        *spoiled = 1;
        gw_bucket_add_state(c, state, begin, count, sum);
        total = c->kernels->pack_signs_abs(sum, count, ahead, codes);
    }
    return scale_from(c->own, total, count);
}

/* A range that packs_buckets is true of, of buckets no larger than a stride, in one pass over
 * memory: the sum stays in the first-level cache until its rest is written. Returns as above. */
static int encode_sum(const struct gw_codec *c, const gw_f32 *state, gw_f32 *next, size_t first,
                      size_t count, uint8_t *body)
{
    const struct sign *own = c->own;
    uint8_t *scales = body, *codes = body + 4 * gw_bucket_count(own->shift, first, count);
    size_t bucket = (size_t)1 << own->shift;
    gw_f32 buffer[GW_STRIDE];
    int streams = gw_bucket_streams(c), spoiled = 0;
    for (size_t at = 0; at < count; at += bucket, scales += 4) {
        size_t n = gw_min_size(bucket, count - at), begin = first + at;
        const gw_f32 *const ahead[2] = { c->input + begin + n, state + begin + n };
        float scale = send_sum(c, state, begin, n, buffer, codes + at / 8, &spoiled);
        gw_put_f32(scales, scale);
        c->kernels->subtract_by_sign(next + begin, buffer, n, (float[2]){ scale, -scale }, ahead,
                                     streams);
    }
    if (streams)
        gw_stream_fence();
    return spoiled;
}

static gw_status encode_feedback(struct gw_codec *c, const struct gw_feedback *f, size_t first,
                                 size_t count, uint8_t *body, size_t *written,
                                 struct gw_error *error)
{
    const struct sign *own = c->own;
    *written = bound(c, first, count);
    if (own->shift <= GW_STRIDE_SHIFT && packs_buckets(c, first, count))
        return finish(c, encode_sum(c, f->state, f->next, first, count, body), first, count, error);
    encode_cut(c, f->state, f->next, first, count, body);
    return gw_codec_check_range(c, first, count, error);
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
    .close = close_sign,
    .granule = granule,
    .bound = bound,
    .encode = encode,
    .encode_feedback = encode_feedback,
    .finds_nonfinite = 1,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};

/* The variant of bucket=0: the scale needs a pass over the unit before any range. */
static const struct gw_codec_row whole_row = {
    .info = SIGN_INFO,
    .wire_id = GW_WIRE_SIGN,
    .own_bytes = sizeof(struct sign),
    .close = close_sign,
    .granule = granule,
    .bound = bound,
    .prepare = prepare_whole,
    .encode = encode_whole,
    .finds_nonfinite = 1,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
};
