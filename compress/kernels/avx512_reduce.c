/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Reductions and sums of vectors with AVX-512. */
#include "compress/kernels/avx512.h"

/* ---- reductions ---- */

size_t gw_avx512_count_nonfinite(const gw_f32 *x, size_t count, size_t *first)
{
    const __m512i exponent = _mm512_set1_epi32(0x7f800000);
    size_t found = 0, at = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i e = _mm512_and_si512(load_bits(x + at), exponent);
        unsigned bad = _mm512_cmpeq_epi32_mask(e, exponent);
        if (!bad)
            continue;
        if (!found)
            *first = at + (size_t)__builtin_ctz(bad);
        found += (size_t)__builtin_popcount(bad);
    }
    size_t where = 0, here = gw_kernels_scalar.count_nonfinite(x + at, count - at, &where);
    if (here && !found)
        *first = at + where;
    return found + here;
}

float gw_avx512_max_abs(const gw_f32 *x, size_t count)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i most[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    size_t at = 0;
    for (; at + 32 <= count; at += 32)
        for (int k = 0; k < 2; k++)
            most[k] =
                _mm512_max_epu32(most[k], _mm512_and_si512(load_bits(x + at + 16 * k), magnitude));
    return largest(_mm512_max_epu32(most[0], most[1]),
                   gw_kernels_scalar.max_abs(x + at, count - at));
}

double gw_avx512_sum_squares(const gw_f32 *x, size_t count)
{
    __m512d sums[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        for (int k = 0; k < 2; k++) {
            __m512d v = eight_doubles(x + at + 8 * k);
            sums[k] = _mm512_add_pd(sums[k], _mm512_mul_pd(v, v));
        }
    double lanes[16];
    for (int k = 0; k < 2; k++)
        _mm512_storeu_pd(lanes + 8 * k, sums[k]);
    for (size_t i = at; i < count; i++)
        lanes[i % 16] += (double)x[i] * (double)x[i];
    return gw_sum_lanes(lanes);
}

/* ---- sums of vectors ---- */

void gw_avx512_add(gw_f32 *sum, const gw_f32 *x, size_t count)
{
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        store_floats(sum + at, _mm512_add_ps(load_floats(sum + at), load_floats(x + at)));
    gw_kernels_scalar.add(sum + at, x + at, count - at);
}

void gw_avx512_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        add_weighted(sum + at, w, load_floats(x + at));
    gw_kernels_scalar.add_scaled(sum + at, x + at, weight, count - at);
}

void gw_avx512_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        store_floats(out + at, _mm512_add_ps(load_floats(a + at), load_floats(b + at)));
    gw_kernels_scalar.add_to(out + at, a + at, b + at, count - at);
}

/* add_max, or, without `out`, sum_max. */
INLINE float sum_rows(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count, size_t *at)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i most = _mm512_setzero_si512();
    for (; *at + 16 <= count; *at += 16) {
        __m512 sum = _mm512_add_ps(load_floats(a + *at), load_floats(b + *at));
        if (out)
            store_floats(out + *at, sum);
        most = _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(sum), magnitude));
    }
    return largest(most, 0);
}

float gw_avx512_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    float most = sum_rows(out, a, b, count, &at);
    return gw_larger(most, gw_kernels_scalar.add_max(out + at, a + at, b + at, count - at));
}

float gw_avx512_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    float most = sum_rows(NULL, a, b, count, &at);
    return gw_larger(most, gw_kernels_scalar.sum_max(a + at, b + at, count - at));
}
