/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* 16-bit floats with AVX2. */
#include "compress/kernels/avx2.h"

float gw_avx2_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m256 most = _mm256_set1_ps(65504.0f), sign = _mm256_set1_ps(-0.0f);
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    __m256i largest_yet = _mm256_setzero_si256();
    size_t at = 0;
    for (; at + 8 <= count; at += 8) {
        __m256 v = load_floats(x + at);
        __m256i e = _mm256_and_si256(_mm256_castps_si256(v), exponent);
        __m256 special = _mm256_castsi256_ps(_mm256_cmpeq_epi32(e, exponent));
        __m256 a = _mm256_andnot_ps(sign, v);
        largest_yet = _mm256_max_epu32(largest_yet, _mm256_castps_si256(a));
        __builtin_prefetch(x + at + AHEAD);
        a = _mm256_min_ps(a, most);
        __m256 clamped = _mm256_or_ps(a, _mm256_and_ps(sign, v));
        v = _mm256_blendv_ps(clamped, v, special);
        _mm_storeu_si128((__m128i_u *)(out + 2 * at),
                         _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    return largest(largest_yet, gw_kernels_scalar.fp16_encode(x + at, count - at, out + 2 * at));
}

static __m256 eight_fp16(const uint8_t *in)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)in));
}

void gw_avx2_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    size_t at = 0;
    if (stream && (uintptr_t)out % sizeof(float) == 0) {
        struct sink sink = open_sink(out);
        for (; at + 8 <= count; at += 8)
            put_sink(&sink, eight_fp16(in + 2 * at));
        close_sink(&sink);
    }
    for (; at + 8 <= count; at += 8)
        store_floats(out + at, eight_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode(in + 2 * at, count - at, out + at, 0);
}

void gw_avx2_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
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

float gw_avx2_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff), most = _mm256_set1_epi32(0x7f7f0000);
    __m256i largest_yet = _mm256_setzero_si256();
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        __m256i low = load_bits(x + at), high = load_bits(x + at + 8);
        __m256i a =
            _mm256_max_epu32(_mm256_and_si256(low, magnitude), _mm256_and_si256(high, magnitude));
        __m256i above = _mm256_cmpgt_epi32(a, most);
        largest_yet = _mm256_max_epu32(largest_yet, a);
        __builtin_prefetch(x + at + AHEAD);
        if (!_mm256_testz_si256(above, above)) {
            gw_kernels_scalar.bf16_encode(x + at, 16, out + 2 * at);
            continue;
        }
        __m256i pair = _mm256_packus_epi32(eight_to_bf16(low), eight_to_bf16(high));
        _mm256_storeu_si256((__m256i_u *)(out + 2 * at), _mm256_permute4x64_epi64(pair, 0xd8));
    }
    return largest(largest_yet, gw_kernels_scalar.bf16_encode(x + at, count - at, out + 2 * at));
}

static __m256 eight_bf16(const uint8_t *in)
{
    __m128i halves = _mm_loadu_si128((const __m128i_u *)in);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

void gw_avx2_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    size_t at = 0;
    if (stream && (uintptr_t)out % sizeof(float) == 0) {
        struct sink sink = open_sink(out);
        for (; at + 8 <= count; at += 8)
            put_sink(&sink, eight_bf16(in + 2 * at));
        close_sink(&sink);
    }
    for (; at + 8 <= count; at += 8)
        store_floats(out + at, eight_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode(in + 2 * at, count - at, out + at, 0);
}

void gw_avx2_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    const __m256 w = _mm256_set1_ps(weight);
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        add_weighted(sum + at, w, eight_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

int gw_avx2_has_exponent(const uint8_t *in, size_t count, uint16_t exponent)
{
    const __m256i mask = _mm256_set1_epi16((short)exponent);
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        __m256i e = _mm256_and_si256(_mm256_loadu_si256((const __m256i_u *)(in + 2 * at)), mask);
        if (_mm256_movemask_epi8(_mm256_cmpeq_epi16(e, mask)))
            return 1;
    }
    return gw_kernels_scalar.has_exponent(in + 2 * at, count - at, exponent);
}
