/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* 16-bit floats with NEON. */
#include "compress/kernels/neon.h"

INLINE uint32x4_t magnitude(uint32x4_t bits)
{
    return vbicq_u32(bits, vdupq_n_u32(0x80000000u));
}

float gw_neon_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    const uint32x4_t infinity = vdupq_n_u32(0x7f800000u), most = vdupq_n_u32(0x477fe000u);
    uint32x4_t largest = vdupq_n_u32(0);
    size_t at = 0;
    for (; at + 4 <= count; at += 4) {
        uint32x4_t bits = load_bits(x + at), a = magnitude(bits);
        uint32x4_t large = vandq_u32(vcgtq_u32(a, most), vcltq_u32(a, infinity));
        uint32x4_t limited = vorrq_u32(most, veorq_u32(bits, a));
        float32x4_t v = vreinterpretq_f32_u32(vbslq_u32(large, limited, bits));
        vst1_u8(out + 2 * at, vreinterpret_u8_f16(vcvt_f16_f32(v)));
        largest = vmaxq_u32(largest, a);
    }
    uint32_t wide = vmaxvq_u32(largest);
    uint32_t rest = gw_float_bits(gw_kernels_scalar.fp16_encode(x + at, count - at, out + 2 * at));
    return gw_bits_float(wide > rest ? wide : rest);
}

INLINE float32x4_t four_fp16(const uint8_t *in)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(in)));
}

void gw_neon_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    (void)stream;
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        store_floats(out + at, four_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode(in + 2 * at, count - at, out + at, 0);
}

void gw_neon_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        add_weighted(sum + at, vdupq_n_f32(weight), four_fp16(in + 2 * at));
    gw_kernels_scalar.fp16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

/* Those above the largest number are left to the reference. */
float gw_neon_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    uint32x4_t largest = vdupq_n_u32(0);
    size_t at = 0;
    for (; at + 4 <= count; at += 4) {
        uint32x4_t bits = load_bits(x + at), a = magnitude(bits);
        largest = vmaxq_u32(largest, a);
        if (vmaxvq_u32(a) > 0x7f7f0000u) {
            gw_kernels_scalar.bf16_encode(x + at, 4, out + 2 * at);
            continue;
        }
        uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
        bits = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
        vst1_u8(out + 2 * at, vreinterpret_u8_u16(vshrn_n_u32(bits, 16)));
    }
    uint32_t wide = vmaxvq_u32(largest);
    uint32_t rest = gw_float_bits(gw_kernels_scalar.bf16_encode(x + at, count - at, out + 2 * at));
    return gw_bits_float(wide > rest ? wide : rest);
}

INLINE float32x4_t four_bf16(const uint8_t *in)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(in)), 16));
}

void gw_neon_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    (void)stream;
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        store_floats(out + at, four_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode(in + 2 * at, count - at, out + at, 0);
}

void gw_neon_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        add_weighted(sum + at, vdupq_n_f32(weight), four_bf16(in + 2 * at));
    gw_kernels_scalar.bf16_decode_add(in + 2 * at, count - at, weight, sum + at);
}

int gw_neon_has_exponent(const uint8_t *in, size_t count, uint16_t exponent)
{
    const uint16x8_t mask = vdupq_n_u16(exponent);
    size_t at = 0;
    for (; at + 8 <= count; at += 8) {
        uint16x8_t e = vandq_u16(vreinterpretq_u16_u8(vld1q_u8(in + 2 * at)), mask);
        if (vmaxvq_u16(vceqq_u16(e, mask)))
            return 1;
    }
    return gw_kernels_scalar.has_exponent(in + 2 * at, count - at, exponent);
}
