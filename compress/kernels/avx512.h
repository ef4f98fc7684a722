/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the two files of the AVX-512 set share. Include <immintrin.h> first. */
#ifndef GW_COMPRESS_KERNELS_AVX512_H
#define GW_COMPRESS_KERNELS_AVX512_H

#include "compress/kernels/table.h"

static inline __m512 load_floats(const gw_f32 *x)
{
    return _mm512_loadu_ps((const void *)x);
}

static inline __m512i load_bits(const void *x)
{
    return _mm512_loadu_si512(x);
}

static inline void store_floats(gw_f32 *x, __m512 v)
{
    _mm512_storeu_ps((void *)x, v);
}

static inline void add_weighted(gw_f32 *sum, __m512 weight, __m512 value)
{
    store_floats(sum, _mm512_add_ps(load_floats(sum), _mm512_mul_ps(weight, value)));
}

void gw_avx512_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out);
void gw_avx512_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes);
void gw_avx512_pack_signs(const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx512_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                            const struct gw_scales *set, gw_f32 *out);
void gw_avx512_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                const struct gw_scales *set, float weight, gw_f32 *sum);
void gw_avx512_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx512_dequantize(const uint8_t *in, size_t count, unsigned bits,
                          const struct gw_scales *scales, gw_f32 *out);
void gw_avx512_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                              const struct gw_scales *scales, float weight, gw_f32 *sum);

#endif
