/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Signs, one bit each, with AVX2: a group of 512 is one row of 16 words. */
#include "compress/kernels/avx2.h"

/* The other side of each element adds +0, which changes no sum that began with +0. */
size_t gw_avx2_sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
{
    __m256d plus[4] = { 0 }, minus[4] = { 0 };
    size_t at = 0, negatives = 0;
    for (; at + 16 <= count; at += 16)
        for (int k = 0; k < 4; k++) {
            __m256d v = four_doubles(x + at + 4 * k), zero = _mm256_setzero_pd();
            negatives += (size_t)__builtin_popcount((unsigned)_mm256_movemask_pd(v));
            plus[k] = _mm256_add_pd(plus[k], _mm256_blendv_pd(v, zero, v));
            minus[k] = _mm256_add_pd(minus[k], _mm256_blendv_pd(zero, v, v));
        }
    double lanes[2][16];
    for (int k = 0; k < 4; k++) {
        _mm256_storeu_pd(lanes[0] + 4 * k, plus[k]);
        _mm256_storeu_pd(lanes[1] + 4 * k, minus[k]);
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

void gw_avx2_pack_signs(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m256i top = _mm256_set1_epi32((int)0x80000000u);
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP, out += GW_GROUP / 8) {
        struct row signs = { _mm256_setzero_si256(), _mm256_setzero_si256() };
        for (int step = 0; step < STEPS; step++) {
            __m256i low = _mm256_and_si256(load_bits(x + 16 * step), top);
            __m256i high = _mm256_and_si256(load_bits(x + 16 * step + 8), top);
            signs.low = _mm256_or_si256(_mm256_srli_epi32(signs.low, 1), low);
            signs.high = _mm256_or_si256(_mm256_srli_epi32(signs.high, 1), high);
        }
        _mm256_storeu_si256((__m256i_u *)out, signs.low);
        _mm256_storeu_si256((__m256i_u *)(out + 32), signs.high);
    }
    gw_kernels_scalar.pack_signs(x, count, out);
}

INLINE size_t unpack_sign_groups(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                 const struct gw_scales *set, int add, float weight, gw_f32 *out)
{
    const __m256 w = _mm256_set1_ps(weight);
    size_t at = 0;
    if (clear->offset % 16)
        return 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, in += GW_GROUP / 8) {
        __m256i low = _mm256_loadu_si256((const __m256i_u *)in);
        __m256i high = _mm256_loadu_si256((const __m256i_u *)(in + 32));
        for (size_t i = at; i < at + GW_GROUP; i += 16) {
            __m256 c = row_scale(clear, i), s = row_scale(set, i);
            __m256 a = _mm256_blendv_ps(c, s, _mm256_castsi256_ps(_mm256_slli_epi32(low, 31)));
            __m256 b = _mm256_blendv_ps(c, s, _mm256_castsi256_ps(_mm256_slli_epi32(high, 31)));
            put_values(out + i, a, b, add, w);
            low = _mm256_srli_epi32(low, 1);
            high = _mm256_srli_epi32(high, 1);
        }
    }
    return at;
}

void gw_avx2_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                          const struct gw_scales *set, gw_f32 *out)
{
    size_t done = unpack_sign_groups(in, count, clear, set, 0, 0, out);
    struct gw_scales c = gw_scales_from(*clear, done), s = gw_scales_from(*set, done);
    gw_kernels_scalar.unpack_signs(in + done / 8, count - done, &c, &s, out + done);
}

void gw_avx2_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                              const struct gw_scales *set, float weight, gw_f32 *sum)
{
    size_t done = unpack_sign_groups(in, count, clear, set, 1, weight, sum);
    struct gw_scales c = gw_scales_from(*clear, done), s = gw_scales_from(*set, done);
    gw_kernels_scalar.unpack_signs_add(in + done / 8, count - done, &c, &s, weight, sum + done);
}
