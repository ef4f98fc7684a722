/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* terngrad: each element becomes -1, 0 or +1 times one scale of the unit, at random so that the
 * expectation is the (clipped) input. The ranks agree on the largest scale, so that codes add as
 * integers: 2 bits up, and a sum of n in log2(2n+1) bits down, without decoding on the way.
 *
 * Wen et al. 2017, TernGrad. The clip is at clip * root mean square, by lowering the scale: what
 * exceeds the agreed scale becomes 1. (Where ranks differ, the largest clip of all holds; the paper
 * clips before it agrees.)
 *
 * Body: f32 scale, then 2-bit codes (bit 0: not zero, bit 1: sign). Merged: f32 scale, u32 n, then
 * the sum of codes plus n in w = ceil(log2(2n+1)) bits, packed; if w > 8 the low 8 bits of all,
 * then the other bits of all. */
#include "compress/packed.h"

#include <math.h>

#include "compress/bucket.h"

enum { CLIP };
enum { BITS = 2, HEAD = 4, MERGED_HEAD = 8, SUMS_MOST = 32767 };

struct terngrad {
    float scale;
};

static const gw_param params[] = {
    [CLIP] = { "clip", GW_PARAM_REAL, "2.5", 0, 1e6, NULL, "sigma",
               "clip at so many root mean squares of the tensor; 0: no clipping" },
    { 0 },
};

static gw_status open_terngrad(struct gw_codec *c, struct gw_error *error)
{
    if (c->site.ranks > SUMS_MOST)
        return gw_fail(error, GW_ENOTSUP, "terngrad: %d ranks, expected at most %d", c->site.ranks,
                       SUMS_MOST);
    c->reads_unit = 0; /* prepare finds what is not finite itself */
    return GW_OK;
}

static unsigned ranks_of(const struct gw_codec *c)
{
    return c->site.ranks > 1 ? (unsigned)c->site.ranks : 1;
}

static unsigned sum_bits(unsigned n)
{
    return 32 - (unsigned)__builtin_clz(2 * n);
}

static size_t sums_bytes(size_t count, unsigned bits)
{
    if (bits <= 8)
        return gw_packed_bytes(count, bits);
    return gw_packed_bytes(count, 8) + gw_packed_bytes(count, bits - 8);
}

static size_t granule(const struct gw_codec *c)
{
    (void)c;
    return GW_GROUP;
}

static size_t bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)c;
    (void)first;
    return HEAD + gw_packed_bytes(count, BITS);
}

static size_t merged_bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)first;
    return MERGED_HEAD + sums_bytes(count, sum_bits(ranks_of(c)));
}

/* ---- the scale ---- */

/* A sum of all ranks' scales must stay finite. */
static float limited(const struct gw_codec *c, double scale)
{
    double limit = (double)gw_bucket_scale_limit((float)ranks_of(c));
    if (scale < (double)FLT_MIN)
        return 0;
    return (float)(scale < limit ? scale : limit);
}

/* The largest magnitude, and, if asked for, the sum of squares, in one pass over memory. */
static float measure(const struct gw_codec *c, double *squares)
{
    float most = 0;
    for (size_t at = 0; at < c->site.count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, c->site.count - at);
        float here = c->kernels->max_abs(c->input + at, n);
        most = gw_float_bits(here) > gw_float_bits(most) ? here : most;
        if (squares)
            *squares += c->kernels->sum_squares(c->input + at, n);
    }
    return most;
}

static gw_status prepare(struct gw_codec *c, struct gw_error *error)
{
    struct terngrad *own = c->own;
    size_t count = c->site.count;
    double squares = 0, clip = c->values.number[CLIP];
    double scale = (double)measure(c, clip > 0 ? &squares : NULL);
    if (!isfinite(scale)) {
        own->scale = NAN;
        return gw_codec_check_range(c, 0, count, error);
    }
    if (clip > 0 && count)
        scale = fmin(scale, clip * sqrt(squares / (double)count));
    own->scale = limited(c, scale);
    return GW_OK;
}

static size_t side_count(const struct gw_codec *c)
{
    (void)c;
    return 1;
}

static void propose(struct gw_codec *c, float *side)
{
    const struct terngrad *own = c->own;
    side[0] = gw_is_finite(own->scale) ? own->scale : INFINITY;
}

static gw_status adopt(struct gw_codec *c, const float *side, struct gw_error *error)
{
    struct terngrad *own = c->own;
    if (gw_is_finite(side[0]) && side[0] >= 0) {
        own->scale = limited(c, (double)side[0]);
        return GW_OK;
    }
    if (c->site.nonfinite != GW_NONFINITE_PASS)
        return gw_fail(error, GW_ENONFINITE,
                       "tensor '%s': the ranks' largest scale is %g, expected a finite number",
                       c->site.tensor, (double)side[0]);
    own->scale = NAN;
    return GW_OK;
}

/* ---- one payload ---- */

static gw_status encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error)
{
    (void)error;
    const struct terngrad *own = c->own;
    uint8_t inverse[4];
    gw_put_f32(inverse, own->scale > 0 ? 1.0f / own->scale : 0);
    struct gw_quantizer q = {
        .inverse = { inverse, 0, GW_WHOLE },
        .levels = 1,
        .bits = BITS,
        .key = c->key,
        .element = c->site.first + first,
        .ahead = { c->input + first + GW_GROUP, c->input + first + GW_GROUP },
    };
    gw_put_f32(body, own->scale);
    c->kernels->quantize(&q, c->input + first, count, body + HEAD);
    *written = bound(c, first, count);
    return GW_OK;
}

static void decode_codes(const struct gw_codec *c, size_t count, struct gw_body body, int add,
                         float weight, gw_f32 *out)
{
    struct gw_scales scale = { body.bytes, 0, GW_WHOLE };
    if (add)
        c->kernels->dequantize_add(body.bytes + HEAD, count, BITS, &scale, weight, out);
    else
        c->kernels->dequantize(body.bytes + HEAD, count, BITS, &scale, out, gw_bucket_streams(c));
}

/* ---- sums ---- */

/* What a 2-bit code says, plus 1. Loops over whole groups have a fixed length, whatever of the
 * group there is: so compilers turn them into vectors. */
static void bias_codes(const uint8_t *restrict codes, uint16_t *restrict sums)
{
    for (int i = 0; i < GW_GROUP; i++) {
        uint16_t some = codes[i] & 1, less = some & (uint16_t)(codes[i] >> 1);
        sums[i] = (uint16_t)(1 + some - 2 * less);
    }
}

static void join_codes(const uint8_t *restrict low, const uint8_t *restrict high,
                       uint16_t *restrict sums)
{
    for (int i = 0; i < GW_GROUP; i++)
        sums[i] = (uint16_t)(low[i] | high[i] << 8);
}

static void part_codes(const uint16_t *restrict sums, int shift, uint8_t *restrict bytes)
{
    for (int i = 0; i < GW_GROUP; i++)
        bytes[i] = (uint8_t)(sums[i] >> shift);
}

static void add_codes(uint16_t *restrict sums, const uint16_t *restrict one)
{
    for (int i = 0; i < GW_GROUP; i++)
        sums[i] = (uint16_t)(sums[i] + one[i]);
}

/* A group of sums, plus n, of a merged body, or of a single payload's codes (n = 1); what `sums`
 * holds beyond `count` means nothing. */
static void read_sums(const struct gw_codec *c, struct gw_body body, size_t at, size_t count,
                      size_t total, uint16_t *sums)
{
    uint8_t low[GW_GROUP] = { 0 }, high[GW_GROUP] = { 0 };
    if (!(body.flags & GW_PAYLOAD_MERGED)) {
        c->kernels->unpack(body.bytes + HEAD + gw_packed_bytes(at, BITS), count, BITS, low);
        bias_codes(low, sums);
        return;
    }
    unsigned bits = sum_bits(gw_get_u32(body.bytes + HEAD)), low_bits = bits < 8 ? bits : 8;
    const uint8_t *codes = body.bytes + MERGED_HEAD;
    c->kernels->unpack(codes + gw_packed_bytes(at, low_bits), count, low_bits, low);
    if (bits > 8) {
        codes += gw_packed_bytes(total, 8);
        c->kernels->unpack(codes + gw_packed_bytes(at, bits - 8), count, bits - 8, high);
    }
    join_codes(low, high, sums);
}

static void write_sums(const struct gw_codec *c, uint8_t *codes, unsigned bits, size_t at,
                       size_t count, size_t total, const uint16_t *sums)
{
    uint8_t bytes[GW_GROUP];
    unsigned low_bits = bits < 8 ? bits : 8;
    part_codes(sums, 0, bytes);
    c->kernels->pack(bytes, count, low_bits, codes + gw_packed_bytes(at, low_bits));
    if (bits <= 8)
        return;
    part_codes(sums, 8, bytes);
    codes += gw_packed_bytes(total, 8);
    c->kernels->pack(bytes, count, bits - 8, codes + gw_packed_bytes(at, bits - 8));
}

static unsigned terms_of(struct gw_body body)
{
    return body.flags & GW_PAYLOAD_MERGED ? gw_get_u32(body.bytes + HEAD) : 1;
}

/* The biases of the bodies add to the bias of the sum, so biased codes just add. */
static void merge(struct gw_codec *c, size_t first, size_t count, const struct gw_body *bodies,
                  int n, uint8_t *body, size_t *written)
{
    (void)first;
    unsigned terms = 0;
    for (int k = 0; k < n; k++)
        terms += terms_of(bodies[k]);
    unsigned bits = sum_bits(terms);
    memcpy(body, bodies[0].bytes, HEAD);
    gw_put_u32(body + HEAD, terms);
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t m = gw_min_size(GW_GROUP, count - at);
        uint16_t sums[GW_GROUP] = { 0 }, one[GW_GROUP];
        for (int k = 0; k < n; k++) {
            read_sums(c, bodies[k], at, m, count, one);
            add_codes(sums, one);
        }
        write_sums(c, body + MERGED_HEAD, bits, at, m, count, sums);
    }
    *written = MERGED_HEAD + sums_bytes(count, bits);
}

static void scale_sums(const uint16_t *restrict sums, int terms, float scale,
                       float *restrict values)
{
    for (int i = 0; i < GW_GROUP; i++)
        values[i] = scale * (float)(sums[i] - terms);
}

static void decode_sums(const struct gw_codec *c, size_t count, struct gw_body body, int add,
                        float weight, gw_f32 *out)
{
    float scale = gw_get_f32(body.bytes), values[GW_GROUP];
    int terms = (int)terms_of(body);
    uint16_t sums[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        read_sums(c, body, at, n, count, sums);
        scale_sums(sums, terms, scale, values);
        if (add)
            c->kernels->add_scaled(out + at, (const gw_f32 *)values, weight, n);
        else
            memcpy(out + at, values, n * sizeof(float));
    }
}

/* ---- check and decode ---- */

static gw_status check_merged(const struct gw_codec *c, size_t count, struct gw_body body,
                              struct gw_error *error)
{
    uint32_t terms = body.length < MERGED_HEAD ? 0 : gw_get_u32(body.bytes + HEAD);
    if (terms < 1 || terms > ranks_of(c))
        return gw_fail(error, GW_EPAYLOAD,
                       "tensor '%s': the payload is a sum of %u, expected 1 to %u", c->site.tensor,
                       terms, ranks_of(c));
    gw_status s = gw_bucket_check_size(c, body.length,
                                       MERGED_HEAD + sums_bytes(count, sum_bits(terms)), error);
    uint16_t sums[GW_GROUP];
    for (size_t at = 0; at < count && !s; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        read_sums(c, body, at, n, count, sums);
        for (size_t i = 0; i < n && !s; i++)
            if (sums[i] > 2 * terms)
                s = gw_fail(error, GW_EPAYLOAD,
                            "tensor '%s': sum %zu of the payload is %u, expected at most %u",
                            c->site.tensor, at + i, sums[i], 2 * terms);
    }
    return s;
}

static gw_status check(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       struct gw_error *error)
{
    gw_status s = body.flags & GW_PAYLOAD_MERGED
                      ? check_merged(c, count, body, error)
                      : gw_bucket_check_size(c, body.length, bound(c, first, count), error);
    if (s)
        return s;
    return gw_bucket_check_scales(c, body.bytes, 1, gw_bucket_scale_limit((float)ranks_of(c)),
                                  error);
}

static void decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out)
{
    (void)first;
    if (body.flags & GW_PAYLOAD_MERGED)
        decode_sums(c, count, body, 0, 0, out);
    else
        decode_codes(c, count, body, 0, 0, out);
}

static void decode_add(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum)
{
    (void)first;
    if (body.flags & GW_PAYLOAD_MERGED)
        decode_sums(c, count, body, 1, weight, sum);
    else
        decode_codes(c, count, body, 1, weight, sum);
}

/* Worst case without clipping and with a scale of its own: qsgd's with the max norm, s = 1. */
static double variance(const struct gw_codec *c)
{
    double d = (double)gw_max_size(c->site.count, 1);
    return (sqrt(d) - 1) / 2;
}

const struct gw_codec_row gw_row_terngrad = {
    .info = { "terngrad", "-1, 0 or +1 times a scale that the ranks agree on, at random",
              "Wen et al. 2017, TernGrad: Ternary Gradients to Reduce Communication", params,
              GW_UNBIASED | GW_SUMMABLE | GW_FIXED_SIZE },
    .wire_id = GW_WIRE_TERNGRAD,
    .own_bytes = sizeof(struct terngrad),
    .open = open_terngrad,
    .granule = granule,
    .bound = bound,
    .merged_bound = merged_bound,
    .prepare = prepare,
    .side_count = side_count,
    .propose = propose,
    .adopt = adopt,
    .encode = encode,
    .finds_nonfinite = 1,
    .check = check,
    .decode = decode,
    .decode_add = decode_add,
    .merge = merge,
    .variance = variance,
};
