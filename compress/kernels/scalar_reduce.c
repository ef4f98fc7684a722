/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference reductions and sums of vectors: plain loops, nothing clever. */
#include "compress/kernels/scalar.h"

/* ---- reductions ---- */

size_t gw_scalar_count_nonfinite(const gw_f32 *x, size_t count, size_t *first)
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

float gw_scalar_max_abs(const gw_f32 *x, size_t count)
{
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t a = gw_float_bits(x[i]) & 0x7fffffffu;
        most = a > most ? a : most;
    }
    return gw_bits_float(most);
}

double gw_scalar_sum_squares(const gw_f32 *x, size_t count)
{
    double lanes[16] = { 0 };
    for (size_t i = 0; i < count; i++)
        lanes[i % 16] += (double)x[i] * (double)x[i];
    return gw_sum_lanes(lanes);
}

/* ---- sums of vectors ---- */

void gw_scalar_add(gw_f32 *sum, const gw_f32 *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += x[i];
}

void gw_scalar_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += weight * x[i];
}

void gw_scalar_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = a[i] + b[i];
}

float gw_scalar_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count)
{
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t m = gw_float_bits(a[i] + b[i]) & 0x7fffffffu;
        most = m > most ? m : most;
    }
    return gw_bits_float(most);
}

float gw_scalar_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count)
{
    gw_scalar_add_to(out, a, b, count);
    return gw_scalar_max_abs(out, count);
}
