/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Arithmetic on arrays by blocks of a fixed length: aligned copies in the first-level cache, over
 * which compilers make plain loops vectors. What a last block lacks is zero. Each element's result
 * depends on that element alone, so nothing depends on where blocks begin. */
#ifndef GW_SERVER_BLOCKS_H
#define GW_SERVER_BLOCKS_H

#include <float.h>

#include "base/types.h"

enum { GW_BLOCK = 64 };

typedef float gw_block[GW_BLOCK] __attribute__((aligned(64)));

static inline void gw_block_load(gw_block to, const gw_f32 *from, size_t count)
{
    if (count == GW_BLOCK) {
        memcpy(to, from, sizeof(gw_block));
        return;
    }
    memset(to, 0, sizeof(gw_block));
    memcpy(to, from, count * sizeof(float));
}

static inline void gw_block_store(gw_f32 *to, const gw_block from, size_t count)
{
    if (count == GW_BLOCK)
        memcpy(to, from, sizeof(gw_block));
    else
        memcpy(to, from, count * sizeof(float));
}

/* `now`, unless it is NaN or infinite. */
static inline float gw_if_finite(float now, float otherwise)
{
    return __builtin_fabsf(now) <= FLT_MAX ? now : otherwise;
}

/* What overflowed becomes the largest number of its sign. */
static inline float gw_saturate(float x)
{
    float low = x < -FLT_MAX ? -FLT_MAX : x;
    return low > FLT_MAX ? FLT_MAX : low;
}

/* The nearest float; a finite one. */
static inline float gw_narrow(double x)
{
    double low = x < -(double)FLT_MAX ? -(double)FLT_MAX : x;
    return (float)(low > (double)FLT_MAX ? (double)FLT_MAX : low);
}

#endif
