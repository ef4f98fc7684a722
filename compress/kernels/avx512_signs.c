/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Signs, one bit each, with AVX-512: a group of 512 is one row of 16 words. */
#include "compress/kernels/avx512.h"

size_t gw_avx512_sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
{
    __m512d plus[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    __m512d minus[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    size_t at = 0, negatives = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i bits = load_bits(x + at), sign = _mm512_set1_epi32((int)0x80000000u);
        unsigned negative = _mm512_test_epi32_mask(bits, sign);
        negatives += (size_t)__builtin_popcount(negative);
        for (int k = 0; k < 2; k++) {
            __mmask8 mask = (__mmask8)(negative >> (8 * k));
            __m512d v = eight_doubles(x + at + 8 * k);
            plus[k] = _mm512_mask_add_pd(plus[k], (__mmask8)~mask, plus[k], v);
            minus[k] = _mm512_mask_add_pd(minus[k], mask, minus[k], v);
        }
    }
    double lanes[2][16];
    for (int k = 0; k < 2; k++) {
        _mm512_storeu_pd(lanes[0] + 8 * k, plus[k]);
        _mm512_storeu_pd(lanes[1] + 8 * k, minus[k]);
    }
    for (size_t i = at; i < count; i++) {
        unsigned negative = gw_float_bits(x[i]) >> 31;
        negatives += negative;
        lanes[negative][i % 16] += (double)x[i];
    }
    sums[0] = gw_sum_lanes(lanes[0]);
    sums[1] = gw_sum_lanes(lanes[1]);
    return negatives;
}

void gw_avx512_pack_signs(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m512i top = _mm512_set1_epi32((int)0x80000000u);
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP, out += GW_GROUP / 8) {
        __m512i signs = _mm512_setzero_si512();
        for (int step = 0; step < STEPS; step++)
            signs = _mm512_or_si512(_mm512_srli_epi32(signs, 1),
                                    _mm512_and_si512(load_bits(x + 16 * step), top));
        _mm512_storeu_si512(out, signs);
    }
    gw_kernels_scalar.pack_signs(x, count, out);
}

INLINE size_t unpack_sign_groups(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                 const struct gw_scales *set, int add, float weight, gw_f32 *out)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    if (clear->offset % 16)
        return 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, in += GW_GROUP / 8) {
        __m512i signs = load_bits(in), bit = _mm512_set1_epi32(1);
        for (size_t i = at; i < at + GW_GROUP; i += 16) {
            __mmask16 negative = _mm512_test_epi32_mask(signs, bit);
            put_values(out + i,
                       _mm512_mask_blend_ps(negative, row_scale(clear, i), row_scale(set, i)), add,
                       w);
            bit = _mm512_add_epi32(bit, bit);
        }
    }
    return at;
}

void gw_avx512_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                            const struct gw_scales *set, gw_f32 *out)
{
    size_t done = unpack_sign_groups(in, count, clear, set, 0, 0, out);
    struct gw_scales c = gw_scales_from(*clear, done), s = gw_scales_from(*set, done);
    gw_kernels_scalar.unpack_signs(in + done / 8, count - done, &c, &s, out + done);
}

void gw_avx512_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                const struct gw_scales *set, float weight, gw_f32 *sum)
{
    size_t done = unpack_sign_groups(in, count, clear, set, 1, weight, sum);
    struct gw_scales c = gw_scales_from(*clear, done), s = gw_scales_from(*set, done);
    gw_kernels_scalar.unpack_signs_add(in + done / 8, count - done, &c, &s, weight, sum + done);
}
