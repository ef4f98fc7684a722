/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Signs, one bit each, with AVX-512: a group of 512 is one row of 16 words. */
#include "compress/kernels/avx512.h"

#include <float.h>

size_t gw_avx512_sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
{
    __m512d plus[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    __m512d minus[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    size_t at = 0, negatives = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i bits = load_bits(x + at), sign = _mm512_set1_epi32((int)0x80000000u);
        unsigned negative = _mm512_test_epi32_mask(bits, sign);
        negatives += (size_t)__builtin_popcount(negative);
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            __mmask8 mask = (__mmask8)(negative >> (8 * k));
            __m512d v = eight_doubles(x + at + 8 * k);
            plus[k] = _mm512_mask_add_pd(plus[k], (__mmask8)~mask, plus[k], v);
            minus[k] = _mm512_mask_add_pd(minus[k], mask, minus[k], v);
        }
    }
    double lanes[2][16];
#pragma GCC unroll 2
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

INLINE __m512d lower_doubles(__m512 v)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(v));
}

INLINE __m512d upper_doubles(__m512 v)
{
    return _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)));
}

/* One row of 16 signs goes into the top bit of its lanes. */
INLINE __m512i put_signs(__m512i signs, __m512i x)
{
    const __m512i top = _mm512_set1_epi32((int)0x80000000u);
    return _mm512_ternarylogic_epi32(_mm512_srli_epi32(signs, 1), x, top, 0xf8); /* s | (x & t) */
}

void gw_avx512_pack_signs(const gw_f32 *x, size_t count, uint8_t *out)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP, out += GW_GROUP / 8) {
        __m512i signs = _mm512_setzero_si512();
        for (int step = 0; step < STEPS; step++)
            signs = put_signs(signs, load_bits(x + 16 * step));
        _mm512_storeu_si512(out, signs);
    }
    gw_kernels_scalar.pack_signs(x, count, out);
}

/* The order of sums, of lanes 0 to 7 and 8 to 15. */
INLINE double sum_lanes(__m512d low, __m512d high)
{
    __m512d eight = _mm512_add_pd(low, high);
    __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* Row i of a, or of out[i] = a[i] + b[i]. */
INLINE __m512i row_bits(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t i)
{
    if (!b)
        return load_bits(a + i);
    __m512 sum = _mm512_add_ps(load_floats(a + i), load_floats(b + i));
    store_floats(out + i, sum);
    return _mm512_castps_si512(sum);
}

/* The sum of magnitudes of the group `a`, or, with `b`, of out[i] = a[i] + b[i]; `signs` get its
 * signs. */
INLINE double sum_group(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, __m512i *signs)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    *signs = _mm512_setzero_si512();
    for (size_t i = 0; i < GW_GROUP; i += 32) {
        __m512i first = row_bits(out, a, b, i), second = row_bits(out, a, b, i + 16);
        *signs = put_signs(put_signs(*signs, first), second);
        even = _mm512_add_ps(even, _mm512_castsi512_ps(_mm512_and_si512(first, magnitude)));
        odd = _mm512_add_ps(odd, _mm512_castsi512_ps(_mm512_and_si512(second, magnitude)));
    }
    double sum = sum_lanes(_mm512_add_pd(lower_doubles(even), lower_doubles(odd)),
                           _mm512_add_pd(upper_doubles(even), upper_doubles(odd)));
    return sum <= DBL_MAX ? sum : gw_kernels_scalar.sum_abs(b ? out : a, GW_GROUP);
}

double gw_avx512_sum_abs(const gw_f32 *x, size_t count)
{
    double sum = 0;
    __m512i signs;
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP)
        sum += sum_group(NULL, x, NULL, &signs);
    return count ? sum + gw_kernels_scalar.sum_abs(x, count) : sum;
}

INLINE void prefetch_group(const gw_f32 *const ahead[2], size_t at)
{
    for (size_t i = 0; i < GW_GROUP; i += 32)
        gw_prefetch_pair(ahead, at + i);
}

double gw_avx512_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                uint8_t *out)
{
    double sum = 0;
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP) {
        prefetch_group(ahead, at);
        __m512i signs;
        sum += sum_group(NULL, x + at, NULL, &signs);
        _mm512_storeu_si512(out + at / 8, signs);
    }
    if (at < count)
        sum += gw_kernels_scalar.pack_signs_abs(x + at, count - at, ahead, out + at / 8);
    return sum;
}

double gw_avx512_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                               uint8_t *codes)
{
    double sum = 0;
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP) {
        __m512i signs;
        sum += sum_group(out + at, a + at, b + at, &signs);
        _mm512_storeu_si512(codes + at / 8, signs);
    }
    if (at < count)
        sum +=
            gw_kernels_scalar.add_signs_abs(out + at, a + at, b + at, count - at, codes + at / 8);
    return sum;
}

INLINE __m512 minus_value(const gw_f32 *x, __m512 clear, __m512 set)
{
    __m512i bits = load_bits(x);
    __mmask16 negative = _mm512_cmplt_epi32_mask(bits, _mm512_setzero_si512());
    return _mm512_sub_ps(_mm512_castsi512_ps(bits), _mm512_mask_blend_ps(negative, clear, set));
}

void gw_avx512_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                                const gw_f32 *const ahead[2], int stream)
{
    const __m512 clear = _mm512_set1_ps(values[0]), set = _mm512_set1_ps(values[1]);
    uintptr_t to = (uintptr_t)out;
    size_t at = 0;
    if (stream && to % 4 == 0) {
        at = gw_min_size(-to % 64 / 4, count);
        gw_kernels_scalar.subtract_by_sign(out, x, at, values, ahead, 0);
        for (; at + 32 <= count; at += 32) {
            gw_prefetch_pair(ahead, at);
            _mm512_stream_ps((void *)(out + at), minus_value(x + at, clear, set));
            _mm512_stream_ps((void *)(out + at + 16), minus_value(x + at + 16, clear, set));
        }
    }
    for (; at + 16 <= count; at += 16)
        store_floats(out + at, minus_value(x + at, clear, set));
    gw_kernels_scalar.subtract_by_sign(out + at, x + at, count - at, values, ahead, 0);
}

INLINE unsigned pack_group_sums(const gw_f32 *x, uint8_t *out, double sums[2])
{
    __m512d plus[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    __m512d minus[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    const __m512i top = _mm512_set1_epi32((int)0x80000000u);
    __m512i signs = _mm512_setzero_si512();
    unsigned negatives = 0;
    for (int step = 0; step < STEPS; step++) {
        __m512i bits = load_bits(x + 16 * step);
        __mmask16 negative = _mm512_test_epi32_mask(bits, top);
        signs = put_signs(signs, bits);
        negatives += (unsigned)__builtin_popcount(negative);
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            __mmask8 mask = (__mmask8)(negative >> (8 * k));
            __m512d v = eight_doubles(x + 16 * step + 8 * k);
            plus[k] = _mm512_mask_add_pd(plus[k], (__mmask8)~mask, plus[k], v);
            minus[k] = _mm512_mask_add_pd(minus[k], mask, minus[k], v);
        }
    }
    _mm512_storeu_si512(out, signs);
    sums[0] += sum_lanes(plus[0], plus[1]);
    sums[1] += sum_lanes(minus[0], minus[1]);
    return negatives;
}

size_t gw_avx512_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                 uint8_t *out, double sums[2])
{
    size_t at = 0, negatives = 0;
    sums[0] = sums[1] = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP) {
        prefetch_group(ahead, at);
        negatives += pack_group_sums(x + at, out + at / 8, sums);
    }
    if (at < count) {
        double rest[2];
        negatives +=
            gw_kernels_scalar.pack_signs_sums(x + at, count - at, ahead, out + at / 8, rest);
        sums[0] += rest[0];
        sums[1] += rest[1];
    }
    return negatives;
}

/* The group at element `at` with one scale of each sign; `add`: weighted scales. */
INLINE void unpack_sign_group(__m512i signs, __m512 clear, __m512 set, int add, gw_f32 *out)
{
    __m512i bit = _mm512_set1_epi32(1);
    for (int step = 0; step < STEPS; step++, out += 16) {
        __m512 values = _mm512_mask_blend_ps(_mm512_test_epi32_mask(signs, bit), clear, set);
        if (add) {
            __builtin_prefetch((const void *)((uintptr_t)out + AHEAD * sizeof(float)));
            values = _mm512_add_ps(load_floats(out), values);
        }
        store_floats(out, values);
        bit = _mm512_add_epi32(bit, bit);
    }
}

/* The same where the scale changes from row to row. */
INLINE void unpack_sign_rows(__m512i signs, const struct gw_scales *clear,
                             const struct gw_scales *set, size_t at, int add, __m512 weight,
                             gw_f32 *out)
{
    __m512i bit = _mm512_set1_epi32(1);
    for (size_t i = at; i < at + GW_GROUP; i += 16) {
        __mmask16 negative = _mm512_test_epi32_mask(signs, bit);
        put_values(out + i, _mm512_mask_blend_ps(negative, row_scale(clear, i), row_scale(set, i)),
                   add, weight);
        bit = _mm512_add_epi32(bit, bit);
    }
}

INLINE size_t unpack_sign_groups(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                 const struct gw_scales *set, int add, float weight, gw_f32 *out)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    if (clear->offset % 16)
        return 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, in += GW_GROUP / 8) {
        if (!gw_one_scale(clear, at, GW_GROUP)) {
            unpack_sign_rows(load_bits(in), clear, set, at, add, w, out);
            continue;
        }
        __m512 c = row_scale(clear, at), s = row_scale(set, at);
        if (add) {
            c = _mm512_mul_ps(w, c);
            s = _mm512_mul_ps(w, s);
        }
        unpack_sign_group(load_bits(in), c, s, add, out + at);
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
