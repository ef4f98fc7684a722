/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference 16-bit floats. */
#include "compress/kernels/scalar.h"

float gw_scalar_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        gw_put_u16(out + 2 * i, gw_float_to_fp16(x[i]));
    return gw_scalar_max_abs(x, count);
}

void gw_scalar_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    (void)stream;
    for (size_t i = 0; i < count; i++)
        out[i] = gw_fp16_to_float(gw_get_u16(in + 2 * i));
}

void gw_scalar_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += weight * gw_fp16_to_float(gw_get_u16(in + 2 * i));
}

float gw_scalar_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        gw_put_u16(out + 2 * i, gw_float_to_bf16(x[i]));
    return gw_scalar_max_abs(x, count);
}

void gw_scalar_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream)
{
    (void)stream;
    for (size_t i = 0; i < count; i++)
        out[i] = gw_bits_float((uint32_t)gw_get_u16(in + 2 * i) << 16);
}

void gw_scalar_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += weight * gw_bits_float((uint32_t)gw_get_u16(in + 2 * i) << 16);
}

/* Four at a time: x is 0 in the lane of such a number,
 * and the lowest lane that is 0 borrows into its top bit (which no other lane has: an exponent
 * leaves the sign bit out). */
int gw_scalar_has_exponent(const uint8_t *in, size_t count, uint16_t exponent)
{
    const uint64_t ones = 0x0001000100010001u, mask = exponent * ones;
    uint64_t found = 0;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        uint64_t x = (gw_get_u64(in + 2 * i) & mask) ^ mask;
        found |= (x - ones) & 0x8000800080008000u;
    }
    for (; i < count; i++)
        found |= (gw_get_u16(in + 2 * i) & exponent) == exponent;
    return found != 0;
}
