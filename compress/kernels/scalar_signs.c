/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference kernels of signs, one bit each. */
#include "compress/kernels/scalar.h"

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
