/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The reference row: what every other set must equal bit for bit. The other sets call it for tails
 * and for alignments that are not worth a fast path. */
#include "compress/kernels/scalar.h"

static int usable(void)
{
    return 1;
}

const struct gw_kernels gw_kernels_scalar = {
    .name = "scalar",
    .needs = "",
    .usable = usable,
    .count_nonfinite = gw_scalar_count_nonfinite,
    .max_abs = gw_scalar_max_abs,
    .sum_abs = gw_scalar_sum_abs,
    .sum_squares = gw_scalar_sum_squares,
    .sum_by_sign = gw_scalar_sum_by_sign,
    .add = gw_scalar_add,
    .add_scaled = gw_scalar_add_scaled,
    .add_to = gw_scalar_add_to,
    .add_max = gw_scalar_add_max,
    .sum_max = gw_scalar_sum_max,
    .pack = gw_scalar_pack,
    .unpack = gw_scalar_unpack,
    .pack_signs = gw_scalar_pack_signs,
    .pack_signs_abs = gw_scalar_pack_signs_abs,
    .pack_signs_sums = gw_scalar_pack_signs_sums,
    .add_signs_abs = gw_scalar_add_signs_abs,
    .subtract_by_sign = gw_scalar_subtract_by_sign,
    .unpack_signs = gw_scalar_unpack_signs,
    .unpack_signs_add = gw_scalar_unpack_signs_add,
    .majority = gw_scalar_majority,
    .quantize = gw_scalar_quantize,
    .quantize_rest = gw_scalar_quantize_rest,
    .dequantize = gw_scalar_dequantize,
    .dequantize_add = gw_scalar_dequantize_add,
    .has_exponent = gw_scalar_has_exponent,
    .fp16_encode = gw_scalar_fp16_encode,
    .fp16_decode = gw_scalar_fp16_decode,
    .fp16_decode_add = gw_scalar_fp16_decode_add,
    .bf16_encode = gw_scalar_bf16_encode,
    .bf16_decode = gw_scalar_bf16_decode,
    .bf16_decode_add = gw_scalar_bf16_decode_add,
    .collect = gw_scalar_collect,
};
