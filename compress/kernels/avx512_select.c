/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Selection with AVX-512: vectors are compressed and stored whole, which needs no branch. What is
 * stored beyond the last of them lies in the room that the caller gives, since n <= at. */
#include "compress/kernels/avx512.h"

size_t gw_avx512_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                         uint32_t *positions, gw_f32 *values)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff), limit = _mm512_set1_epi32((int)least);
    size_t at = 0, n = 0;
    for (; at + 16 <= count; at += 16) {
        __m512i v = load_bits(x + at);
        __mmask16 above = _mm512_cmpge_epu32_mask(_mm512_and_si512(v, magnitude), limit);
        __m512i i = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)(first + (uint32_t)at)));
        _mm512_storeu_si512(positions + n, _mm512_maskz_compress_epi32(above, i));
        _mm512_storeu_si512((void *)(values + n), _mm512_maskz_compress_epi32(above, v));
        n += (size_t)__builtin_popcount(above);
    }
    return n + gw_kernels_scalar.collect(x + at, count - at, least, first + (uint32_t)at,
                                         positions + n, values + n);
}
