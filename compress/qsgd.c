/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* qsgd: per bucket of elements a norm, per element a sign and a level 0..s of the norm, rounded at
 * random so that the expectation is the input. The max norm with fixed-width codes is the fast
 * and accurate form; l2 with Elias codes (qsgd_elias.c) is the paper's.
 *
 * Alistarh et al. 2017, QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding.
 *
 * A bucket's scale on the wire is norm / s, lowered where scale * s would overflow; a scale below
 * the least normal float makes the bucket zero. Body: the scales, then the packed codes. */
#include "compress/qsgd.h"

#include <math.h>

#include "compress/packed.h"

enum { BITS, LEVELS, BUCKET, NORM, ROUNDING, CODING };

const gw_param gw_qsgd_params[] = {
    [BITS] = { "bits", GW_PARAM_INTEGER, "4", 1, 8, NULL, "bits",
               "of a code: a sign and 2^(bits-1)-1 levels; 1 means one level, which takes 2" },
    [LEVELS] = { "levels", GW_PARAM_INTEGER, "0", 0, 32767, NULL, "",
                 "levels beside zero, instead of bits; packed at most 127; 0: from bits" },
    [BUCKET] = { "bucket", GW_PARAM_INTEGER, "256", GW_BUCKET_LEAST, GW_BUCKET_MOST, NULL,
                 "elements", "elements per scale, a power of two" },
    [NORM] = { "norm", GW_PARAM_NAME, "max", 0, 0, "max|l2", "", "what the levels divide" },
    [ROUNDING] = { "rounding", GW_PARAM_NAME, "stochastic", 0, 0, "stochastic|nearest", "",
                   "unbiased, or least error" },
    [CODING] = { "coding", GW_PARAM_NAME, "packed", 0, 0, "packed|elias|elias-dense|elias-compact",
                 "", "fixed width, or Elias codes: of non-zeros, of all, with signs of non-zeros" },
    { 0 },
};

static const struct gw_codec_row stochastic_row, nearest_row;

static gw_status open_qsgd(struct gw_codec *c, struct gw_error *error)
{
    struct gw_qsgd *own = c->own;
    const double *value = c->values.number;
    unsigned given = (unsigned)value[LEVELS], magnitude_bits = (unsigned)value[BITS] - 1;
    if (given)
        magnitude_bits = 32 - (unsigned)__builtin_clz(given);
    else if (!magnitude_bits)
        magnitude_bits = 1;
    own->levels = given ? (float)given : (float)((1u << magnitude_bits) - 1);
    own->bits = magnitude_bits + 1;
    own->l2 = value[NORM] != 0;
    own->nearest = value[ROUNDING] != 0;
    own->scale_limit = gw_bucket_scale_limit(own->levels);
    if (value[CODING] != 0) {
        own->form = (enum gw_elias_form)((int)value[CODING] - 1);
        c->row = own->nearest ? &gw_qsgd_elias_nearest_row : &gw_qsgd_elias_row;
    } else {
        if (own->bits > 8)
            return gw_fail(error, GW_ESPEC,
                           "qsgd: levels=%u with coding=packed, expected at most "
                           "127",
                           given);
        c->row = own->nearest ? &nearest_row : &stochastic_row;
    }
    gw_status s = gw_bucket_shift(&own->shift, "qsgd", value[BUCKET], error);
    return s || value[CODING] == 0 ? s : gw_qsgd_elias_open(c, error);
}

size_t gw_qsgd_granule(const struct gw_codec *c)
{
    const struct gw_qsgd *own = c->own;
    return gw_bucket_granule(own->shift);
}

static size_t scales_bytes(const struct gw_codec *c, size_t first, size_t count)
{
    const struct gw_qsgd *own = c->own;
    return 4 * gw_bucket_count(own->shift, first, count);
}

static size_t bound(const struct gw_codec *c, size_t first, size_t count)
{
    const struct gw_qsgd *own = c->own;
    return scales_bytes(c, first, count) + gw_packed_bytes(count, own->bits);
}

/* ---- scales ---- */

static float scale_of_norm(const struct gw_qsgd *own, double norm)
{
    double scale = norm / (double)own->levels;
    if (!isfinite(scale))
        return NAN;
    if (scale < (double)FLT_MIN)
        return 0;
    return scale < (double)own->scale_limit ? (float)scale : own->scale_limit;
}

static float scale_of(const struct gw_codec *c, struct gw_source source, size_t bucket)
{
    const struct gw_qsgd *own = c->own;
    size_t start = gw_bucket_start(own->shift, bucket), end = gw_bucket_end(c, own->shift, bucket);
    double norm = own->l2 ? sqrt(gw_bucket_sum_squares(c, source, start, end))
                          : (double)gw_bucket_max(c, source, start, end);
    return scale_of_norm(own, norm);
}

struct gw_qsgd_scales gw_qsgd_scales(const struct gw_codec *c, struct gw_source source,
                                     size_t first, uint8_t *body)
{
    const struct gw_qsgd *own = c->own;
    return (struct gw_qsgd_scales){
        .c = c, .source = source, .first = first, .bucket = first >> own->shift, .body = body
    };
}

static void put_scale(struct gw_qsgd_scales *scales, float scale)
{
    scales->spoiled |= !gw_is_finite(scale);
    gw_put_f32(scales->body + 4 * scales->done++, scale);
    scales->bucket++;
}

/* The quantizer of elements [begin, begin + count) whose scales are there. */
static struct gw_quantizer quantizer(struct gw_qsgd_scales *scales, size_t begin, size_t count)
{
    const struct gw_codec *c = scales->c;
    const struct gw_qsgd *own = c->own;
    size_t from = begin >> own->shift, to = (begin + count - 1) >> own->shift;
    const uint8_t *mine = scales->body + 4 * (from - (scales->first >> own->shift));
    for (size_t i = 0; i <= to - from; i++) {
        float scale = gw_get_f32(mine + 4 * i);
        gw_put_f32(scales->inverse + 4 * i, scale > 0 ? 1.0f / scale : 0);
    }
    return (struct gw_quantizer){
        .inverse = { scales->inverse, gw_bucket_offset(own->shift, begin), own->shift },
        .levels = own->levels,
        .bits = own->bits,
        .nearest = own->nearest,
        .key = c->key,
        .element = c->site.first + begin,
    };
}

struct gw_quantizer gw_qsgd_stride(struct gw_qsgd_scales *scales, size_t at, size_t count)
{
    const struct gw_qsgd *own = scales->c->own;
    size_t begin = scales->first + at, to = (begin + count - 1) >> own->shift;
    while (scales->bucket <= to)
        put_scale(scales, scale_of(scales->c, scales->source, scales->bucket));
    return quantizer(scales, begin, count);
}

/* The same with the maxima of the `buckets` at hand: of `count` elements, all of them whole. */
static struct gw_quantizer maxima_stride(struct gw_qsgd_scales *scales, size_t at, size_t count,
                                         const float *most, size_t buckets, float shrink)
{
    const struct gw_qsgd *own = scales->c->own;
    for (size_t i = 0; i < buckets; i++)
        put_scale(scales, scale_of_norm(own, (double)(most[i] * shrink)));
    return quantizer(scales, scales->first + at, count);
}

/* ---- packed codes ---- */

/* Elements per turn: small, so that what a turn reads stays in the first-level cache, and whole
 * buckets where a stride can hold them. */
static size_t turn_size(const struct gw_qsgd *own)
{
    return own->shift > GW_STRIDE_SHIFT ? GW_STRIDE : gw_max_size((size_t)1 << own->shift, GW_TURN);
}

/* The last thing that an encode does: values that are not finite make their bucket's scale so. */
static gw_status finish(const struct gw_codec *c, int spoiled, size_t first, size_t count,
                        struct gw_error *error)
{
    return spoiled ? gw_codec_check_range(c, first, count, error) : GW_OK;
}

static gw_status encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error)
{
    const struct gw_qsgd *own = c->own;
    const struct gw_source source = { c->input, NULL, 0, 0 };
    struct gw_qsgd_scales walk = gw_qsgd_scales(c, source, first, body);
    uint8_t *codes = body + scales_bytes(c, first, count);
    size_t stride = turn_size(own);
    for (size_t at = 0; at < count; at += stride, codes += stride / 8 * own->bits) {
        size_t n = gw_min_size(stride, count - at);
        const gw_f32 *x = c->input + first + at;
        struct gw_quantizer q = gw_qsgd_stride(&walk, at, n);
        q.ahead[0] = q.ahead[1] = x + stride;
        c->kernels->quantize(&q, x, n, codes);
    }
    *written = bound(c, first, count);
    return finish(c, walk.spoiled, first, count, error);
}

/* Encode input + state and leave what was not sent. */
struct turn {
    const struct gw_codec *c;
    const struct gw_feedback *feedback;
    struct gw_qsgd_scales walk;
    struct gw_rest rest; /* of the range's start */
    int spoiled;         /* an input is not finite, or a sum too large */
};

/* The sum in `next`, cut to what floats can say, and the scales of it or of parts of buckets. */
static void encode_sum(struct turn *t, size_t first, size_t at, size_t n, uint8_t *codes)
{
    const struct gw_codec *c = t->c;
    gw_f32 *next = t->feedback->next + first + at;
    t->spoiled |= gw_bucket_add_state(c, t->feedback->state, first + at, n, next);
    struct gw_quantizer q = gw_qsgd_stride(&t->walk, at, n);
    struct gw_rest rest = gw_rest_from(t->rest, at);
    rest.state = NULL;
    rest.stream = 0;
    c->kernels->quantize_rest(&q, &rest, next, n, codes);
}

/* One pass over memory: the sum is made once for the scales and, in the first-level cache by then,
 * once for the codes. Returns 0, and has done nothing, if a sum is not finite. */
static int encode_once(struct turn *t, size_t first, size_t at, size_t n, uint8_t *codes)
{
    const struct gw_codec *c = t->c;
    const struct gw_qsgd *own = c->own;
    const gw_f32 *x = c->input + first + at, *state = t->feedback->state + first + at;
    float most[GW_STRIDE_SCALES];
    size_t size = (size_t)1 << own->shift, buckets = 0;
    for (size_t i = 0; i < n; i += size) {
        most[buckets] = c->kernels->sum_max(x + i, state + i, gw_min_size(size, n - i));
        if (!gw_is_finite(most[buckets++]))
            return 0;
    }
    struct gw_quantizer q = maxima_stride(&t->walk, at, n, most, buckets, t->feedback->shrink);
    struct gw_rest rest = gw_rest_from(t->rest, at);
    q.ahead[0] = x + n;
    q.ahead[1] = state + n;
    c->kernels->quantize_rest(&q, &rest, x, n, codes);
    return 1;
}

static int encode_ranges(const struct gw_codec *c, const struct gw_feedback *f, size_t first,
                         size_t count, uint8_t *body)
{
    const struct gw_qsgd *own = c->own;
    int whole = gw_bucket_whole(c, own->shift, first, count);
    struct turn t = { .c = c, .feedback = f };
    t.walk = gw_qsgd_scales(c, (struct gw_source){ c->input, f->state, 0, f->shrink }, first, body);
    t.rest = (struct gw_rest){ f->state + first,
                               { body, gw_bucket_offset(own->shift, first), own->shift },
                               f->shrink,
                               f->next + first,
                               gw_bucket_streams(c) };
    uint8_t *codes = body + scales_bytes(c, first, count);
    size_t stride = whole ? turn_size(own) : GW_STRIDE;
    for (size_t at = 0; at < count; at += stride, codes += stride / 8 * own->bits) {
        size_t n = gw_min_size(stride, count - at);
        if (!whole || own->l2 || !encode_once(&t, first, at, n, codes))
            encode_sum(&t, first, at, n, codes);
    }
    return t.spoiled;
}

static gw_status encode_feedback(struct gw_codec *c, const struct gw_feedback *feedback,
                                 size_t first, size_t count, uint8_t *body, size_t *written,
                                 struct gw_error *error)
{
    int spoiled = encode_ranges(c, feedback, first, count, body);
    *written = bound(c, first, count);
    return finish(c, spoiled, first, count, error);
}

/* Codes may exceed the levels only where those are not all that the bits can say. */
static gw_status check_codes(const struct gw_codec *c, const uint8_t *codes, size_t count,
                             struct gw_error *error)
{
    const struct gw_qsgd *own = c->own;
    unsigned most = (1u << (own->bits - 1)) - 1, levels = (unsigned)own->levels;
    if (levels == most)
        return GW_OK;
    uint8_t group[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, codes += GW_GROUP / 8 * own->bits) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        c->kernels->unpack(codes, n, own->bits, group);
        for (size_t i = 0; i < n; i++)
            if ((group[i] & most) > levels)
                return gw_fail(error, GW_EPAYLOAD,
                               "tensor '%s': code %zu of the payload is level %u of %u",
                               c->site.tensor, at + i, group[i] & most, levels);
    }
    return GW_OK;
}

static gw_status check(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       struct gw_error *error)
{
    const struct gw_qsgd *own = c->own;
    gw_status s = gw_bucket_check_size(c, body.length, bound(c, first, count), error);
    if (!s)
        s = gw_bucket_check_scales(c, body.bytes, gw_bucket_count(own->shift, first, count),
                                   own->scale_limit, error);
    return s ? s : check_codes(c, body.bytes + scales_bytes(c, first, count), count, error);
}

static void decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out)
{
    const struct gw_qsgd *own = c->own;
    struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    const uint8_t *codes = body.bytes + scales_bytes(c, first, count);
    c->kernels->dequantize(codes, count, own->bits, &scales, out, gw_bucket_streams(c));
}

static void decode_add(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum)
{
    const struct gw_qsgd *own = c->own;
    struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    c->kernels->dequantize_add(body.bytes + scales_bytes(c, first, count), count, own->bits,
                               &scales, weight, sum);
}

/* l2: the paper's lemma 3.1. max: with the largest element exact and d - 1 others at fraction f of
 * the first step, the error is k f (1-f) / (1 + k f^2) of the energy, k = (d-1) / s^2; this is its
 * maximum over f. */
double gw_qsgd_variance(const struct gw_codec *c)
{
    const struct gw_qsgd *own = c->own;
    double s = (double)own->levels;
    double d = (double)gw_min_size((size_t)1 << own->shift, gw_max_size(c->site.count, 1));
    if (own->l2)
        return fmin(d / (s * s), sqrt(d) / s);
    return (sqrt(1 + (d - 1) / (s * s)) - 1) / 2;
}

#define QSGD_INFO(traits_of_row)                                                                   \
    {                                                                                              \
        "qsgd", "sign and level of each element, rounded at random, scaled per bucket",            \
            "Alistarh et al. 2017, QSGD", gw_qsgd_params, traits_of_row                            \
    }

#define QSGD_PACKED                                                                                \
    .wire_id = GW_WIRE_QSGD, .own_bytes = sizeof(struct gw_qsgd), .open = open_qsgd,               \
    .granule = gw_qsgd_granule, .bound = bound, .encode = encode,                                  \
    .encode_feedback = encode_feedback, .finds_nonfinite = 1, .check = check, .decode = decode,    \
    .decode_add = decode_add

/* What the table shows; open puts the row of the values' traits in its place. */
const struct gw_codec_row gw_row_qsgd = {
    .info = QSGD_INFO(GW_UNBIASED),
    QSGD_PACKED,
    .variance = gw_qsgd_variance,
};

static const struct gw_codec_row stochastic_row = {
    .info = QSGD_INFO(GW_UNBIASED | GW_FIXED_SIZE),
    QSGD_PACKED,
    .variance = gw_qsgd_variance,
};

static const struct gw_codec_row nearest_row = {
    .info = QSGD_INFO(GW_WANTS_EF | GW_FIXED_SIZE),
    QSGD_PACKED,
};
