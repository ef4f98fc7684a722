/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Kernels for AVX-512 F and DQ: 16 lanes are one vector. Tails, scales that change inside a row
 * of 16, and stochastic codes at odd elements go to the scalar set, as in avx2.c. */
#include "compress/kernels/avx512.h"

static int usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

const struct gw_kernels gw_kernels_avx512 = {
    .name = "avx512",
    .needs = "AVX-512 F, DQ",
    .usable = usable,
    .count_nonfinite = gw_avx512_count_nonfinite,
    .max_abs = gw_avx512_max_abs,
    .sum_abs = gw_avx512_sum_abs,
    .sum_squares = gw_avx512_sum_squares,
    .sum_by_sign = gw_avx512_sum_by_sign,
    .add = gw_avx512_add,
    .add_scaled = gw_avx512_add_scaled,
    .add_to = gw_avx512_add_to,
    .add_max = gw_avx512_add_max,
    .sum_max = gw_avx512_sum_max,
    .pack = gw_avx512_pack,
    .unpack = gw_avx512_unpack,
    .pack_signs = gw_avx512_pack_signs,
    .pack_signs_abs = gw_avx512_pack_signs_abs,
    .pack_signs_sums = gw_avx512_pack_signs_sums,
    .add_signs_abs = gw_avx512_add_signs_abs,
    .subtract_by_sign = gw_avx512_subtract_by_sign,
    .unpack_signs = gw_avx512_unpack_signs,
    .unpack_signs_add = gw_avx512_unpack_signs_add,
    .majority = gw_avx512_majority,
    .quantize = gw_avx512_quantize,
    .quantize_rest = gw_avx512_quantize_rest,
    .dequantize = gw_avx512_dequantize,
    .dequantize_add = gw_avx512_dequantize_add,
    .has_exponent = gw_avx512_has_exponent,
    .fp16_encode = gw_avx512_fp16_encode,
    .fp16_decode = gw_avx512_fp16_decode,
    .fp16_decode_add = gw_avx512_fp16_decode_add,
    .bf16_encode = gw_avx512_bf16_encode,
    .bf16_decode = gw_avx512_bf16_decode,
    .bf16_decode_add = gw_avx512_bf16_decode_add,
    .collect = gw_avx512_collect,
};
