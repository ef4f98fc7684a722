/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Numbers as they lie in memory and on the wire. */
#ifndef GW_BASE_TYPES_H
#define GW_BASE_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A float at any address: users may hand in unaligned tensors, payloads hold unaligned floats. */
typedef float gw_f32 __attribute__((aligned(1), may_alias));

static inline size_t gw_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t gw_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline size_t gw_round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static inline size_t gw_divide_up(size_t value, size_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

/* Little-endian stores and loads; compilers turn them into one move where the CPU is little-endian.
 */
static inline void gw_put_u16(void *at, uint16_t v)
{
    uint8_t *p = at;
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void gw_put_u32(void *at, uint32_t v)
{
    gw_put_u16(at, (uint16_t)v);
    gw_put_u16((uint8_t *)at + 2, (uint16_t)(v >> 16));
}

static inline void gw_put_u64(void *at, uint64_t v)
{
    gw_put_u32(at, (uint32_t)v);
    gw_put_u32((uint8_t *)at + 4, (uint32_t)(v >> 32));
}

static inline uint16_t gw_get_u16(const void *at)
{
    const uint8_t *p = at;
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t gw_get_u32(const void *at)
{
    return gw_get_u16(at) | (uint32_t)gw_get_u16((const uint8_t *)at + 2) << 16;
}

static inline uint64_t gw_get_u64(const void *at)
{
    return gw_get_u32(at) | (uint64_t)gw_get_u32((const uint8_t *)at + 4) << 32;
}

static inline uint32_t gw_float_bits(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline float gw_bits_float(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline void gw_put_f32(void *at, float v)
{
    gw_put_u32(at, gw_float_bits(v));
}

static inline float gw_get_f32(const void *at)
{
    return gw_bits_float(gw_get_u32(at));
}

static inline void gw_put_f64(void *at, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    gw_put_u64(at, bits);
}

static inline double gw_get_f64(const void *at)
{
    uint64_t bits = gw_get_u64(at);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Finite by its exponent bits: holds under every compiler flag. */
static inline int gw_is_finite(float v)
{
    return (gw_float_bits(v) & 0x7f800000u) != 0x7f800000u;
}

#endif
