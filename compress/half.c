/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* fp16 and bf16: two bytes per element, rounded to nearest even. What is too large for the format
 * becomes its largest number. Wins where the link is fast and accuracy must not be thought about;
 * the relative error is 2^-11 (fp16, from 6.1e-5 to 65504) or 2^-8 (bf16, the range of floats).
 * Formats: IEEE 754-2019 binary16; bfloat16 (Kalamkar et al. 2019). */
#include "compress/packed.h"

#include "compress/bucket.h"

static size_t granule(const struct gw_codec *c)
{
    (void)c;
    return 1;
}

static size_t bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)c;
    (void)first;
    return 2 * count;
}

static gw_status encode_fp16(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                             size_t *written, struct gw_error *error)
{
    float most = c->kernels->fp16_encode(c->input + first, count, body);
    *written = 2 * count;
    return gw_is_finite(most) ? GW_OK : gw_codec_check_range(c, first, count, error);
}

static gw_status encode_bf16(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                             size_t *written, struct gw_error *error)
{
    float most = c->kernels->bf16_encode(c->input + first, count, body);
    *written = 2 * count;
    return gw_is_finite(most) ? GW_OK : gw_codec_check_range(c, first, count, error);
}

/* Size, and no element with all exponent bits set. */
static gw_status check(const struct gw_codec *c, size_t count, struct gw_body body,
                       uint16_t exponent, struct gw_error *error)
{
    gw_status s = gw_bucket_check_size(c, body.length, 2 * count, error);
    if (s || c->site.nonfinite == GW_NONFINITE_PASS)
        return s;
    for (size_t i = 0; i < count; i += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - i);
        if (c->kernels->has_exponent(body.bytes + 2 * i, n, exponent))
            return gw_fail(error, GW_EPAYLOAD,
                           "tensor '%s': the payload holds a number that is not finite, among the "
                           "%zu from %zu on",
                           c->site.tensor, n, i);
    }
    return GW_OK;
}

static gw_status check_fp16(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, struct gw_error *error)
{
    (void)first;
    return check(c, count, body, 0x7c00, error);
}

static gw_status check_bf16(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, struct gw_error *error)
{
    (void)first;
    return check(c, count, body, 0x7f80, error);
}

static void decode_fp16(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                        gw_f32 *out)
{
    (void)first;
    c->kernels->fp16_decode(body.bytes, count, out, gw_bucket_streams(c));
}

static void decode_fp16_add(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, float weight, gw_f32 *sum)
{
    (void)first;
    c->kernels->fp16_decode_add(body.bytes, count, weight, sum);
}

static void decode_bf16(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                        gw_f32 *out)
{
    (void)first;
    c->kernels->bf16_decode(body.bytes, count, out, gw_bucket_streams(c));
}

static void decode_bf16_add(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, float weight, gw_f32 *sum)
{
    (void)first;
    c->kernels->bf16_decode_add(body.bytes, count, weight, sum);
}

static const gw_param no_params[] = { { 0 } };

const struct gw_codec_row gw_row_fp16 = {
    .info = { "fp16", "16-bit IEEE floats, to nearest even; beyond 65504 the largest number",
              "IEEE 754-2019 binary16", no_params, GW_FIXED_SIZE },
    .wire_id = GW_WIRE_FP16,
    .granule = granule,
    .bound = bound,
    .encode = encode_fp16,
    .finds_nonfinite = 1,
    .check = check_fp16,
    .decode = decode_fp16,
    .decode_add = decode_fp16_add,
};

const struct gw_codec_row gw_row_bf16 = {
    .info = { "bf16", "16-bit floats with the exponent of 32-bit ones, to nearest even",
              "Kalamkar et al. 2019, A Study of BFLOAT16 for Deep Learning Training", no_params,
              GW_FIXED_SIZE },
    .wire_id = GW_WIRE_BF16,
    .granule = granule,
    .bound = bound,
    .encode = encode_bf16,
    .finds_nonfinite = 1,
    .check = check_bf16,
    .decode = decode_bf16,
    .decode_add = decode_bf16_add,
};
