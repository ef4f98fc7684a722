/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Kernels for AVX2 with F16C: 16 lanes are two vectors. Full groups, or full rows of 16, are done
 * here; tails go to the scalar set. So do scales that change inside a row of 16, and stochastic
 * codes whose element number is no multiple of 32: plans never make such ranges.
 *
 * Reductions, sums and 16-bit floats; packed codes are in avx2_codes.c. */
#include <cpuid.h>
#include <immintrin.h>

#include "compress/kernels/avx2.h"

static int usable(void)
{
    unsigned a, b, c, d; /* clang 14 does not know "f16c" by name */
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

/* ---- reductions ---- */

static size_t count_nonfinite(const gw_f32 *x, size_t count, size_t *first)
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

static float max_abs(const gw_f32 *x, size_t count)
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
    uint32_t lanes[8], best = gw_float_bits(gw_kernels_scalar.max_abs(x + at, count - at));
    _mm256_storeu_si256((__m256i_u *)lanes, all);
    for (int l = 0; l < 8; l++)
        best = lanes[l] > best ? lanes[l] : best;
    return gw_bits_float(best);
}

static __m256d four_doubles(const gw_f32 *x)
{
    return _mm256_cvtps_pd(_mm_loadu_ps((const float *)x));
}

static double sum_abs(const gw_f32 *x, size_t count)
{
    const __m256d sign = _mm256_set1_pd(-0.0);
    __m256d sums[4] = { 0 };
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        for (int k = 0; k < 4; k++)
            sums[k] = _mm256_add_pd(sums[k], _mm256_andnot_pd(sign, four_doubles(x + at + 4 * k)));
    double lanes[16];
    for (int k = 0; k < 4; k++)
        _mm256_storeu_pd(lanes + 4 * k, sums[k]);
    for (size_t i = at; i < count; i++)
        lanes[i % 16] += (double)__builtin_fabsf(x[i]);
    return gw_sum_lanes(lanes);
}

static double sum_squares(const gw_f32 *x, size_t count)
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

/* The other side of each element adds +0, which changes no sum that began with +0. */
static size_t sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
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

/* ---- sums of vectors ---- */

static void add(gw_f32 *sum, const gw_f32 *x, size_t count)
{
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        store_floats(sum + at, _mm256_add_ps(load_floats(sum + at), load_floats(x + at)));
    gw_kernels_scalar.add(sum + at, x + at, count - at);
}

static void add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count)
{
    const __m256 w = _mm256_set1_ps(weight);
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        add_weighted(sum + at, w, load_floats(x + at));
    gw_kernels_scalar.add_scaled(sum + at, x + at, weight, count - at);
}

static void add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        store_floats(out + at, _mm256_add_ps(load_floats(a + at), load_floats(b + at)));
    gw_kernels_scalar.add_to(out + at, a + at, b + at, count - at);
}

/* ---- 16-bit floats ---- */

static void fp16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m256 most = _mm256_set1_ps(65504.0f), sign = _mm256_set1_ps(-0.0f);
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    size_t at = 0;
    for (; at + 8 <= count; at += 8) {
        __m256 v = load_floats(x + at);
        __m256i e = _mm256_and_si256(_mm256_castps_si256(v), exponent);
        __m256 special = _mm256_castsi256_ps(_mm256_cmpeq_epi32(e, exponent));
        __m256 a = _mm256_min_ps(_mm256_andnot_ps(sign, v), most);
        __m256 clamped = _mm256_or_ps(a, _mm256_and_ps(sign, v));
        v = _mm256_blendv_ps(clamped, v, special);
        _mm_storeu_si128((__m128i_u *)(out + 2 * at),
                         _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    gw_kernels_scalar.fp16_encode(x + at, count - at, out + 2 * at);
}

static __m256 eight_fp16(const uint8_t *in)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)in));
}

static void fp16_decode(const uint8_t *in, size_t count, gw_f32 *out)
{
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        store_floats(out + at, eight_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode(in + 2 * at, count - at, out + at);
}

static void fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    const __m256 w = _mm256_set1_ps(weight);
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        add_weighted(sum + at, w, eight_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

/* Eight bf16 in the low halves of 32-bit lanes, of numbers below bf16's largest. */
static __m256i eight_to_bf16(__m256i bits)
{
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    return _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
}

static __m256i above_bf16(__m256i bits)
{
    return _mm256_cmpgt_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)),
                              _mm256_set1_epi32(0x7f7f0000));
}

static void bf16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        __m256i low = load_bits(x + at), high = load_bits(x + at + 8);
        __m256i above = _mm256_or_si256(above_bf16(low), above_bf16(high));
        if (!_mm256_testz_si256(above, above)) {
            gw_kernels_scalar.bf16_encode(x + at, 16, out + 2 * at);
            continue;
        }
        __m256i pair = _mm256_packus_epi32(eight_to_bf16(low), eight_to_bf16(high));
        _mm256_storeu_si256((__m256i_u *)(out + 2 * at), _mm256_permute4x64_epi64(pair, 0xd8));
    }
    gw_kernels_scalar.bf16_encode(x + at, count - at, out + 2 * at);
}

static __m256 eight_bf16(const uint8_t *in)
{
    __m128i halves = _mm_loadu_si128((const __m128i_u *)in);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

static void bf16_decode(const uint8_t *in, size_t count, gw_f32 *out)
{
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        store_floats(out + at, eight_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode(in + 2 * at, count - at, out + at);
}

static void bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    const __m256 w = _mm256_set1_ps(weight);
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        add_weighted(sum + at, w, eight_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

const struct gw_kernels gw_kernels_avx2 = {
    .name = "avx2",
    .needs = "AVX2, F16C",
    .usable = usable,
    .count_nonfinite = count_nonfinite,
    .max_abs = max_abs,
    .sum_abs = sum_abs,
    .sum_squares = sum_squares,
    .sum_by_sign = sum_by_sign,
    .add = add,
    .add_scaled = add_scaled,
    .add_to = add_to,
    .pack = gw_avx2_pack,
    .unpack = gw_avx2_unpack,
    .pack_signs = gw_avx2_pack_signs,
    .unpack_signs = gw_avx2_unpack_signs,
    .unpack_signs_add = gw_avx2_unpack_signs_add,
    .quantize = gw_avx2_quantize,
    .dequantize = gw_avx2_dequantize,
    .dequantize_add = gw_avx2_dequantize_add,
    .fp16_encode = fp16_encode,
    .fp16_decode = fp16_decode,
    .fp16_decode_add = fp16_decode_add,
    .bf16_encode = bf16_encode,
    .bf16_decode = bf16_decode,
    .bf16_decode_add = bf16_decode_add,
};
