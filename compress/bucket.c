/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Buckets: reductions over them, and checks of the scales that describe them. */
#include "compress/bucket.h"

#include <math.h>

gw_status gw_bucket_shift(unsigned *shift, const char *codec, double bucket, struct gw_error *error)
{
    if (bucket == 0) {
        *shift = GW_WHOLE;
        return GW_OK;
    }
    uint32_t size = (uint32_t)bucket;
    if (size < GW_BUCKET_LEAST || size > GW_BUCKET_MOST || (size & (size - 1)) != 0)
        return gw_fail(error, GW_ESPEC, "%s: bucket=%.0f is not a power of two from %d to %d",
                       codec, bucket, GW_BUCKET_LEAST, GW_BUCKET_MOST);
    *shift = (unsigned)__builtin_ctz(size);
    return GW_OK;
}

int gw_bucket_add_state(const struct gw_codec *c, const gw_f32 *state, size_t first, size_t count,
                        gw_f32 *out)
{
    float most = c->kernels->add_max(out, c->input + first, state + first, count);
    if (gw_is_finite(most) || c->site.nonfinite == GW_NONFINITE_PASS)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!gw_is_finite(out[i]))
            out[i] = copysignf(FLT_MAX, out[i]);
    return 1;
}

const gw_f32 *gw_bucket_piece(const struct gw_codec *c, struct gw_source source, size_t first,
                              size_t count, gw_f32 *buffer)
{
    const gw_f32 *x = source.input + (first - source.origin);
    if (source.state) {
        gw_bucket_add_state(c, source.state, first, count, buffer);
        x = buffer;
    }
    if (source.shrink == 0)
        return x;
    for (size_t i = 0; i < count; i++)
        buffer[i] = x[i] * source.shrink;
    return buffer;
}

float gw_bucket_max(const struct gw_codec *c, struct gw_source source, size_t start, size_t end)
{
    gw_f32 buffer[GW_GROUP];
    uint32_t most = 0;
    float shrink = source.shrink; /* rounding keeps the order: of the maximum will do */
    source.shrink = 0;
    for (size_t at = start; at < end; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, end - at);
        uint32_t m =
            gw_float_bits(c->kernels->max_abs(gw_bucket_piece(c, source, at, n, buffer), n));
        most = m > most ? m : most;
    }
    return gw_bits_float(most) * (shrink != 0 ? shrink : 1);
}

double gw_bucket_sum_abs(const struct gw_codec *c, struct gw_source source, size_t start,
                         size_t end)
{
    gw_f32 buffer[GW_GROUP];
    double sum = 0;
    for (size_t at = start; at < end; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, end - at);
        sum += c->kernels->sum_abs(gw_bucket_piece(c, source, at, n, buffer), n);
    }
    return sum;
}

double gw_bucket_sum_squares(const struct gw_codec *c, struct gw_source source, size_t start,
                             size_t end)
{
    gw_f32 buffer[GW_GROUP];
    double sum = 0;
    for (size_t at = start; at < end; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, end - at);
        sum += c->kernels->sum_squares(gw_bucket_piece(c, source, at, n, buffer), n);
    }
    return sum;
}

gw_status gw_bucket_check_scales(const struct gw_codec *c, const uint8_t *scales, size_t count,
                                 float most, struct gw_error *error)
{
    int pass = c->site.nonfinite == GW_NONFINITE_PASS;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = gw_get_u32(scales + 4 * i);
        if (bits <= gw_float_bits(most) || (pass && (bits & 0x7f800000u) == 0x7f800000u))
            continue;
        return gw_fail(error, GW_EPAYLOAD,
                       "tensor '%s': scale %zu of the payload is %g, expected "
                       "0 to %g",
                       c->site.tensor, i, (double)gw_bits_float(bits), (double)most);
    }
    return GW_OK;
}

gw_status gw_bucket_check_size(const struct gw_codec *c, size_t length, size_t expected,
                               struct gw_error *error)
{
    if (length == expected)
        return GW_OK;
    return gw_fail(error, GW_EPAYLOAD,
                   "tensor '%s': the payload's body has %zu bytes, expected %zu", c->site.tensor,
                   length, expected);
}

float gw_bucket_scale_limit(float factor)
{
    float limit = FLT_MAX / factor;
    while (!gw_is_finite(limit * factor))
        limit = nextafterf(limit, 0);
    return limit;
}
