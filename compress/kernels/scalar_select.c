/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference kernel of selection. */
#include "compress/kernels/scalar.h"

size_t gw_scalar_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                         uint32_t *positions, gw_f32 *values)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) { /* without a branch: it would be guessed wrong */
        uint32_t bits = gw_float_bits(x[i]);
        positions[n] = first + (uint32_t)i;
        values[n] = x[i];
        n += (bits & 0x7fffffffu) >= least;
    }
    return n;
}
