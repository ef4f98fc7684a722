/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of the AVX-512 set share. */
#ifndef GW_COMPRESS_KERNELS_AVX512_H
#define GW_COMPRESS_KERNELS_AVX512_H

#include <immintrin.h>

#include "compress/kernels/table.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    STEPS = GW_GROUP / 16, /* rows of 16 in a group */
    AHEAD = 512            /* floats from here to what a stream prefetches */
};

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

/* The largest of unsigned lanes and the bits of `rest`, as a float. */
static inline float largest(__m512i lanes, float rest)
{
    uint32_t most = _mm512_reduce_max_epu32(lanes), other = gw_float_bits(rest);
    return gw_bits_float(most > other ? most : other);
}

static inline __m512d eight_doubles(const gw_f32 *x)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps((const float *)x));
}

/* The scale of the row of 16 at element i, which has one. */
INLINE __m512 row_scale(const struct gw_scales *scales, size_t i)
{
    return _mm512_set1_ps(gw_scale_at(scales, i));
}

INLINE void put_values(gw_f32 *out, __m512 values, int add, __m512 weight)
{
    if (add)
        add_weighted(out, weight, values);
    else
        store_floats(out, values);
}

/* ---- outputs past the cache ---- */

/* Rows of 16 for an output at any float's address, written in whole lines by non-temporal stores:
 * a line is the end of one row and the start of the next. Ordinary stores in between would drain
 * the write-combining buffers and cost two thirds of the speed. */
struct sink {
    float *line;        /* the next line, of which `lanes` floats are before the row at hand */
    const gw_f32 *from; /* the output */
    unsigned lanes;
    __m512i pick;
    __m512 row; /* the one before */
};

INLINE struct sink open_sink(gw_f32 *out)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    unsigned before = (unsigned)((uintptr_t)out / sizeof(float) % 16);
    return (struct sink){ (float *)out - before, out, before,
                          _mm512_add_epi32(lanes, _mm512_set1_epi32((int)(16 - before))),
                          _mm512_setzero_ps() };
}

INLINE void put_sink(struct sink *s, __m512 row)
{
    __m512 line = _mm512_permutex2var_ps(s->row, s->pick, row);
    if ((const gw_f32 *)s->line < s->from)
        _mm512_mask_storeu_ps(s->line, (__mmask16)(0xffffu << s->lanes), line);
    else
        _mm512_stream_ps(s->line, line);
    s->line += 16;
    s->row = row;
}

INLINE void close_sink(struct sink *s)
{
    __m512 line = _mm512_permutex2var_ps(s->row, s->pick, s->row);
    if ((const gw_f32 *)s->line > s->from)
        _mm512_mask_storeu_ps(s->line, (__mmask16)((1u << s->lanes) - 1), line);
    _mm_sfence();
}

/* ---- the functions, by file ---- */

/* avx512_reduce.c */
size_t gw_avx512_count_nonfinite(const gw_f32 *x, size_t count, size_t *first);
float gw_avx512_max_abs(const gw_f32 *x, size_t count);
double gw_avx512_sum_squares(const gw_f32 *x, size_t count);
void gw_avx512_add(gw_f32 *sum, const gw_f32 *x, size_t count);
void gw_avx512_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count);
void gw_avx512_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_avx512_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_avx512_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count);

/* avx512_signs.c */
double gw_avx512_sum_abs(const gw_f32 *x, size_t count);
size_t gw_avx512_sum_by_sign(const gw_f32 *x, size_t count, double sums[2]);
void gw_avx512_pack_signs(const gw_f32 *x, size_t count, uint8_t *out);
double gw_avx512_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                uint8_t *out);
size_t gw_avx512_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                 uint8_t *out, double sums[2]);
double gw_avx512_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                               uint8_t *codes);
void gw_avx512_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                                const gw_f32 *const ahead[2], int stream);
void gw_avx512_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                            const struct gw_scales *set, gw_f32 *out);
void gw_avx512_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                const struct gw_scales *set, float weight, gw_f32 *sum);

/* avx512_votes.c */
void gw_avx512_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                        const struct gw_coins *coins, uint8_t *more, uint8_t *tie);

/* avx512_codes.c */
void gw_avx512_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out);
void gw_avx512_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes);
void gw_avx512_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx512_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                             const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx512_dequantize(const uint8_t *in, size_t count, unsigned bits,
                          const struct gw_scales *scales, gw_f32 *out, int stream);
void gw_avx512_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                              const struct gw_scales *scales, float weight, gw_f32 *sum);

/* avx512_half.c */
float gw_avx512_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx512_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_avx512_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);
int gw_avx512_has_exponent(const uint8_t *in, size_t count, uint16_t exponent);
float gw_avx512_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx512_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_avx512_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);

/* avx512_select.c */
size_t gw_avx512_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                         uint32_t *positions, gw_f32 *values);

#endif
