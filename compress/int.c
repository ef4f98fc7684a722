/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* int: integers on scales that all ranks agree on by maximum before they encode, so that payloads
 * add up as integers, on any path, and are decoded once. Mishchenko et al. 2021 (IntSGD); Sapio et
 * al. 2021 (SwitchML).
 *
 * A code is rounded first and then clipped to floor((2^(bits-1) - 1) / ranks): clipped before, n
 * codes rounded up could exceed what the integer holds.
 *
 * Body: the steps of the buckets that the range touches as f32, then one integer of `bits` per
 * element; value = code * step. */
#include "compress/kernels/table.h"
#include "compress/rows.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { BITS, BUCKET, ROUNDING };

struct ints {
    size_t code_bytes, bucket; /* bucket: elements, at least 1 */
    int64_t top, limit;        /* largest code of a sum, and of one rank */
    size_t buckets;
    float *largest; /* magnitude per bucket: of this rank, then of all */
};

static const struct gw_codec_row nearest_row;

static size_t bucket_count(const struct gw_codec *c)
{
    const struct ints *own = c->own;
    return gw_divide_up(c->site.count, own->bucket);
}

static gw_status int_open(struct gw_codec *c, struct gw_error *error)
{
    struct ints *own = c->own;
    int bits = 8 << (int)c->values.number[BITS];
    /* What an owner sends back is not summed again. */
    int summed = c->site.stage == 0 && c->site.ranks > 1 ? c->site.ranks : 1;
    own->code_bytes = (size_t)bits / 8;
    own->top = ((int64_t)1 << (bits - 1)) - 1;
    own->limit = own->top / summed;
    if (own->limit < 1)
        return gw_fail(error, GW_ENOTSUP,
                       "int: the sum of %d ranks does not fit %d bits; use more bits", summed,
                       bits);
    own->bucket = (size_t)c->values.number[BUCKET];
    if (own->bucket == 0)
        own->bucket = gw_max_size(c->site.count, 1);
    own->buckets = bucket_count(c);
    own->largest = calloc(gw_max_size(own->buckets, 1), sizeof(float));
    if (!own->largest)
        return gw_fail(error, GW_ENOMEM, "out of memory for the %zu scales of tensor '%s'",
                       own->buckets, c->site.tensor);
    if (c->values.number[ROUNDING] != 0)
        c->row = &nearest_row;
    c->reads_unit = 0; /* prepare finds what is not finite itself */
    return GW_OK;
}

static void int_close(struct gw_codec *c)
{
    free(((struct ints *)c->own)->largest);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Buckets that a range touches. */
static size_t touched(const struct ints *own, size_t first, size_t count)
{
    return count ? (first + count - 1) / own->bucket - first / own->bucket + 1 : 0;
}

static size_t int_bound(const struct gw_codec *c, size_t first, size_t count)
{
    const struct ints *own = c->own;
    return touched(own, first, count) * sizeof(float) + count * own->code_bytes;
}

static size_t int_granule(const struct gw_codec *c)
{
    return c->values.number[BUCKET] != 0 ? ((const struct ints *)c->own)->bucket : 1;
}

/* Elements of the bucket of `element` that lie before `end`. */
static size_t run_length(const struct ints *own, size_t element, size_t end)
{
    return gw_min_size(own->bucket - element % own->bucket, end - element);
}

/* ---- scales ---------------------------------------------------------------------------------- */

static gw_status int_prepare(struct gw_codec *c, struct gw_error *error)
{
    struct ints *own = c->own;
    int finite = 1;
    for (size_t b = 0; b < own->buckets; b++) {
        size_t first = b * own->bucket;
        own->largest[b] =
            c->kernels->max_abs(c->input + first, run_length(own, first, c->site.count));
        finite &= gw_is_finite(own->largest[b]);
    }
    return finite ? GW_OK : gw_codec_check_range(c, 0, c->site.count, error);
}

static size_t int_side_count(const struct gw_codec *c)
{
    return ((const struct ints *)c->own)->buckets;
}

static void int_propose(struct gw_codec *c, float *side)
{
    const struct ints *own = c->own;
    for (size_t b = 0; b < own->buckets; b++)
        side[b] = own->largest[b];
}

static gw_status int_adopt(struct gw_codec *c, const float *side, struct gw_error *error)
{
    struct ints *own = c->own;
    for (size_t b = 0; b < own->buckets; b++)
        if (c->site.nonfinite != GW_NONFINITE_PASS && !(side[b] >= 0 && side[b] <= FLT_MAX))
            return gw_fail(error, GW_EPAYLOAD,
                           "int: the agreed scale of bucket %zu of tensor '%s' is %g", b,
                           c->site.tensor, (double)side[b]);
    for (size_t b = 0; b < own->buckets; b++)
        own->largest[b] = side[b];
    return GW_OK;
}

/* The largest step whose product with every code is finite. */
static float largest_step(const struct ints *own)
{
    float step = FLT_MAX / (float)own->top;
    while (!gw_is_finite(step * (float)own->top))
        step = gw_bits_float(gw_float_bits(step) - 1);
    return step;
}

/* 0 where all is zero or too small to divide by. */
static float step_of(const struct ints *own, size_t bucket)
{
    float step = (float)((double)own->largest[bucket] / (double)own->limit);
    float most = largest_step(own);
    if (step > most && gw_is_finite(own->largest[bucket]))
        return most;
    return step < FLT_MIN ? 0 : step;
}

/* ---- encode ---------------------------------------------------------------------------------- */

static void put_code(uint8_t *at, size_t code_bytes, int64_t code)
{
    if (code_bytes == 1)
        *at = (uint8_t)code;
    else if (code_bytes == 2)
        gw_put_u16(at, (uint16_t)code);
    else
        gw_put_u32(at, (uint32_t)code);
}

static int64_t get_code(const uint8_t *at, size_t code_bytes)
{
    if (code_bytes == 1)
        return (int8_t)*at;
    return code_bytes == 2 ? (int16_t)gw_get_u16(at) : (int32_t)gw_get_u32(at);
}

/* One wide code, rounded and clipped; a NaN becomes the lowest. */
static int64_t round_code(const struct gw_codec *c, double v, uint64_t element)
{
    const struct ints *own = c->own;
    double limit = (double)own->limit;
    if (!(v > -limit))
        return -own->limit;
    if (v >= limit)
        return own->limit;
    if (c->values.number[ROUNDING] != 0)
        return __builtin_lrint(v);
    /* Shifted to be positive, so that truncation is floor. */
    double u = ((double)gw_random_u16(c->key, element) + 0.5) / 65536;
    return (int64_t)(v + u + limit) - own->limit;
}

static void put_wide(const struct gw_codec *c, size_t first, size_t count, float step, uint8_t *out)
{
    const struct ints *own = c->own;
    const gw_f32 *x = c->input + first;
    double inverse = step > 0 ? 1 / (double)step : 0;
    for (size_t i = 0; i < count; i++, out += own->code_bytes)
        put_code(out, own->code_bytes,
                 round_code(c, (double)x[i] * inverse, c->site.first + first + i));
}

/* Sign and magnitude to two's complement. Loops over whole blocks have a fixed length, whatever of
 * the block there is: so compilers turn them into vectors. */
static void complement(uint8_t codes[GW_GROUP])
{
    for (int i = 0; i < GW_GROUP; i++) {
        uint8_t sign = codes[i] >> 7, magnitude = codes[i] & 127;
        codes[i] = (uint8_t)((magnitude ^ (uint8_t)(0 - sign)) + sign);
    }
}

/* Bytes through the kernel of the packed codecs: sign and magnitude, then two's complement. */
static void put_bytes(const struct gw_codec *c, size_t first, size_t count, float step,
                      uint8_t *out)
{
    const struct ints *own = c->own;
    uint8_t inverse[4], packed[GW_GROUP], codes[GW_GROUP] = { 0 };
    const gw_f32 *x = c->input + first;
    gw_put_f32(inverse, step > 0 ? 1 / step : 0);
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        const struct gw_quantizer q = { .inverse = { inverse, 0, GW_WHOLE },
                                        .levels = (float)own->limit,
                                        .bits = 8,
                                        .nearest = c->values.number[ROUNDING] != 0,
                                        .key = c->key,
                                        .element = c->site.first + first + at,
                                        .ahead = { x + at + GW_GROUP, x + at + GW_GROUP } };
        c->kernels->quantize(&q, x + at, n, packed);
        c->kernels->unpack(packed, n, 8, codes);
        complement(codes);
        memcpy(out + at, codes, n);
    }
}

static void put_run(const struct gw_codec *c, size_t first, size_t count, float step, uint8_t *out)
{
    if (((const struct ints *)c->own)->code_bytes == 1)
        put_bytes(c, first, count, step, out);
    else
        put_wide(c, first, count, step, out);
}

static gw_status int_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                            size_t *written, struct gw_error *error)
{
    (void)error;
    const struct ints *own = c->own;
    uint8_t *step_at = body, *codes = body + touched(own, first, count) * sizeof(float);
    for (size_t at = first, end = first + count; at < end;) {
        size_t n = run_length(own, at, end);
        float step = step_of(own, at / own->bucket);
        gw_put_f32(step_at, step);
        put_run(c, at, n, step, codes);
        step_at += sizeof(float);
        codes += n * own->code_bytes;
        at += n;
    }
    *written = (size_t)(codes - body);
    return GW_OK;
}

/* ---- decode ---------------------------------------------------------------------------------- */

/* Blocks of codes as they lie in memory, which is as on the wire. */
union block {
    uint8_t bytes[4 * GW_GROUP];
    int8_t narrow[GW_GROUP];
    int16_t middle[GW_GROUP];
    int32_t wide[GW_GROUP];
};

/* True if a code is beyond the limit on either side. */
static int block_exceeds(const union block *codes, size_t code_bytes, int64_t most)
{
    int32_t limit = (int32_t)most, beyond = 0;
    if (code_bytes == 1)
        for (int i = 0; i < GW_GROUP; i++)
            beyond |= (codes->narrow[i] > limit) | (codes->narrow[i] < -limit);
    else if (code_bytes == 2)
        for (int i = 0; i < GW_GROUP; i++)
            beyond |= (codes->middle[i] > limit) | (codes->middle[i] < -limit);
    else
        for (int i = 0; i < GW_GROUP; i++)
            beyond |= (codes->wide[i] > limit) | (codes->wide[i] < -limit);
    return beyond;
}

static gw_status check_codes(const struct gw_codec *c, const uint8_t *codes, size_t count,
                             int64_t limit, struct gw_error *error)
{
    size_t code_bytes = ((const struct ints *)c->own)->code_bytes;
    union block block = { { 0 } };
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        memcpy(block.bytes, codes + at * code_bytes, n * code_bytes);
        if (!block_exceeds(&block, code_bytes, limit))
            continue;
        for (size_t i = at; i < at + n; i++) {
            int64_t code = get_code(codes + i * code_bytes, code_bytes);
            if (code > limit || code < -limit)
                return gw_fail(error, GW_EPAYLOAD, "int: code %zu is %lld, beyond %lld", i,
                               (long long)code, (long long)limit);
        }
    }
    return GW_OK;
}

static gw_status int_check(const struct gw_codec *c, size_t first, size_t count,
                           struct gw_body body, struct gw_error *error)
{
    const struct ints *own = c->own;
    size_t expected = int_bound(c, first, count), steps = touched(own, first, count);
    if (body.length != expected)
        return gw_fail(error, GW_EPAYLOAD, "int: the body has %zu bytes, expected %zu", body.length,
                       expected);
    for (size_t b = 0; b < steps && c->site.nonfinite != GW_NONFINITE_PASS; b++) {
        float step = gw_get_f32(body.bytes + b * sizeof(float));
        if (!(step >= 0 && step <= largest_step(own)))
            return gw_fail(error, GW_EPAYLOAD, "int: scale %zu of the payload is %g", b,
                           (double)step);
    }
    int64_t limit = body.flags & GW_PAYLOAD_MERGED ? own->top : own->limit;
    return check_codes(c, body.bytes + steps * sizeof(float), count, limit, error);
}

static void scale_block(const union block *restrict codes, size_t code_bytes, float step,
                        float *restrict values)
{
    if (code_bytes == 1)
        for (int i = 0; i < GW_GROUP; i++)
            values[i] = (float)codes->narrow[i] * step;
    else if (code_bytes == 2)
        for (int i = 0; i < GW_GROUP; i++)
            values[i] = (float)codes->middle[i] * step;
    else
        for (int i = 0; i < GW_GROUP; i++)
            values[i] = (float)codes->wide[i] * step;
}

/* Elements of one bucket. Stores if `add` is 0. */
static void decode_run(const struct gw_codec *c, const uint8_t *codes, size_t count, float step,
                       int add, float weight, gw_f32 *out)
{
    size_t code_bytes = ((const struct ints *)c->own)->code_bytes;
    union block block = { { 0 } };
    float values[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        memcpy(block.bytes, codes + at * code_bytes, n * code_bytes);
        scale_block(&block, code_bytes, step, values);
        if (add)
            c->kernels->add_scaled(out + at, (const gw_f32 *)values, weight, n);
        else
            memcpy(out + at, values, n * sizeof(float));
    }
}

static void decode_runs(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                        int add, float weight, gw_f32 *out)
{
    const struct ints *own = c->own;
    const uint8_t *step_at = body.bytes;
    const uint8_t *codes = body.bytes + touched(own, first, count) * sizeof(float);
    for (size_t at = first, end = first + count, n; at < end; at += n) {
        n = run_length(own, at, end);
        decode_run(c, codes, n, gw_get_f32(step_at), add, weight, out + (at - first));
        step_at += sizeof(float);
        codes += n * own->code_bytes;
    }
}

static void int_decode_add(const struct gw_codec *c, size_t first, size_t count,
                           struct gw_body body, float weight, gw_f32 *sum)
{
    decode_runs(c, first, count, body, 1, weight, sum);
}

static void int_decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       gw_f32 *out)
{
    decode_runs(c, first, count, body, 0, 0, out);
}

/* Sums of all codes of two words at once: without their top bits, so that nothing carries into the
 * neighbour, and those by xor. */
static uint64_t add_codes(uint64_t a, uint64_t b, uint64_t tops)
{
    return ((a & ~tops) + (b & ~tops)) ^ ((a ^ b) & tops);
}

static void add_body(uint8_t *sum, const uint8_t *codes, size_t bytes, uint64_t tops)
{
    size_t at = 0;
    for (; at + 8 <= bytes; at += 8)
        gw_put_u64(sum + at, add_codes(gw_get_u64(sum + at), gw_get_u64(codes + at), tops));
    uint8_t a[8] = { 0 }, b[8] = { 0 };
    memcpy(a, sum + at, bytes - at);
    memcpy(b, codes + at, bytes - at);
    gw_put_u64(a, add_codes(gw_get_u64(a), gw_get_u64(b), tops));
    memcpy(sum + at, a, bytes - at);
}

/* Checked codes of at most `ranks` bodies cannot overflow. */
static void int_merge(struct gw_codec *c, size_t first, size_t count, const struct gw_body *bodies,
                      int n, uint8_t *body, size_t *written)
{
    static const uint64_t tops[5] = { 0, 0x8080808080808080u, 0x8000800080008000u, 0,
                                      0x8000000080000000u };
    const struct ints *own = c->own;
    size_t head = touched(own, first, count) * sizeof(float);
    *written = int_bound(c, first, count);
    if (count == 0)
        return;
    memcpy(body, bodies[0].bytes, *written);
    for (int r = 1; r < n; r++)
        add_body(body + head, bodies[r].bytes + head, *written - head, tops[own->code_bytes]);
}

/* Where this rank's maximum is the agreed one: that element is exact, and d - 1 others at fraction
 * f of a step cost the more the smaller they are; this is the most, over all f. */
static double int_variance(const struct gw_codec *c)
{
    const struct ints *own = c->own;
    double others = (double)gw_min_size(own->bucket, gw_max_size(c->site.count, 1)) - 1;
    return (sqrt(1 + others / ((double)own->limit * (double)own->limit)) - 1) / 2;
}

static const gw_param params[] = {
    { "bits", GW_PARAM_NAME, "8", 0, 0, "8|16|32", "bits", "of an integer, and of the sum" },
    { "bucket", GW_PARAM_INTEGER, "1024", 0, 16777216, NULL, "elements",
      "that share a scale; 0: all of a tensor" },
    { "rounding", GW_PARAM_NAME, "stochastic", 0, 0, "stochastic|nearest", "",
      "to integers; stochastic is unbiased" },
    { NULL },
};

#define INT_ROW(extra_traits)                                                                      \
    .info = { .name = "int",                                                                       \
              .sentence = "integers on a scale that all ranks agree on; summable",                 \
              .paper = "Mishchenko et al. 2021, arXiv:2102.08374",                                 \
              .params = params,                                                                    \
              .traits = GW_SUMMABLE | GW_FIXED_SIZE | (extra_traits) },                            \
    .wire_id = GW_WIRE_INT, .own_bytes = sizeof(struct ints), .open = int_open,                    \
    .close = int_close, .granule = int_granule, .bound = int_bound, .merged_bound = int_bound,     \
    .prepare = int_prepare, .side_count = int_side_count, .propose = int_propose,                  \
    .adopt = int_adopt, .encode = int_encode, .finds_nonfinite = 1, .check = int_check,            \
    .decode = int_decode, .decode_add = int_decode_add, .merge = int_merge

const struct gw_codec_row gw_row_int = { INT_ROW(GW_UNBIASED), .variance = int_variance };

static const struct gw_codec_row nearest_row = { INT_ROW(0) };
