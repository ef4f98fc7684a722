/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Kernels for AVX2 with F16C: 16 lanes are two vectors. Full groups, or full rows of 16, are done
 * here; tails go to the scalar set. So do scales that change inside a row of 16, and stochastic
 * codes whose element number is no multiple of 32: plans never make such ranges. */
#include "compress/kernels/avx2.h"

#include <cpuid.h>

static int usable(void)
{
    unsigned a, b, c, d; /* clang 14 does not know "f16c" by name */
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

const struct gw_kernels gw_kernels_avx2 = {
    .name = "avx2",
    .needs = "AVX2, F16C",
    .usable = usable,
    .count_nonfinite = gw_avx2_count_nonfinite,
    .max_abs = gw_avx2_max_abs,
    .sum_abs = gw_avx2_sum_abs,
    .sum_squares = gw_avx2_sum_squares,
    .sum_by_sign = gw_avx2_sum_by_sign,
    .add = gw_avx2_add,
    .add_scaled = gw_avx2_add_scaled,
    .add_to = gw_avx2_add_to,
    .add_max = gw_avx2_add_max,
    .sum_max = gw_avx2_sum_max,
    .pack = gw_avx2_pack,
    .unpack = gw_avx2_unpack,
    .pack_signs = gw_avx2_pack_signs,
    .pack_signs_abs = gw_avx2_pack_signs_abs,
    .pack_signs_sums = gw_avx2_pack_signs_sums,
    .add_signs_abs = gw_avx2_add_signs_abs,
    .subtract_by_sign = gw_avx2_subtract_by_sign,
    .unpack_signs = gw_avx2_unpack_signs,
    .unpack_signs_add = gw_avx2_unpack_signs_add,
    .majority = gw_avx2_majority,
    .quantize = gw_avx2_quantize,
    .quantize_rest = gw_avx2_quantize_rest,
    .dequantize = gw_avx2_dequantize,
    .dequantize_add = gw_avx2_dequantize_add,
    .has_exponent = gw_avx2_has_exponent,
    .fp16_encode = gw_avx2_fp16_encode,
    .fp16_decode = gw_avx2_fp16_decode,
    .fp16_decode_add = gw_avx2_fp16_decode_add,
    .bf16_encode = gw_avx2_bf16_encode,
    .bf16_decode = gw_avx2_bf16_decode,
    .bf16_decode_add = gw_avx2_bf16_decode_add,
    .collect = gw_avx2_collect,
};
