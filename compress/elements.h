/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Arithmetic on arrays of the element types, at any address. 16-bit floats are computed in float
 * and rounded to nearest even after each operation; integers wrap around. */
#ifndef GW_COMPRESS_ELEMENTS_H
#define GW_COMPRESS_ELEMENTS_H

#include "compress/codec.h"

/* acc[i] = acc[i] (operation) x[i]. For GW_SUM and GW_MEAN x is first multiplied by `weight` and
 * rounded (integers: not multiplied); for GW_MIN and GW_MAX weight means nothing. */
void gw_elements_combine(const struct gw_kernels *kernels, gw_type type, gw_operation operation,
                         void *acc, const void *x, size_t count, float weight);

/* x[i] /= divisor, for means; integers are left alone. */
void gw_elements_divide(gw_type type, void *x, size_t count, int divisor);

/* How many are NaN or infinite; *first is the first of them, untouched if there is none. */
size_t gw_elements_count_nonfinite(const struct gw_kernels *kernels, gw_type type, const void *x,
                                   size_t count, size_t *first);

void gw_elements_zero_nonfinite(gw_type type, void *x, size_t count);

/* Sum of squares of floats. */
double gw_elements_energy(const struct gw_kernels *kernels, const gw_f32 *x, size_t count);

#endif
