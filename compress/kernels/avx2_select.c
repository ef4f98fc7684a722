/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Selection with AVX2: 32 comparisons to one word, whose set bits are few. */
#include "compress/kernels/avx2.h"

/* Bit i: magnitude i of eight exceeds `below`. Magnitudes are positive as integers. */
static inline uint32_t eight_above(const gw_f32 *x, __m256i below)
{
    __m256i m = _mm256_and_si256(load_bits(x), _mm256_set1_epi32(0x7fffffff));
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(m, below)));
}

size_t gw_avx2_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                       uint32_t *positions, gw_f32 *values)
{
    const __m256i below = _mm256_set1_epi32((int)(least - 1));
    size_t at = 0, n = 0;
    for (; at + 32 <= count; at += 32) {
        uint32_t above = eight_above(x + at, below) | eight_above(x + at + 8, below) << 8 |
                         eight_above(x + at + 16, below) << 16 |
                         eight_above(x + at + 24, below) << 24;
        for (; above; above &= above - 1, n++) {
            size_t i = at + (size_t)__builtin_ctz(above);
            positions[n] = first + (uint32_t)i;
            values[n] = x[i];
        }
    }
    return n + gw_kernels_scalar.collect(x + at, count - at, least, first + (uint32_t)at,
                                         positions + n, values + n);
}
