/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of the NEON set share. Vectors have four lanes; a row of 16 is four of them. */
#ifndef GW_COMPRESS_KERNELS_NEON_H
#define GW_COMPRESS_KERNELS_NEON_H

#include <arm_neon.h>

#include "compress/kernels/table.h"

#define INLINE static inline __attribute__((always_inline))

enum { STEPS = GW_GROUP / 16 }; /* rows of 16 in a group */

/* Loads and stores at any address. */
INLINE uint32x4_t load_bits(const void *x)
{
    return vreinterpretq_u32_u8(vld1q_u8(x));
}

INLINE float32x4_t load_floats(const gw_f32 *x)
{
    return vreinterpretq_f32_u8(vld1q_u8((const void *)x));
}

INLINE void store_floats(gw_f32 *x, float32x4_t v)
{
    vst1q_u8((void *)x, vreinterpretq_u8_f32(v));
}

/* The product is rounded first: no fused multiply-add. */
INLINE void add_weighted(gw_f32 *sum, float32x4_t weight, float32x4_t value)
{
    store_floats(sum, vaddq_f32(load_floats(sum), vmulq_f32(weight, value)));
}

/* 16 lanes of 32 bits to bytes, and back. */
INLINE uint8x16_t narrow_row(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d)
{
    uint16x8_t low = vcombine_u16(vmovn_u32(a), vmovn_u32(b));
    uint16x8_t high = vcombine_u16(vmovn_u32(c), vmovn_u32(d));
    return vcombine_u8(vmovn_u16(low), vmovn_u16(high));
}

INLINE uint32x4_t widen_quarter(uint8x16_t row, int quarter)
{
    uint16x8_t half = quarter < 2 ? vmovl_u8(vget_low_u8(row)) : vmovl_high_u8(row);
    return quarter % 2 ? vmovl_high_u16(half) : vmovl_u16(vget_low_u16(half));
}

/* gw_random_u32 of counters, xored with the key's first half. */
INLINE uint32x4_t hash_counters(uint32x4_t h, uint32_t second)
{
    h = veorq_u32(h, vshrq_n_u32(h, 16));
    h = vmulq_n_u32(h, 0x21f0aaadu);
    h = veorq_u32(h, vshrq_n_u32(h, 15));
    h = vaddq_u32(h, vdupq_n_u32(second));
    h = vmulq_n_u32(h, 0x735a2d97u);
    return veorq_u32(h, vshrq_n_u32(h, 15));
}

/* Of counters counter + lane .. + 3; counter is a multiple of 16, lane below it. */
INLINE uint32x4_t hash_lanes(struct gw_random_key key, uint64_t counter, uint32_t lane)
{
    static const uint32_t steps[4] = { 0, 1, 2, 3 };
    uint32_t base = (uint32_t)counter ^ key.first ^ ((uint32_t)(counter >> 32) * 0x9e3779b9u);
    uint32x4_t lanes = vaddq_u32(vld1q_u32(steps), vdupq_n_u32(lane));
    return hash_counters(veorq_u32(vdupq_n_u32(base), lanes), key.second);
}

/* ---- the functions, by file ---- */

/* neon_reduce.c */
size_t gw_neon_count_nonfinite(const gw_f32 *x, size_t count, size_t *first);
float gw_neon_max_abs(const gw_f32 *x, size_t count);
double gw_neon_sum_squares(const gw_f32 *x, size_t count);
void gw_neon_add(gw_f32 *sum, const gw_f32 *x, size_t count);
void gw_neon_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count);
void gw_neon_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_neon_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_neon_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count);
size_t gw_neon_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                       uint32_t *positions, gw_f32 *values);

/* neon_signs.c */
double gw_neon_sum_abs(const gw_f32 *x, size_t count);
size_t gw_neon_sum_by_sign(const gw_f32 *x, size_t count, double sums[2]);
void gw_neon_pack_signs(const gw_f32 *x, size_t count, uint8_t *out);
double gw_neon_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                              uint8_t *out);
size_t gw_neon_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                               uint8_t *out, double sums[2]);
double gw_neon_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                             uint8_t *codes);
void gw_neon_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                              const gw_f32 *const ahead[2], int stream);
void gw_neon_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                          const struct gw_scales *set, gw_f32 *out);
void gw_neon_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                              const struct gw_scales *set, float weight, gw_f32 *sum);

/* neon_votes.c */
void gw_neon_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                      const struct gw_coins *coins, uint8_t *more, uint8_t *tie);

/* neon_codes.c */
void gw_neon_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out);
void gw_neon_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes);
void gw_neon_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out);
void gw_neon_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                           const gw_f32 *x, size_t count, uint8_t *out);
void gw_neon_dequantize(const uint8_t *in, size_t count, unsigned bits,
                        const struct gw_scales *scales, gw_f32 *out, int stream);
void gw_neon_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                            const struct gw_scales *scales, float weight, gw_f32 *sum);

/* neon_half.c */
float gw_neon_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_neon_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_neon_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);
int gw_neon_has_exponent(const uint8_t *in, size_t count, uint16_t exponent);
float gw_neon_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_neon_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_neon_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);

#endif
