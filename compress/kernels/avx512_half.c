/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* 16-bit floats with AVX-512. */
#include "compress/kernels/avx512.h"

float gw_avx512_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m512i infinity = _mm512_set1_epi32(0x7f800000), most = _mm512_set1_epi32(0x477fe000);
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i largest_yet = _mm512_setzero_si512();
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i bits = load_bits(x + at), a = _mm512_and_si512(bits, magnitude);
        largest_yet = _mm512_max_epu32(largest_yet, a);
        __builtin_prefetch(x + at + AHEAD);
        __mmask16 large = _mm512_cmpgt_epi32_mask(a, most);
        large = _mm512_mask_cmplt_epi32_mask(large, a, infinity);
        bits = _mm512_mask_or_epi32(bits, large, _mm512_andnot_si512(magnitude, bits), most);
        _mm256_storeu_si256((__m256i_u *)(out + 2 * at),
                            _mm512_cvtps_ph(_mm512_castsi512_ps(bits), _MM_FROUND_TO_NEAREST_INT));
    }
    return largest(largest_yet, gw_kernels_scalar.fp16_encode(x + at, count - at, out + 2 * at));
}

static __m512 sixteen_fp16(const uint8_t *in)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)in));
}

void gw_avx512_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    size_t at = 0;
    if (stream && (uintptr_t)out % sizeof(float) == 0) {
        struct sink sink = open_sink(out);
        for (; at + 16 <= count; at += 16)
            put_sink(&sink, sixteen_fp16(in + 2 * at));
        close_sink(&sink);
    }
    for (; at + 16 <= count; at += 16)
        store_floats(out + at, sixteen_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode(in + 2 * at, count - at, out + at, 0);
}

void gw_avx512_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        add_weighted(sum + at, w, sixteen_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

/* Not vcvtneps2bf16: that one takes denormals for zero. */
float gw_avx512_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff), most = _mm512_set1_epi32(0x7f7f0000);
    const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff);
    __m512i largest_yet = _mm512_setzero_si512();
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i bits = load_bits(x + at), a = _mm512_and_si512(bits, magnitude);
        largest_yet = _mm512_max_epu32(largest_yet, a);
        __builtin_prefetch(x + at + AHEAD);
        if (_mm512_cmpgt_epi32_mask(a, most)) {
            gw_kernels_scalar.bf16_encode(x + at, 16, out + 2 * at);
            continue;
        }
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
        bits = _mm512_add_epi32(bits, _mm512_add_epi32(odd, half));
        _mm256_storeu_si256((__m256i_u *)(out + 2 * at),
                            _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
    }
    return largest(largest_yet, gw_kernels_scalar.bf16_encode(x + at, count - at, out + 2 * at));
}

static __m512 sixteen_bf16(const uint8_t *in)
{
    __m256i halves = _mm256_loadu_si256((const __m256i_u *)in);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

void gw_avx512_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    size_t at = 0;
    if (stream && (uintptr_t)out % sizeof(float) == 0) {
        struct sink sink = open_sink(out);
        for (; at + 16 <= count; at += 16)
            put_sink(&sink, sixteen_bf16(in + 2 * at));
        close_sink(&sink);
    }
    for (; at + 16 <= count; at += 16)
        store_floats(out + at, sixteen_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode(in + 2 * at, count - at, out + at, 0);
}

void gw_avx512_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    const __m512 w = _mm512_set1_ps(weight);
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        add_weighted(sum + at, w, sixteen_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

int gw_avx512_has_exponent(const uint8_t *in, size_t count, uint16_t exponent)
{
    const __m512i twice = _mm512_set1_epi32((int)(exponent * 0x10001u));
    const __m512i low = _mm512_set1_epi32(exponent);
    size_t at = 0;
    for (; at + 32 <= count; at += 32) {
        __m512i e = _mm512_and_si512(load_bits(in + 2 * at), twice);
        if (_mm512_cmpge_epu32_mask(e, _mm512_slli_epi32(low, 16)) |
            _mm512_cmpeq_epi32_mask(_mm512_and_si512(e, low), low))
            return 1;
    }
    return gw_kernels_scalar.has_exponent(in + 2 * at, count - at, exponent);
}
