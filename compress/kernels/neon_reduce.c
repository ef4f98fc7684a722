/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Reductions and sums of vectors with NEON. */
#include "compress/kernels/neon.h"

INLINE uint32x4_t magnitude(const gw_f32 *x)
{
    return vbicq_u32(load_bits(x), vdupq_n_u32(0x80000000u));
}

/* The largest of 16 magnitudes, by lanes. */
INLINE uint32x4_t row_max(const gw_f32 *x)
{
    return vmaxq_u32(vmaxq_u32(magnitude(x), magnitude(x + 4)),
                     vmaxq_u32(magnitude(x + 8), magnitude(x + 12)));
}

size_t gw_neon_count_nonfinite(const gw_f32 *x, size_t count, size_t *first)
{
    size_t found = 0, at = 0;
    while (at < count) {
        size_t n = gw_min_size(16, count - at), where = 0;
        if (n < 16 || vmaxvq_u32(row_max(x + at)) >= 0x7f800000u) {
            size_t here = gw_kernels_scalar.count_nonfinite(x + at, n, &where);
            if (here && !found)
                *first = at + where;
            found += here;
        }
        at += n;
    }
    return found;
}

float gw_neon_max_abs(const gw_f32 *x, size_t count)
{
    uint32x4_t most = vdupq_n_u32(0);
    size_t at = 0;
    for (; at + 16 <= count; at += 16)
        most = vmaxq_u32(most, row_max(x + at));
    uint32_t wide = vmaxvq_u32(most);
    uint32_t rest = gw_float_bits(gw_kernels_scalar.max_abs(x + at, count - at));
    return gw_bits_float(wide > rest ? wide : rest);
}

INLINE void add_squares(float64x2_t sums[2], float32x4_t v)
{
    float64x2_t low = vcvt_f64_f32(vget_low_f32(v)), high = vcvt_high_f64_f32(v);
    sums[0] = vaddq_f64(sums[0], vmulq_f64(low, low));
    sums[1] = vaddq_f64(sums[1], vmulq_f64(high, high));
}

double gw_neon_sum_squares(const gw_f32 *x, size_t count)
{
    float64x2_t sums[8];
    double lanes[16];
    size_t at = 0;
    for (int k = 0; k < 8; k++)
        sums[k] = vdupq_n_f64(0);
    for (; at + 16 <= count; at += 16) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            add_squares(sums + 2 * k, load_floats(x + at + 4 * k));
    }
    for (int k = 0; k < 8; k++)
        vst1q_f64(lanes + 2 * k, sums[k]);
    for (size_t i = at; i < count; i++)
        lanes[i % 16] += (double)x[i] * (double)x[i];
    return gw_sum_lanes(lanes);
}

void gw_neon_add(gw_f32 *sum, const gw_f32 *x, size_t count)
{
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        store_floats(sum + at, vaddq_f32(load_floats(sum + at), load_floats(x + at)));
    gw_kernels_scalar.add(sum + at, x + at, count - at);
}

void gw_neon_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count)
{
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        add_weighted(sum + at, vdupq_n_f32(weight), load_floats(x + at));
    gw_kernels_scalar.add_scaled(sum + at, x + at, weight, count - at);
}

void gw_neon_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        store_floats(out + at, vaddq_f32(load_floats(a + at), load_floats(b + at)));
    gw_kernels_scalar.add_to(out + at, a + at, b + at, count - at);
}

float gw_neon_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    uint32x4_t most = vdupq_n_u32(0);
    size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        for (size_t i = at; i < at + 16; i += 4)
            store_floats(out + i, vaddq_f32(load_floats(a + i), load_floats(b + i)));
        most = vmaxq_u32(most, row_max(out + at));
    }
    uint32_t wide = vmaxvq_u32(most);
    uint32_t rest = gw_float_bits(gw_kernels_scalar.add_max(out + at, a + at, b + at, count - at));
    return gw_bits_float(wide > rest ? wide : rest);
}

float gw_neon_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count)
{
    uint32x4_t most = vdupq_n_u32(0);
    size_t at = 0;
    for (; at + 4 <= count; at += 4) {
        float32x4_t sum = vaddq_f32(load_floats(a + at), load_floats(b + at));
        most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(sum)));
    }
    return gw_larger(gw_bits_float(vmaxvq_u32(most)),
                     gw_kernels_scalar.sum_max(a + at, b + at, count - at));
}

/* Most rows of 16 hold none. */
size_t gw_neon_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                       uint32_t *positions, gw_f32 *values)
{
    size_t found = 0;
    for (size_t at = 0, n; at < count; at += n) {
        n = gw_min_size(16, count - at);
        if (n < 16 || vmaxvq_u32(row_max(x + at)) >= least)
            found += gw_kernels_scalar.collect(x + at, n, least, first + (uint32_t)at,
                                               positions + found, values + found);
    }
    return found;
}
