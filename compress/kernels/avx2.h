/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the two files of the AVX2 set share. Include <immintrin.h> first. */
#ifndef GW_COMPRESS_KERNELS_AVX2_H
#define GW_COMPRESS_KERNELS_AVX2_H

#include "compress/kernels/table.h"

static inline __m256 load_floats(const gw_f32 *x)
{
    return _mm256_loadu_ps((const float *)x);
}

static inline __m256i load_bits(const gw_f32 *x)
{
    return _mm256_loadu_si256((const __m256i_u *)x);
}

static inline void store_floats(gw_f32 *x, __m256 v)
{
    _mm256_storeu_ps((float *)x, v);
}

static inline void add_weighted(gw_f32 *sum, __m256 weight, __m256 value)
{
    store_floats(sum, _mm256_add_ps(load_floats(sum), _mm256_mul_ps(weight, value)));
}

void gw_avx2_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out);
void gw_avx2_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes);
void gw_avx2_pack_signs(const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx2_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                          const struct gw_scales *set, gw_f32 *out);
void gw_avx2_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                              const struct gw_scales *set, float weight, gw_f32 *sum);
void gw_avx2_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx2_dequantize(const uint8_t *in, size_t count, unsigned bits,
                        const struct gw_scales *scales, gw_f32 *out);
void gw_avx2_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                            const struct gw_scales *scales, float weight, gw_f32 *sum);

#endif
