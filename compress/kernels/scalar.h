/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The functions of the scalar row, by file. */
#ifndef GW_COMPRESS_KERNELS_SCALAR_H
#define GW_COMPRESS_KERNELS_SCALAR_H

#include "compress/kernels/table.h"

/* scalar_reduce.c */
size_t gw_scalar_count_nonfinite(const gw_f32 *x, size_t count, size_t *first);
float gw_scalar_max_abs(const gw_f32 *x, size_t count);
double gw_scalar_sum_squares(const gw_f32 *x, size_t count);
void gw_scalar_add(gw_f32 *sum, const gw_f32 *x, size_t count);
void gw_scalar_add_scaled(gw_f32 *sum, const gw_f32 *x, float weight, size_t count);
void gw_scalar_add_to(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_scalar_add_max(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
float gw_scalar_sum_max(const gw_f32 *a, const gw_f32 *b, size_t count);

/* scalar_signs.c */
double gw_scalar_sum_abs(const gw_f32 *x, size_t count);
size_t gw_scalar_sum_by_sign(const gw_f32 *x, size_t count, double sums[2]);
void gw_scalar_pack_signs(const gw_f32 *x, size_t count, uint8_t *out);
double gw_scalar_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                uint8_t *out);
size_t gw_scalar_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                                 uint8_t *out, double sums[2]);
double gw_scalar_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                               uint8_t *codes);
void gw_scalar_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                                const gw_f32 *const ahead[2], int stream);
void gw_scalar_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                            const struct gw_scales *set, gw_f32 *out);
void gw_scalar_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                const struct gw_scales *set, float weight, gw_f32 *sum);

/* scalar_votes.c */
void gw_scalar_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                        const struct gw_coins *coins, uint8_t *more, uint8_t *tie);

/* scalar_codes.c */
void gw_scalar_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out);
void gw_scalar_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes);
void gw_scalar_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out);
void gw_scalar_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                             const gw_f32 *x, size_t count, uint8_t *out);
void gw_scalar_dequantize(const uint8_t *in, size_t count, unsigned bits,
                          const struct gw_scales *scales, gw_f32 *out, int stream);
void gw_scalar_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                              const struct gw_scales *scales, float weight, gw_f32 *sum);

/* scalar_half.c */
float gw_scalar_fp16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_scalar_fp16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_scalar_fp16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);
int gw_scalar_has_exponent(const uint8_t *in, size_t count, uint16_t exponent);
float gw_scalar_bf16_encode(const gw_f32 *x, size_t count, uint8_t *out);
void gw_scalar_bf16_decode(const uint8_t *in, size_t count, gw_f32 *out, int stream);
void gw_scalar_bf16_decode_add(const uint8_t *in, size_t count, float weight, gw_f32 *sum);

/* scalar_select.c */
size_t gw_scalar_collect(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                         uint32_t *positions, gw_f32 *values);

#endif
