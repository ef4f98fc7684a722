/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference layout of packed codes, and sign and magnitude codes on it. */
#include "compress/kernels/scalar.h"

/* ---- packed codes ---- */

/* Bits [shift, shift + width) of the codes of a full group, as `width` rows of 16 words. */
static void pack_section(const uint8_t *codes, unsigned shift, unsigned width, uint8_t *out)
{
    uint32_t mask = (1u << width) - 1, per_word = 32 / width;
    for (uint32_t row = 0; row < width; row++) {
        const uint8_t *base = codes + (size_t)row * per_word * 16;
        for (uint32_t lane = 0; lane < 16; lane++) {
            uint32_t word = 0;
            for (uint32_t k = 0; k < per_word; k++)
                word |= ((uint32_t)base[k * 16 + lane] >> shift & mask) << (k * width);
            gw_put_u32(out + (size_t)(row * 16 + lane) * 4, word);
        }
    }
}

static void unpack_section(const uint8_t *in, unsigned shift, unsigned width, uint8_t *codes)
{
    uint32_t mask = (1u << width) - 1, per_word = 32 / width;
    for (uint32_t row = 0; row < width; row++) {
        uint8_t *base = codes + (size_t)row * per_word * 16;
        for (uint32_t lane = 0; lane < 16; lane++) {
            uint32_t word = gw_get_u32(in + (size_t)(row * 16 + lane) * 4);
            for (uint32_t k = 0; k < per_word; k++)
                base[k * 16 + lane] |= (uint8_t)((word >> (k * width) & mask) << shift);
        }
    }
}

static void pack_tail(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
{
    uint32_t pending = 0, held = 0, mask = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        pending |= (codes[i] & mask) << held;
        for (held += bits; held >= 8; held -= 8, pending >>= 8)
            *out++ = (uint8_t)pending;
    }
    if (held)
        *out = (uint8_t)pending;
}

static void unpack_tail(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes)
{
    uint32_t pending = 0, held = 0, mask = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        if (held < bits) {
            pending |= (uint32_t)*in++ << held;
            held += 8;
        }
        codes[i] = (uint8_t)(pending & mask);
        pending >>= bits;
        held -= bits;
    }
}

void gw_scalar_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP) {
        for (unsigned width = 8, shift = 0; width; width /= 2) {
            if (!(bits & width))
                continue;
            pack_section(codes, shift, width, out);
            out += (size_t)width * 64;
            shift += width;
        }
    }
    pack_tail(codes, count, bits, out);
}

void gw_scalar_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP) {
        memset(codes, 0, GW_GROUP);
        for (unsigned width = 8, shift = 0; width; width /= 2) {
            if (!(bits & width))
                continue;
            unpack_section(in, shift, width, codes);
            in += (size_t)width * 64;
            shift += width;
        }
    }
    unpack_tail(in, count, bits, codes);
}

/* ---- sign and magnitude ---- */

void gw_scalar_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        for (size_t i = 0; i < n; i++) {
            uint32_t sign = gw_float_bits(x[at + i]) >> 31;
            uint32_t magnitude = gw_quantize_one(q, x[at + i], gw_scale_at(&q->inverse, at + i),
                                                 q->element + at + i);
            codes[i] = (uint8_t)(sign << q->bits >> 1 | magnitude);
        }
        gw_scalar_pack(codes, n, q->bits, out);
        out += (size_t)GW_GROUP / 8 * q->bits;
    }
}

static float code_value(uint8_t code, unsigned bits, float scale)
{
    uint32_t top = 1u << bits >> 1;
    float value = scale * (float)(code & (top - 1));
    return gw_bits_float(gw_float_bits(value) ^ (code & top ? 0x80000000u : 0));
}

void gw_scalar_dequantize(const uint8_t *in, size_t count, unsigned bits,
                          const struct gw_scales *scales, gw_f32 *out, int stream)
{
    (void)stream;
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += (size_t)GW_GROUP / 8 * bits) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        gw_scalar_unpack(in, n, bits, codes);
        for (size_t i = 0; i < n; i++)
            out[at + i] = code_value(codes[i], bits, gw_scale_at(scales, at + i));
    }
}

void gw_scalar_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                              const struct gw_scales *scales, float weight, gw_f32 *sum)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += (size_t)GW_GROUP / 8 * bits) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        gw_scalar_unpack(in, n, bits, codes);
        for (size_t i = 0; i < n; i++)
            sum[at + i] += weight * code_value(codes[i], bits, gw_scale_at(scales, at + i));
    }
}

void gw_scalar_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                             const gw_f32 *x, size_t count, uint8_t *out)
{
    gw_f32 shrunk[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        struct gw_quantizer here = gw_quantizer_from(*q, at);
        for (size_t i = 0; i < n; i++) {
            float sum = rest->state ? x[at + i] + rest->state[at + i] : x[at + i];
            shrunk[i] = sum * rest->shrink;
            rest->out[at + i] = sum;
        }
        gw_scalar_quantize(&here, shrunk, n, out + at / 8 * q->bits);
    }
    gw_scalar_dequantize_add(out, count, q->bits, &rest->scales, -1.0f, rest->out);
}
