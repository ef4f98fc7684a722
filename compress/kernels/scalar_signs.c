/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference kernels of signs, one bit each. */
#include "compress/kernels/scalar.h"

#include <float.h>

static double sum_doubles(const gw_f32 *x, size_t count)
{
    double lanes[16] = { 0 };
    for (size_t i = 0; i < count; i++)
        lanes[i % 16] += (double)__builtin_fabsf(x[i]);
    return gw_sum_lanes(lanes);
}

/* At most a group. */
static double sum_group(const gw_f32 *x, size_t count)
{
    float lanes[32] = { 0 };
    double wide[16];
    for (size_t i = 0; i < count; i++)
        lanes[i % 32] += __builtin_fabsf(x[i]);
    for (int l = 0; l < 16; l++)
        wide[l] = (double)lanes[l] + (double)lanes[l + 16];
    double sum = gw_sum_lanes(wide);
    return sum <= DBL_MAX ? sum : sum_doubles(x, count);
}

double gw_scalar_sum_abs(const gw_f32 *x, size_t count)
{
    double sum = 0;
    for (size_t at = 0; at < count; at += GW_GROUP)
        sum += sum_group(x + at, gw_min_size(GW_GROUP, count - at));
    return sum;
}

size_t gw_scalar_sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
{
    double lanes[2][16] = { { 0 } };
    size_t negatives = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned negative = gw_float_bits(x[i]) >> 31;
        negatives += negative;
        lanes[negative][i % 16] += (double)x[i];
    }
    sums[0] = gw_sum_lanes(lanes[0]);
    sums[1] = gw_sum_lanes(lanes[1]);
    return negatives;
}

void gw_scalar_pack_signs(const gw_f32 *x, size_t count, uint8_t *out)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, out += GW_GROUP / 8) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        for (size_t i = 0; i < n; i++)
            codes[i] = (uint8_t)(gw_float_bits(x[at + i]) >> 31);
        gw_scalar_pack(codes, n, 1, out);
    }
}

double gw_scalar_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                uint8_t *out)
{
    (void)ahead;
    gw_scalar_pack_signs(x, count, out);
    return gw_scalar_sum_abs(x, count);
}

size_t gw_scalar_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                 uint8_t *out, double sums[2])
{
    (void)ahead;
    size_t negatives = 0;
    sums[0] = sums[1] = 0;
    gw_scalar_pack_signs(x, count, out);
    for (size_t at = 0; at < count; at += GW_GROUP) {
        double part[2];
        negatives += gw_scalar_sum_by_sign(x + at, gw_min_size(GW_GROUP, count - at), part);
        sums[0] += part[0];
        sums[1] += part[1];
    }
    return negatives;
}

double gw_scalar_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                               uint8_t *codes)
{
    gw_scalar_add_to(out, a, b, count);
    return gw_scalar_pack_signs_abs(out, count, NULL, codes);
}

void gw_scalar_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                                const gw_f32 *const ahead[2], int stream)
{
    (void)ahead;
    (void)stream;
    for (size_t i = 0; i < count; i++)
        out[i] = x[i] - values[gw_float_bits(x[i]) >> 31];
}

void gw_scalar_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                            const struct gw_scales *set, gw_f32 *out)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += GW_GROUP / 8) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        gw_scalar_unpack(in, n, 1, codes);
        for (size_t i = 0; i < n; i++)
            out[at + i] = gw_scale_at(codes[i] ? set : clear, at + i);
    }
}

void gw_scalar_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                const struct gw_scales *set, float weight, gw_f32 *sum)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += GW_GROUP / 8) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        gw_scalar_unpack(in, n, 1, codes);
        for (size_t i = 0; i < n; i++)
            sum[at + i] += weight * gw_scale_at(codes[i] ? set : clear, at + i);
    }
}
