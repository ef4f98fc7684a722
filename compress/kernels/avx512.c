/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Kernels for AVX-512 (F alone): 16 lanes are one vector. Tails, scales that change inside a row
 * of 16, and stochastic codes at odd elements go to the scalar set, as in avx2.c.
 *
 * Reductions, sums and 16-bit floats; packed codes are in avx512_codes.c. */
#include <immintrin.h>

#include "compress/kernels/avx512.h"

static int usable(void)
{
    return __builtin_cpu_supports("avx512f");
}

/* ---- reductions ---- */

static size_t count_nonfinite(const gw_f32 *x, size_t count, size_t *first)
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

static float max_abs(const gw_f32 *x, size_t count)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i most[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    size_t at = 0;
    for (; at + 32 <= count; at += 32)
        for (int k = 0; k < 2; k++)
            most[k] =
                _mm512_max_epu32(most[k], _mm512_and_si512(load_bits(x + at + 16 * k), magnitude));
    uint32_t wide = _mm512_reduce_max_epu32(_mm512_max_epu32(most[0], most[1]));
    uint32_t rest = gw_float_bits(gw_kernels_scalar.max_abs(x + at, count - at));
    return gw_bits_float(wide > rest ? wide : rest);
}

static __m512d eight_doubles(const gw_f32 *x)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps((const float *)x));
}

static double sum_abs(const gw_f32 *x, size_t count)
{
    __m512d sums[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        for (int k = 0; k < 2; k++)
            sums[k] = _mm512_add_pd(sums[k], _mm512_abs_pd(eight_doubles(x + at + 8 * k)));
    double lanes[16];
    for (int k = 0; k < 2; k++)
        _mm512_storeu_pd(lanes + 8 * k, sums[k]);
    for (size_t i = at; i < count; i++)
        lanes[i % 16] += (double)__builtin_fabsf(x[i]);
    return gw_sum_lanes(lanes);
}

static double sum_squares(const gw_f32 *x, size_t count)
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

static size_t sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
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

/* ---- sums of vectors ---- */

static void add(gw_f32 *sum, const gw_f32 *x, size_t count)
{
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        store_floats(sum + at, _mm512_add_ps(load_floats(sum + at), load_floats(x + at)));
    gw_kernels_scalar.add(sum + at, x + at, count - at);
}

static void add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        add_weighted(sum + at, w, load_floats(x + at));
    gw_kernels_scalar.add_scaled(sum + at, x + at, weight, count - at);
}

static void add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        store_floats(out + at, _mm512_add_ps(load_floats(a + at), load_floats(b + at)));
    gw_kernels_scalar.add_to(out + at, a + at, b + at, count - at);
}

/* ---- 16-bit floats ---- */

static void fp16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m512i infinity = _mm512_set1_epi32(0x7f800000), most = _mm512_set1_epi32(0x477fe000);
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i bits = load_bits(x + at), a = _mm512_and_si512(bits, magnitude);
        __mmask16 large = _mm512_cmpgt_epi32_mask(a, most);
        large = _mm512_mask_cmplt_epi32_mask(large, a, infinity);
        bits = _mm512_mask_or_epi32(bits, large, _mm512_andnot_si512(magnitude, bits), most);
        _mm256_storeu_si256((__m256i_u *)(out + 2 * at),
                            _mm512_cvtps_ph(_mm512_castsi512_ps(bits), _MM_FROUND_TO_NEAREST_INT));
    }
    gw_kernels_scalar.fp16_encode(x + at, count - at, out + 2 * at);
}

static __m512 sixteen_fp16(const uint8_t *in)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)in));
}

static void fp16_decode(const uint8_t *in, size_t count, gw_f32 *out)
{
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        store_floats(out + at, sixteen_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode(in + 2 * at, count - at, out + at);
}

static void fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        add_weighted(sum + at, w, sixteen_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

/* Not vcvtneps2bf16: that one takes denormals for zero. */
static void bf16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff), most = _mm512_set1_epi32(0x7f7f0000);
    const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff);
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i bits = load_bits(x + at);
        if (_mm512_cmpgt_epi32_mask(_mm512_and_si512(bits, magnitude), most)) {
            gw_kernels_scalar.bf16_encode(x + at, 16, out + 2 * at);
            continue;
        }
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
        bits = _mm512_add_epi32(bits, _mm512_add_epi32(odd, half));
        _mm256_storeu_si256((__m256i_u *)(out + 2 * at),
                            _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
    }
    gw_kernels_scalar.bf16_encode(x + at, count - at, out + 2 * at);
}

static __m512 sixteen_bf16(const uint8_t *in)
{
    __m256i halves = _mm256_loadu_si256((const __m256i_u *)in);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

static void bf16_decode(const uint8_t *in, size_t count, gw_f32 *out)
{
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        store_floats(out + at, sixteen_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode(in + 2 * at, count - at, out + at);
}

static void bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        add_weighted(sum + at, w, sixteen_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

const struct gw_kernels gw_kernels_avx512 = {
    .name = "avx512",
    .needs = "AVX-512 F",
    .usable = usable,
    .count_nonfinite = count_nonfinite,
    .max_abs = max_abs,
    .sum_abs = sum_abs,
    .sum_squares = sum_squares,
    .sum_by_sign = sum_by_sign,
    .add = add,
    .add_scaled = add_scaled,
    .add_to = add_to,
    .pack = gw_avx512_pack,
    .unpack = gw_avx512_unpack,
    .pack_signs = gw_avx512_pack_signs,
    .unpack_signs = gw_avx512_unpack_signs,
    .unpack_signs_add = gw_avx512_unpack_signs_add,
    .quantize = gw_avx512_quantize,
    .dequantize = gw_avx512_dequantize,
    .dequantize_add = gw_avx512_dequantize_add,
    .fp16_encode = fp16_encode,
    .fp16_decode = fp16_decode,
    .fp16_decode_add = fp16_decode_add,
    .bf16_encode = bf16_encode,
    .bf16_decode = bf16_decode,
    .bf16_decode_add = bf16_decode_add,
};
