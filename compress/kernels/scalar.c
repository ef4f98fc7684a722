/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference kernels: what every other set must equal bit for bit. Plain loops, nothing clever;
 * the other sets call them for tails and for alignments that are not worth a fast path. */
#include "compress/kernels/table.h"

static int usable(void)
{
    return 1;
}

/* ---- reductions ---- */

static size_t count_nonfinite(const gw_f32 *x, size_t count, size_t *first)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (gw_is_finite(x[i]))
            continue;
        if (found++ == 0)
            *first = i;
    }
    return found;
}

static float max_abs(const gw_f32 *x, size_t count)
{
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t a = gw_float_bits(x[i]) & 0x7fffffffu;
        most = a > most ? a : most;
    }
    return gw_bits_float(most);
}

static double sum_abs(const gw_f32 *x, size_t count)
{
    double lanes[16] = { 0 };
    for (size_t i = 0; i < count; i++)
        lanes[i % 16] += (double)__builtin_fabsf(x[i]);
    return gw_sum_lanes(lanes);
}

static double sum_squares(const gw_f32 *x, size_t count)
{
    double lanes[16] = { 0 };
    for (size_t i = 0; i < count; i++)
        lanes[i % 16] += (double)x[i] * (double)x[i];
    return gw_sum_lanes(lanes);
}

static size_t sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
{
    double lanes[2][16] = { { 0 } };
    size_t negatives = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned negative = gw_float_bits(x[i]) >> 31;
        negatives += negative;
        lanes[negative][i % 16] += (double)x[i];
    }
    sums[0] = gw_sum_lanes(lanes[0]);
    sums[1] = gw_sum_lanes(lanes[1]);
    return negatives;
}

/* ---- sums of vectors ---- */

static void add(gw_f32 *sum, const gw_f32 *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += x[i];
}

static void add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += weight * x[i];
}

static void add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = a[i] + b[i];
}

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

static void pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
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

static void unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes)
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

/* ---- signs ---- */

static void pack_signs(const gw_f32 *x, size_t count, uint8_t *out)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, out += GW_GROUP / 8) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        for (size_t i = 0; i < n; i++)
            codes[i] = (uint8_t)(gw_float_bits(x[at + i]) >> 31);
        pack(codes, n, 1, out);
    }
}

static void unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                         const struct gw_scales *set, gw_f32 *out)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += GW_GROUP / 8) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        unpack(in, n, 1, codes);
        for (size_t i = 0; i < n; i++)
            out[at + i] = gw_scale_at(codes[i] ? set : clear, at + i);
    }
}

static void unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                             const struct gw_scales *set, float weight, gw_f32 *sum)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += GW_GROUP / 8) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        unpack(in, n, 1, codes);
        for (size_t i = 0; i < n; i++)
            sum[at + i] += weight * gw_scale_at(codes[i] ? set : clear, at + i);
    }
}

/* ---- sign and magnitude ---- */

static void quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out)
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
        pack(codes, n, q->bits, out);
        out += (size_t)GW_GROUP / 8 * q->bits;
    }
}

static float code_value(uint8_t code, unsigned bits, float scale)
{
    uint32_t top = 1u << bits >> 1;
    float value = scale * (float)(code & (top - 1));
    return gw_bits_float(gw_float_bits(value) ^ (code & top ? 0x80000000u : 0));
}

static void dequantize(const uint8_t *in, size_t count, unsigned bits,
                       const struct gw_scales *scales, gw_f32 *out)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += (size_t)GW_GROUP / 8 * bits) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        unpack(in, n, bits, codes);
        for (size_t i = 0; i < n; i++)
            out[at + i] = code_value(codes[i], bits, gw_scale_at(scales, at + i));
    }
}

static void dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                           const struct gw_scales *scales, float weight, gw_f32 *sum)
{
    uint8_t codes[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP, in += (size_t)GW_GROUP / 8 * bits) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        unpack(in, n, bits, codes);
        for (size_t i = 0; i < n; i++)
            sum[at + i] += weight * code_value(codes[i], bits, gw_scale_at(scales, at + i));
    }
}

/* ---- 16-bit floats ---- */

static void fp16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        gw_put_u16(out + 2 * i, gw_float_to_fp16(x[i]));
}

static void fp16_decode(const uint8_t *in, size_t count, gw_f32 *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = gw_fp16_to_float(gw_get_u16(in + 2 * i));
}

static void fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += weight * gw_fp16_to_float(gw_get_u16(in + 2 * i));
}

static void bf16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        gw_put_u16(out + 2 * i, gw_float_to_bf16(x[i]));
}

static void bf16_decode(const uint8_t *in, size_t count, gw_f32 *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = gw_bits_float((uint32_t)gw_get_u16(in + 2 * i) << 16);
}

static void bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += weight * gw_bits_float((uint32_t)gw_get_u16(in + 2 * i) << 16);
}

const struct gw_kernels gw_kernels_scalar = {
    .name = "scalar",
    .needs = "",
    .usable = usable,
    .count_nonfinite = count_nonfinite,
    .max_abs = max_abs,
    .sum_abs = sum_abs,
    .sum_squares = sum_squares,
    .sum_by_sign = sum_by_sign,
    .add = add,
    .add_scaled = add_scaled,
    .add_to = add_to,
    .pack = pack,
    .unpack = unpack,
    .pack_signs = pack_signs,
    .unpack_signs = unpack_signs,
    .unpack_signs_add = unpack_signs_add,
    .quantize = quantize,
    .dequantize = dequantize,
    .dequantize_add = dequantize_add,
    .fp16_encode = fp16_encode,
    .fp16_decode = fp16_decode,
    .fp16_decode_add = fp16_decode_add,
    .bf16_encode = bf16_encode,
    .bf16_decode = bf16_decode,
    .bf16_decode_add = bf16_decode_add,
};
