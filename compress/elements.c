/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Arithmetic on arrays of the element types: what the raw codec adds up. One loop per type, the
 * operation inside it, because only f32 sums are hot and those are a kernel. */
#include "compress/elements.h"

#include "compress/kernels/table.h"

/* Payloads hold elements as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "gradwire needs a little-endian CPU");

typedef double f64_any __attribute__((aligned(1), may_alias));
typedef uint16_t u16_any __attribute__((aligned(1), may_alias));
typedef int32_t i32_any __attribute__((aligned(1), may_alias));
typedef uint64_t u64_any __attribute__((aligned(1), may_alias));
/* As many as every CPU divides at once. */
typedef float f32_four __attribute__((vector_size(16), aligned(1), may_alias));
typedef double f64_two __attribute__((vector_size(16), aligned(1), may_alias));

size_t gw_type_bytes(gw_type type)
{
    switch (type) {
    case GW_F64:
        return 8;
    case GW_F16:
    case GW_BF16:
        return 2;
    case GW_F32:
    case GW_I32:
        break;
    }
    return 4;
}

/* ---- sixteen bits ---------------------------------------------------------------------------- */

static float widen(gw_type type, uint16_t h)
{
    return type == GW_F16 ? gw_fp16_to_float(h) : gw_bits_float((uint32_t)h << 16);
}

static uint16_t narrow(gw_type type, float x)
{
    return type == GW_F16 ? gw_float_to_fp16(x) : gw_float_to_bf16(x);
}

/* ---- combine --------------------------------------------------------------------------------- */

/* In a minimum or maximum a NaN (only let in by nonfinite=pass) wins, on either side. */
static double combine_doubles(gw_operation operation, double acc, double x)
{
    switch (operation) {
    case GW_MIN:
        return x < acc || x != x ? x : acc;
    case GW_MAX:
        return x > acc || x != x ? x : acc;
    case GW_SUM:
    case GW_MEAN:
        break;
    }
    return acc + x;
}

/* Exact in double for a minimum or maximum; sums are rounded as floats. */
static float combine_floats(gw_operation operation, float acc, float x)
{
    if (operation == GW_MIN || operation == GW_MAX)
        return (float)combine_doubles(operation, acc, x);
    return acc + x;
}

static int32_t combine_integers(gw_operation operation, int32_t acc, int32_t x)
{
    switch (operation) {
    case GW_MIN:
        return x < acc ? x : acc;
    case GW_MAX:
        return x > acc ? x : acc;
    case GW_SUM:
    case GW_MEAN:
        break;
    }
    return (int32_t)((uint32_t)acc + (uint32_t)x);
}

static void combine_f32(const struct gw_kernels *kernels, gw_operation operation, gw_f32 *acc,
                        const gw_f32 *x, size_t count, float weight)
{
    if (operation == GW_SUM || operation == GW_MEAN) {
        if (weight == 1.0f)
            kernels->add(acc, x, count);
        else
            kernels->add_scaled(acc, x, weight, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        acc[i] = combine_floats(operation, acc[i], x[i]);
}

void gw_elements_combine(const struct gw_kernels *kernels, gw_type type, gw_operation operation,
                         void *acc, const void *x, size_t count, float weight)
{
    float w = operation == GW_MIN || operation == GW_MAX ? 1.0f : weight;
    switch (type) {
    case GW_F32:
        combine_f32(kernels, operation, acc, x, count, weight);
        break;
    case GW_F64:
        for (size_t i = 0; i < count; i++)
            ((f64_any *)acc)[i] = combine_doubles(operation, ((f64_any *)acc)[i],
                                                  (double)w * ((const f64_any *)x)[i]);
        break;
    case GW_F16:
    case GW_BF16:
        for (size_t i = 0; i < count; i++)
            ((u16_any *)acc)[i] =
                narrow(type, combine_floats(operation, widen(type, ((u16_any *)acc)[i]),
                                            w * widen(type, ((const u16_any *)x)[i])));
        break;
    case GW_I32:
        for (size_t i = 0; i < count; i++)
            ((i32_any *)acc)[i] =
                combine_integers(operation, ((i32_any *)acc)[i], ((const i32_any *)x)[i]);
        break;
    }
}

/* ---- divide ---------------------------------------------------------------------------------- */

/* The product with 1 / divisor is the quotient: both are exact before they are rounded once. */
static bool is_power_of_two(int divisor)
{
    return divisor > 0 && (divisor & (divisor - 1)) == 0;
}

static void divide_f32(gw_f32 *x, size_t count, int divisor)
{
    float d = (float)divisor, inverse = 1 / d;
    size_t i = 0;
    if (is_power_of_two(divisor)) {
        for (; i + 4 <= count; i += 4)
            *(f32_four *)(x + i) *= inverse;
    } else {
        for (; i + 4 <= count; i += 4)
            *(f32_four *)(x + i) /= d;
    }
    for (; i < count; i++)
        x[i] /= d;
}

static void divide_f64(f64_any *x, size_t count, int divisor)
{
    double d = divisor, inverse = 1 / d;
    size_t i = 0;
    if (is_power_of_two(divisor)) {
        for (; i + 2 <= count; i += 2)
            *(f64_two *)(x + i) *= inverse;
    } else {
        for (; i + 2 <= count; i += 2)
            *(f64_two *)(x + i) /= d;
    }
    for (; i < count; i++)
        x[i] /= d;
}

/* By groups, as floats. */
static void divide_halves(gw_type type, u16_any *x, size_t count, int divisor)
{
    enum { GROUP = 64 };
    gw_f32 wide[GROUP];
    for (size_t at = 0; at < count; at += GROUP) {
        size_t n = gw_min_size(GROUP, count - at);
        for (size_t i = 0; i < n; i++)
            wide[i] = widen(type, x[at + i]);
        divide_f32(wide, n, divisor);
        for (size_t i = 0; i < n; i++)
            x[at + i] = narrow(type, wide[i]);
    }
}

void gw_elements_divide(gw_type type, void *x, size_t count, int divisor)
{
    switch (type) {
    case GW_F32:
        divide_f32(x, count, divisor);
        break;
    case GW_F64:
        divide_f64(x, count, divisor);
        break;
    case GW_F16:
    case GW_BF16:
        divide_halves(type, x, count, divisor);
        break;
    case GW_I32:
        break;
    }
}

/* ---- finite or not --------------------------------------------------------------------------- */

static int is_nonfinite(gw_type type, const void *x, size_t i)
{
    switch (type) {
    case GW_F32:
        return !gw_is_finite(((const gw_f32 *)x)[i]);
    case GW_F64:
        return (((const u64_any *)x)[i] >> 52 & 0x7ff) == 0x7ff;
    case GW_F16:
        return (((const u16_any *)x)[i] & 0x7c00) == 0x7c00;
    case GW_BF16:
        return (((const u16_any *)x)[i] & 0x7f80) == 0x7f80;
    case GW_I32:
        break;
    }
    return 0;
}

size_t gw_elements_count_nonfinite(const struct gw_kernels *kernels, gw_type type, const void *x,
                                   size_t count, size_t *first)
{
    if (type == GW_F32)
        return kernels->count_nonfinite(x, count, first);
    size_t bad = 0;
    for (size_t i = 0; i < count; i++)
        if (is_nonfinite(type, x, i) && bad++ == 0)
            *first = i;
    return bad;
}

void gw_elements_zero_nonfinite(gw_type type, void *x, size_t count)
{
    size_t bytes = gw_type_bytes(type);
    for (size_t i = 0; i < count; i++)
        if (is_nonfinite(type, x, i))
            memset((char *)x + i * bytes, 0, bytes);
}

double gw_elements_energy(const struct gw_kernels *kernels, const gw_f32 *x, size_t count)
{
    return kernels->sum_squares(x, count);
}
