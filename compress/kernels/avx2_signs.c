/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Signs, one bit each, with AVX2: a group of 512 is one row of 16 words. */
#include "compress/kernels/avx2.h"

#include <float.h>

/* The other side of each element adds +0, which changes no sum that began with +0. */
size_t gw_avx2_sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
{
    __m256d plus[4] = { 0 }, minus[4] = { 0 };
    size_t at = 0, negatives = 0;
    for (; at + 16 <= count; at += 16)
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            __m256d v = four_doubles(x + at + 4 * k), zero = _mm256_setzero_pd();
            negatives += (size_t)__builtin_popcount((unsigned)_mm256_movemask_pd(v));
            plus[k] = _mm256_add_pd(plus[k], _mm256_blendv_pd(v, zero, v));
            minus[k] = _mm256_add_pd(minus[k], _mm256_blendv_pd(zero, v, v));
        }
    double lanes[2][16];
#pragma GCC unroll 4
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

/* One row of 16 signs goes into the top bit of its lanes. */
INLINE void put_signs(struct row *signs, const gw_f32 *x)
{
    const __m256i top = _mm256_set1_epi32((int)0x80000000u);
    __m256i low = _mm256_and_si256(load_bits(x), top);
    __m256i high = _mm256_and_si256(load_bits(x + 8), top);
    signs->low = _mm256_or_si256(_mm256_srli_epi32(signs->low, 1), low);
    signs->high = _mm256_or_si256(_mm256_srli_epi32(signs->high, 1), high);
}

INLINE void store_signs(uint8_t *out, struct row signs)
{
    _mm256_storeu_si256((__m256i_u *)out, signs.low);
    _mm256_storeu_si256((__m256i_u *)(out + 32), signs.high);
}

void gw_avx2_pack_signs(const gw_f32 *x, size_t count, uint8_t *out)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP, out += GW_GROUP / 8) {
        struct row signs = { _mm256_setzero_si256(), _mm256_setzero_si256() };
        for (int step = 0; step < STEPS; step++)
            put_signs(&signs, x + 16 * step);
        store_signs(out, signs);
    }
    gw_kernels_scalar.pack_signs(x, count, out);
}

/* The order of sums: lanes l and l + 8, then + 4, + 2, + 1. */
INLINE double sum_lanes(const __m256d v[4])
{
    __m256d four = _mm256_add_pd(_mm256_add_pd(v[0], v[2]), _mm256_add_pd(v[1], v[3]));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* Lanes l and l + 16 of a group's sums, which stand in two vectors, as doubles. */
INLINE void widen(__m256d wide[2], __m256 a, __m256 b)
{
    wide[0] = _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                            _mm256_cvtps_pd(_mm256_castps256_ps128(b)));
    wide[1] = _mm256_add_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)),
                            _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1)));
}

/* Eight elements of a, or of out[i] = a[i] + b[i]; their signs go into the top bits of `signs`. */
INLINE __m256 eight_signs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t i, __m256i *signs)
{
    const __m256 top = _mm256_set1_ps(-0.0f);
    __m256 v = load_floats(a + i);
    if (b) {
        v = _mm256_add_ps(v, load_floats(b + i));
        store_floats(out + i, v);
    }
    *signs =
        _mm256_or_si256(_mm256_srli_epi32(*signs, 1), _mm256_castps_si256(_mm256_and_ps(v, top)));
    return _mm256_andnot_ps(top, v);
}

/* The sum of magnitudes of the group `a`, or, with `b`, of out[i] = a[i] + b[i]; `signs` get its
 * signs. */
INLINE double sum_group(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, struct row *signs)
{
    __m256 lane0 = _mm256_setzero_ps(), lane8 = lane0, lane16 = lane0, lane24 = lane0;
    *signs = (struct row){ _mm256_setzero_si256(), _mm256_setzero_si256() };
    for (size_t i = 0; i < GW_GROUP; i += 32) {
        lane0 = _mm256_add_ps(lane0, eight_signs(out, a, b, i, &signs->low));
        lane8 = _mm256_add_ps(lane8, eight_signs(out, a, b, i + 8, &signs->high));
        lane16 = _mm256_add_ps(lane16, eight_signs(out, a, b, i + 16, &signs->low));
        lane24 = _mm256_add_ps(lane24, eight_signs(out, a, b, i + 24, &signs->high));
    }
    __m256d wide[4];
    widen(wide, lane0, lane16);
    widen(wide + 2, lane8, lane24);
    double sum = sum_lanes(wide);
    return sum <= DBL_MAX ? sum : gw_kernels_scalar.sum_abs(b ? out : a, GW_GROUP);
}

double gw_avx2_sum_abs(const gw_f32 *x, size_t count)
{
    double sum = 0;
    struct row signs;
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP)
        sum += sum_group(NULL, x, NULL, &signs);
    return count ? sum + gw_kernels_scalar.sum_abs(x, count) : sum;
}

INLINE void prefetch_group(const gw_f32 *const ahead[2], size_t at)
{
    for (size_t i = 0; i < GW_GROUP; i += 32)
        gw_prefetch_pair(ahead, at + i);
}

double gw_avx2_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                              uint8_t *out)
{
    double sum = 0;
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP) {
        prefetch_group(ahead, at);
        struct row signs;
        sum += sum_group(NULL, x + at, NULL, &signs);
        store_signs(out + at / 8, signs);
    }
    if (at < count)
        sum += gw_kernels_scalar.pack_signs_abs(x + at, count - at, ahead, out + at / 8);
    return sum;
}

double gw_avx2_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                             uint8_t *codes)
{
    double sum = 0;
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP) {
        struct row signs;
        sum += sum_group(out + at, a + at, b + at, &signs);
        store_signs(codes + at / 8, signs);
    }
    if (at < count)
        sum +=
            gw_kernels_scalar.add_signs_abs(out + at, a + at, b + at, count - at, codes + at / 8);
    return sum;
}

INLINE __m256 minus_value(const gw_f32 *x, __m256 clear, __m256 set)
{
    __m256 v = load_floats(x);
    return _mm256_sub_ps(v, _mm256_blendv_ps(clear, set, v));
}

void gw_avx2_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                              const gw_f32 *const ahead[2], int stream)
{
    const __m256 clear = _mm256_set1_ps(values[0]), set = _mm256_set1_ps(values[1]);
    uintptr_t to = (uintptr_t)out;
    size_t at = 0;
    if (stream && to % 4 == 0) {
        at = gw_min_size(-to % 64 / 4, count);
        gw_kernels_scalar.subtract_by_sign(out, x, at, values, ahead, 0);
        for (; at + 32 <= count; at += 32) {
            gw_prefetch_pair(ahead, at);
            for (size_t i = at; i < at + 32; i += 8)
                _mm256_stream_ps((float *)(out + i), minus_value(x + i, clear, set));
        }
    }
    for (; at + 8 <= count; at += 8)
        store_floats(out + at, minus_value(x + at, clear, set));
    gw_kernels_scalar.subtract_by_sign(out + at, x + at, count - at, values, ahead, 0);
}

/* The other side of each element adds +0, as above. */
INLINE unsigned pack_group_sums(const gw_f32 *x, uint8_t *out, double sums[2])
{
    const __m256d zero = _mm256_setzero_pd();
    __m256d plus[4] = { 0 }, minus[4] = { 0 };
    struct row signs = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    unsigned negatives = 0;
    for (int step = 0; step < STEPS; step++, x += 16) {
        put_signs(&signs, x);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            __m256d v = four_doubles(x + 4 * k);
            negatives += (unsigned)__builtin_popcount((unsigned)_mm256_movemask_pd(v));
            plus[k] = _mm256_add_pd(plus[k], _mm256_blendv_pd(v, zero, v));
            minus[k] = _mm256_add_pd(minus[k], _mm256_blendv_pd(zero, v, v));
        }
    }
    store_signs(out, signs);
    sums[0] += sum_lanes(plus);
    sums[1] += sum_lanes(minus);
    return negatives;
}

size_t gw_avx2_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
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

/* The top bits of the lanes choose. */
INLINE __m256 choose(__m256 clear, __m256 set, __m256i signs)
{
    return _mm256_blendv_ps(clear, set, _mm256_castsi256_ps(signs));
}

/* A group with one scale of each sign; `add`: weighted scales. */
INLINE void unpack_sign_group(struct row signs, __m256 clear, __m256 set, int add, gw_f32 *out)
{
    for (int step = 0; step < STEPS; step++, out += 16) {
        __m256 low = choose(clear, set, _mm256_slli_epi32(signs.low, 31 - step));
        __m256 high = choose(clear, set, _mm256_slli_epi32(signs.high, 31 - step));
        if (add) {
            __builtin_prefetch((const void *)((uintptr_t)out + AHEAD * sizeof(float)));
            low = _mm256_add_ps(load_floats(out), low);
            high = _mm256_add_ps(load_floats(out + 8), high);
        }
        store_floats(out, low);
        store_floats(out + 8, high);
    }
}

/* The same where the scale changes from row to row. */
INLINE void unpack_sign_rows(struct row signs, const struct gw_scales *clear,
                             const struct gw_scales *set, size_t at, int add, __m256 weight,
                             gw_f32 *out)
{
    for (int step = 0; step < STEPS; step++) {
        size_t i = at + (size_t)step * 16;
        __m256 c = row_scale(clear, i), s = row_scale(set, i);
        put_values(out + i, choose(c, s, _mm256_slli_epi32(signs.low, 31 - step)),
                   choose(c, s, _mm256_slli_epi32(signs.high, 31 - step)), add, weight);
    }
}

INLINE size_t unpack_sign_groups(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                 const struct gw_scales *set, int add, float weight, gw_f32 *out)
{
    const __m256 w = _mm256_set1_ps(weight);
    size_t at = 0;
    if (clear->offset % 16)
        return 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, in += GW_GROUP / 8) {
        struct row signs = { _mm256_loadu_si256((const __m256i_u *)in),
                             _mm256_loadu_si256((const __m256i_u *)(in + 32)) };
        if (!gw_one_scale(clear, at, GW_GROUP)) {
            unpack_sign_rows(signs, clear, set, at, add, w, out);
            continue;
        }
        __m256 c = row_scale(clear, at), s = row_scale(set, at);
        if (add) {
            c = _mm256_mul_ps(w, c);
            s = _mm256_mul_ps(w, s);
        }
        unpack_sign_group(signs, c, s, add, out + at);
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
