/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Reductions and sums of vectors with AVX2. */
#include "compress/kernels/avx2.h"

/* ---- reductions ---- */

size_t gw_avx2_count_nonfinite(const gw_f32 *x, size_t count, size_t *first)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    size_t found = 0, at = 0;
    for (; at + 32 <= count; at += 32) {
        __m256i any = _mm256_setzero_si256();
        for (int k = 0; k < 4; k++) {
            __m256i e = _mm256_and_si256(load_bits(x + at + 8 * k), exponent);
            any = _mm256_or_si256(any, _mm256_cmpeq_epi32(e, exponent));
        }
        if (_mm256_testz_si256(any, any))
            continue;
        size_t where = 0, here = gw_kernels_scalar.count_nonfinite(x + at, 32, &where);
        if (!found)
            *first = at + where;
        found += here;
    }
    size_t where = 0, here = gw_kernels_scalar.count_nonfinite(x + at, count - at, &where);
    if (here && !found)
        *first = at + where;
    return found + here;
}

float gw_avx2_max_abs(const gw_f32 *x, size_t count)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most[4] = { 0 };
    size_t at = 0;
    for (; at + 32 <= count; at += 32)
        for (int k = 0; k < 4; k++)
            most[k] =
                _mm256_max_epu32(most[k], _mm256_and_si256(load_bits(x + at + 8 * k), magnitude));
    __m256i all =
        _mm256_max_epu32(_mm256_max_epu32(most[0], most[1]), _mm256_max_epu32(most[2], most[3]));
    return largest(all, gw_kernels_scalar.max_abs(x + at, count - at));
}

double gw_avx2_sum_squares(const gw_f32 *x, size_t count)
{
    __m256d sums[4] = { 0 };
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        for (int k = 0; k < 4; k++) {
            __m256d v = four_doubles(x + at + 4 * k);
            sums[k] = _mm256_add_pd(sums[k], _mm256_mul_pd(v, v));
        }
    double lanes[16];
    for (int k = 0; k < 4; k++)
        _mm256_storeu_pd(lanes + 4 * k, sums[k]);
    for (size_t i = at; i < count; i++)
        lanes[i % 16] += (double)x[i] * (double)x[i];
    return gw_sum_lanes(lanes);
}

/* ---- sums of vectors ---- */

void gw_avx2_add(gw_f32 *sum, const gw_f32 *x, size_t count)
{
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        store_floats(sum + at, _mm256_add_ps(load_floats(sum + at), load_floats(x + at)));
    gw_kernels_scalar.add(sum + at, x + at, count - at);
}

void gw_avx2_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count)
{
    const __m256 w = _mm256_set1_ps(weight);
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        add_weighted(sum + at, w, load_floats(x + at));
    gw_kernels_scalar.add_scaled(sum + at, x + at, weight, count - at);
}

void gw_avx2_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        store_floats(out + at, _mm256_add_ps(load_floats(a + at), load_floats(b + at)));
    gw_kernels_scalar.add_to(out + at, a + at, b + at, count - at);
}

/* add_max, or, without `out`, sum_max. */
INLINE float sum_rows(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count, size_t *at)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    for (; *at + 16 <= count; *at += 16)
        for (int k = 0; k < 2; k++) {
            size_t i = *at + (size_t)(8 * k);
            __m256 sum = _mm256_add_ps(load_floats(a + i), load_floats(b + i));
            if (out)
                store_floats(out + i, sum);
            most[k] =
                _mm256_max_epu32(most[k], _mm256_and_si256(_mm256_castps_si256(sum), magnitude));
        }
    return largest(_mm256_max_epu32(most[0], most[1]), 0);
}

float gw_avx2_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    float most = sum_rows(out, a, b, count, &at);
    return gw_larger(most, gw_kernels_scalar.add_max(out + at, a + at, b + at, count - at));
}

float gw_avx2_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    float most = sum_rows(NULL, a, b, count, &at);
    return gw_larger(most, gw_kernels_scalar.sum_max(a + at, b + at, count - at));
}
