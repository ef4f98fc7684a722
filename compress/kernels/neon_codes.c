/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Packed codes with NEON. Codes go through a group of bytes in the first-level cache: the four
 * bytes of a section's 32-bit lanes are four vectors of 16, which one instruction interleaves. */
#include "compress/kernels/neon.h"

/* Bits [shift, shift + width) of a group's codes. */
static void pack_section(const uint8_t *codes, int shift, int width, uint8_t *out)
{
    const uint8x16_t mask = vdupq_n_u8((uint8_t)((1u << width) - 1));
    const int8x16_t down = vdupq_n_s8((int8_t)-shift);
    for (int row = 0; row < width; row++, out += 64) {
        uint8x16x4_t bytes;
        for (int b = 0; b < 4; b++) {
            bytes.val[b] = vdupq_n_u8(0);
            for (int up = 0; up < 8; up += width, codes += 16) {
                uint8x16_t part = vandq_u8(vshlq_u8(vld1q_u8(codes), down), mask);
                bytes.val[b] = vorrq_u8(bytes.val[b], vshlq_u8(part, vdupq_n_s8((int8_t)up)));
            }
        }
        vst4q_u8(out, bytes);
    }
}

static void unpack_section(const uint8_t *in, int shift, int width, uint8_t *codes)
{
    const uint8x16_t mask = vdupq_n_u8((uint8_t)((1u << width) - 1));
    const int8x16_t up = vdupq_n_s8((int8_t)shift);
    for (int row = 0; row < width; row++, in += 64) {
        uint8x16x4_t bytes = vld4q_u8(in);
        for (int b = 0; b < 4; b++)
            for (int down = 0; down < 8; down += width, codes += 16) {
                uint8x16_t part = vshlq_u8(bytes.val[b], vdupq_n_s8((int8_t)-down));
                part = vshlq_u8(vandq_u8(part, mask), up);
                vst1q_u8(codes, shift ? vorrq_u8(vld1q_u8(codes), part) : part);
            }
    }
}

static void pack_group(const uint8_t *codes, unsigned bits, uint8_t *out)
{
    int shift = 0;
    for (int width = 8; width; width /= 2) {
        if (!(bits & (unsigned)width))
            continue;
        pack_section(codes, shift, width, out);
        out += width * 64;
        shift += width;
    }
}

static void unpack_group(const uint8_t *in, unsigned bits, uint8_t *codes)
{
    int shift = 0;
    for (int width = 8; width; width /= 2) {
        if (!(bits & (unsigned)width))
            continue;
        unpack_section(in, shift, width, codes);
        in += width * 64;
        shift += width;
    }
}

void gw_neon_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP, out += GW_GROUP / 8 * bits)
        pack_group(codes, bits, out);
    gw_kernels_scalar.pack(codes, count, bits, out);
}

void gw_neon_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP, in += GW_GROUP / 8 * bits)
        unpack_group(in, bits, codes);
    gw_kernels_scalar.unpack(in, count, bits, codes);
}

/* ---- sign and magnitude: quantize ---- */

/* Four elements of a row with 16-bit random numbers. */
INLINE uint32x4_t four_codes(const struct gw_quantizer *q, float32x4_t x, float32x4_t inverse,
                             uint32x4_t random)
{
    const float32x4_t levels = vdupq_n_f32(q->levels);
    uint32x4_t sign = vshrq_n_u32(vreinterpretq_u32_f32(x), 31);
    float32x4_t v = vmulq_f32(vabsq_f32(x), inverse);
    v = vbslq_f32(vcltq_f32(v, levels), v, levels); /* of NaN, the level */
    uint32x4_t code = vcvtnq_u32_f32(q->nearest ? v : vmulq_f32(v, vdupq_n_f32(65536.0f)));
    if (!q->nearest)
        code = vshrq_n_u32(vaddq_u32(code, random), 16);
    return vorrq_u32(code, vshlq_u32(sign, vdupq_n_s32((int)q->bits - 1)));
}

/* A row of 16, of x times `shrink`. */
INLINE uint8x16_t row_codes(const struct gw_quantizer *q, const gw_f32 *x, size_t i,
                            const uint32x4_t random[4], int high, float shrink)
{
    const float32x4_t inverse = vdupq_n_f32(gw_scale_at(&q->inverse, i));
    uint32x4_t codes[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        float32x4_t v = load_floats(x + i + 4 * k);
        uint32x4_t r =
            high ? vshrq_n_u32(random[k], 16) : vandq_u32(random[k], vdupq_n_u32(0xffffu));
        codes[k] = four_codes(q, vmulq_n_f32(v, shrink), inverse, r);
    }
    return narrow_row(codes[0], codes[1], codes[2], codes[3]);
}

INLINE void quantize_group(const struct gw_quantizer *q, const gw_f32 *x, size_t at, float shrink,
                           uint8_t *codes)
{
    for (size_t i = at; i < at + GW_GROUP; i += 32) {
        uint32x4_t random[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            random[k] = q->nearest ? vdupq_n_u32(0)
                                   : hash_lanes(q->key, (q->element + i) / 2, 4 * (uint32_t)k);
        gw_prefetch_pair(q->ahead, i);
        vst1q_u8(codes + (i - at), row_codes(q, x, i, random, 0, shrink));
        vst1q_u8(codes + (i - at) + 16, row_codes(q, x, i + 16, random, 1, shrink));
    }
}

static int fits(const struct gw_quantizer *q)
{
    return q->inverse.offset % 16 == 0 && (q->nearest || q->element % 32 == 0);
}

void gw_neon_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out)
{
    size_t at = 0;
    for (; fits(q) && at + GW_GROUP <= count; at += GW_GROUP) {
        uint8_t codes[GW_GROUP];
        quantize_group(q, x, at, 1, codes);
        pack_group(codes, q->bits, out + at / 8 * q->bits);
    }
    struct gw_quantizer rest = gw_quantizer_from(*q, at);
    gw_kernels_scalar.quantize(&rest, x + at, count - at, out + at / 8 * q->bits);
}

/* ---- sign and magnitude: back ---- */

INLINE void put_row(uint8x16_t codes, unsigned bits, float scale, int add, float weight,
                    gw_f32 *out)
{
    const uint32x4_t magnitudes = vdupq_n_u32((1u << bits >> 1) - 1);
    const int32x4_t to_sign = vdupq_n_s32(32 - (int)bits);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        uint32x4_t code = widen_quarter(codes, k);
        uint32x4_t sign = vandq_u32(vshlq_u32(code, to_sign), vdupq_n_u32(0x80000000u));
        float32x4_t value = vmulq_n_f32(vcvtq_f32_u32(vandq_u32(code, magnitudes)), scale);
        value = vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(value), sign));
        if (add)
            add_weighted(out + 4 * k, vdupq_n_f32(weight), value);
        else
            store_floats(out + 4 * k, value);
    }
}

INLINE void put_group(const uint8_t *codes, unsigned bits, const struct gw_scales *scales,
                      size_t at, int add, float weight, gw_f32 *out)
{
    for (size_t i = 0; i < GW_GROUP; i += 16)
        put_row(vld1q_u8(codes + i), bits, gw_scale_at(scales, at + i), add, weight, out + at + i);
}

INLINE size_t dequantize_groups(const uint8_t *in, size_t count, unsigned bits,
                                const struct gw_scales *scales, int add, float weight, gw_f32 *out)
{
    size_t at = 0;
    for (; scales->offset % 16 == 0 && at + GW_GROUP <= count; at += GW_GROUP) {
        uint8_t codes[GW_GROUP];
        unpack_group(in + at / 8 * bits, bits, codes);
        put_group(codes, bits, scales, at, add, weight, out);
    }
    return at;
}

void gw_neon_dequantize(const uint8_t *in, size_t count, unsigned bits,
                        const struct gw_scales *scales, gw_f32 *out, int stream)
{
    (void)stream;
    size_t done = dequantize_groups(in, count, bits, scales, 0, 0, out);
    struct gw_scales here = gw_scales_from(*scales, done);
    gw_kernels_scalar.dequantize(in + done / 8 * bits, count - done, bits, &here, out + done, 0);
}

void gw_neon_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                            const struct gw_scales *scales, float weight, gw_f32 *sum)
{
    size_t done = dequantize_groups(in, count, bits, scales, 1, weight, sum);
    struct gw_scales here = gw_scales_from(*scales, done);
    gw_kernels_scalar.dequantize_add(in + done / 8 * bits, count - done, bits, &here, weight,
                                     sum + done);
}

/* The input of quantize_rest, to where its rest will be. */
static void put_input(const struct gw_rest *rest, const gw_f32 *x, size_t at)
{
    for (size_t i = at; i < at + GW_GROUP; i += 4) {
        float32x4_t v = load_floats(x + i);
        store_floats(rest->out + i, rest->state ? vaddq_f32(v, load_floats(rest->state + i)) : v);
    }
}

void gw_neon_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                           const gw_f32 *x, size_t count, uint8_t *out)
{
    size_t at = 0;
    for (; fits(q) && rest->scales.offset % 16 == 0 && at + GW_GROUP <= count; at += GW_GROUP) {
        uint8_t codes[GW_GROUP];
        put_input(rest, x, at);
        quantize_group(q, rest->out, at, rest->shrink, codes);
        pack_group(codes, q->bits, out + at / 8 * q->bits);
        put_group(codes, q->bits, &rest->scales, at, 1, -1.0f, rest->out);
    }
    struct gw_quantizer later = gw_quantizer_from(*q, at);
    struct gw_rest here = gw_rest_from(*rest, at);
    gw_kernels_scalar.quantize_rest(&later, &here, x + at, count - at, out + at / 8 * q->bits);
}
