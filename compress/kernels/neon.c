/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The row for 64-bit ARM, whose every CPU has NEON. Tails, scales that change inside a row of 16,
 * and stochastic codes at odd elements go to the scalar set. */
#include "compress/kernels/neon.h"

static int usable(void)
{
    return 1;
}

const struct gw_kernels gw_kernels_neon = {
    .name = "neon",
    .needs = "NEON",
    .usable = usable,
    .count_nonfinite = gw_neon_count_nonfinite,
    .max_abs = gw_neon_max_abs,
    .sum_abs = gw_neon_sum_abs,
    .sum_squares = gw_neon_sum_squares,
    .sum_by_sign = gw_neon_sum_by_sign,
    .add = gw_neon_add,
    .add_scaled = gw_neon_add_scaled,
    .add_to = gw_neon_add_to,
    .add_max = gw_neon_add_max,
    .sum_max = gw_neon_sum_max,
    .pack = gw_neon_pack,
    .unpack = gw_neon_unpack,
    .pack_signs = gw_neon_pack_signs,
    .pack_signs_abs = gw_neon_pack_signs_abs,
    .pack_signs_sums = gw_neon_pack_signs_sums,
    .add_signs_abs = gw_neon_add_signs_abs,
    .subtract_by_sign = gw_neon_subtract_by_sign,
    .unpack_signs = gw_neon_unpack_signs,
    .unpack_signs_add = gw_neon_unpack_signs_add,
    .majority = gw_neon_majority,
    .quantize = gw_neon_quantize,
    .quantize_rest = gw_neon_quantize_rest,
    .dequantize = gw_neon_dequantize,
    .dequantize_add = gw_neon_dequantize_add,
    .has_exponent = gw_neon_has_exponent,
    .fp16_encode = gw_neon_fp16_encode,
    .fp16_decode = gw_neon_fp16_decode,
    .fp16_decode_add = gw_neon_fp16_decode_add,
    .bf16_encode = gw_neon_bf16_encode,
    .bf16_decode = gw_neon_bf16_decode,
    .bf16_decode_add = gw_neon_bf16_decode_add,
    .collect = gw_neon_collect,
};
