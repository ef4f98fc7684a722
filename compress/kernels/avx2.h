/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of the AVX2 set share. */
#ifndef GW_COMPRESS_KERNELS_AVX2_H
#define GW_COMPRESS_KERNELS_AVX2_H

#include <immintrin.h>

#include "compress/kernels/table.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    STEPS = GW_GROUP / 16, /* rows of 16 in a group */
    AHEAD = 512            /* floats from here to what a stream prefetches */
};

struct row { /* 16 lanes of 32 bits */
    __m256i low, high;
};

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

/* The largest of unsigned lanes and the bits of `rest`, as a float. */
static inline float largest(__m256i lanes, float rest)
{
    uint32_t each[8], most = gw_float_bits(rest);
    _mm256_storeu_si256((__m256i_u *)each, lanes);
    for (int l = 0; l < 8; l++)
        most = each[l] > most ? each[l] : most;
    return gw_bits_float(most);
}

static inline __m256d four_doubles(const gw_f32 *x)
{
    return _mm256_cvtps_pd(_mm_loadu_ps((const float *)x));
}

/* The scale of the row of 16 at element i, which has one. */
INLINE __m256 row_scale(const struct gw_scales *scales, size_t i)
{
    return _mm256_set1_ps(gw_scale_at(scales, i));
}

INLINE void put_values(gw_f32 *out, __m256 low, __m256 high, int add, __m256 weight)
{
    if (add) {
        add_weighted(out, weight, low);
        add_weighted(out + 8, weight, high);
    } else {
        store_floats(out, low);
        store_floats(out + 8, high);
    }
}

/* ---- outputs past the cache ---- */

/* Eights for an output at any float's address, written by non-temporal stores: what is stored is
 * the end of one eight and the start of the next. Ordinary stores in between would drain the
 * write-combining buffers and cost two thirds of the speed. */
struct sink {
    float *next;        /* where the next store goes: `lanes` floats before the eight at hand */
    const gw_f32 *from; /* the output */
    unsigned lanes;
    __m256i turn;  /* lane l of what is stored is lane l - lanes, around */
    __m256 before; /* mask of the lanes that come from the eight before */
    __m256 eight;  /* that one, turned */
};

INLINE struct sink open_sink(gw_f32 *out)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    unsigned before = (unsigned)((uintptr_t)out / sizeof(float) % 8);
    __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)before), lanes);
    return (struct sink){ (float *)out - before,
                          out,
                          before,
                          _mm256_sub_epi32(lanes, _mm256_set1_epi32((int)before)),
                          _mm256_castsi256_ps(mask),
                          _mm256_setzero_ps() };
}

INLINE void put_sink(struct sink *s, __m256 eight)
{
    __m256 turned = _mm256_permutevar8x32_ps(eight, s->turn);
    __m256 whole = _mm256_blendv_ps(turned, s->eight, s->before);
    __m256i after = _mm256_xor_si256(_mm256_castps_si256(s->before), _mm256_set1_epi32(-1));
    if ((const gw_f32 *)s->next < s->from)
        _mm256_maskstore_ps(s->next, after, whole);
    else
        _mm256_stream_ps(s->next, whole);
    s->next += 8;
    s->eight = turned;
}

INLINE void close_sink(struct sink *s)
{
    if ((const gw_f32 *)s->next > s->from)
        _mm256_maskstore_ps(s->next, _mm256_castps_si256(s->before), s->eight);
    _mm_sfence();
}

/* ---- the functions, by file ---- */

/* avx2_reduce.c */
size_t gw_avx2_count_nonfinite(const gw_f32 *x, size_t count, size_t *first);
float gw_avx2_max_abs(const gw_f32 *x, size_t count);
double gw_avx2_sum_squares(const gw_f32 *x, size_t count);
void gw_avx2_add(gw_f32 *sum, const gw_f32 *x, size_t count);
void gw_avx2_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count);
void gw_avx2_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_avx2_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_avx2_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count);

/* avx2_signs.c */
double gw_avx2_sum_abs(const gw_f32 *x, size_t count);
size_t gw_avx2_sum_by_sign(const gw_f32 *x, size_t count, double sums[2]);
void gw_avx2_pack_signs(const gw_f32 *x, size_t count, uint8_t *out);
double gw_avx2_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                              uint8_t *out);
size_t gw_avx2_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                               uint8_t *out, double sums[2]);
double gw_avx2_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                             uint8_t *codes);
void gw_avx2_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                              const gw_f32 *const ahead[2], int stream);
void gw_avx2_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                          const struct gw_scales *set, gw_f32 *out);
void gw_avx2_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                              const struct gw_scales *set, float weight, gw_f32 *sum);

/* avx2_votes.c */
void gw_avx2_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                      const struct gw_coins *coins, uint8_t *more, uint8_t *tie);

/* avx2_codes.c */
void gw_avx2_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out);
void gw_avx2_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes);
void gw_avx2_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx2_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                           const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx2_dequantize(const uint8_t *in, size_t count, unsigned bits,
                        const struct gw_scales *scales, gw_f32 *out, int stream);
void gw_avx2_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                            const struct gw_scales *scales, float weight, gw_f32 *sum);

/* avx2_half.c */
float gw_avx2_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx2_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_avx2_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);
int gw_avx2_has_exponent(const uint8_t *in, size_t count, uint16_t exponent);
float gw_avx2_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_avx2_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_avx2_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);

/* avx2_select.c */
size_t gw_avx2_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                       uint32_t *positions, gw_f32 *values);

#endif
