/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* raw: the elements as they are, of any type, little-endian. The only codec that knows other types
 * than f32 and other operations than sum: site.type and site.operation say which. */
#include "compress/bucket.h"
#include "compress/elements.h"
#include "compress/rows.h"

enum { TURN = 1024 }; /* elements that are looked at and then copied */

static size_t bytes_of(const struct gw_codec *c, size_t count)
{
    return count * gw_type_bytes(c->site.type);
}

static size_t raw_bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)first;
    return bytes_of(c, count);
}

static gw_status raw_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                            size_t *written, struct gw_error *error)
{
    for (size_t at = 0; at < count; at += TURN) {
        size_t n = gw_min_size(TURN, count - at);
        gw_status s = gw_codec_check_range(c, first + at, n, error);
        if (s)
            return s;
        memcpy(body + bytes_of(c, at), (const uint8_t *)c->input + bytes_of(c, first + at),
               bytes_of(c, n));
    }
    *written = bytes_of(c, count);
    return GW_OK;
}

static gw_status raw_check(const struct gw_codec *c, size_t first, size_t count,
                           struct gw_body body, struct gw_error *error)
{
    (void)first;
    if (body.length != bytes_of(c, count))
        return gw_fail(error, GW_EPAYLOAD, "raw: the body has %zu bytes, %zu elements need %zu",
                       body.length, count, bytes_of(c, count));
    size_t at = 0;
    if (c->site.nonfinite == GW_NONFINITE_PASS ||
        !gw_elements_count_nonfinite(c->kernels, c->site.type, body.bytes, count, &at))
        return GW_OK;
    return gw_fail(error, GW_EPAYLOAD, "raw: element %zu is NaN or infinite", at);
}

static void raw_decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       gw_f32 *out)
{
    (void)first;
    if (count == 0)
        return;
    if (!gw_bucket_streams(c)) {
        memcpy(out, body.bytes, bytes_of(c, count));
        return;
    }
    gw_stream_copy(out, body.bytes, bytes_of(c, count));
    gw_stream_fence();
}

static void raw_decode_add(const struct gw_codec *c, size_t first, size_t count,
                           struct gw_body body, float weight, gw_f32 *sum)
{
    (void)first;
    gw_elements_combine(c->kernels, c->site.type, c->site.operation, sum, body.bytes, count,
                        weight);
}

static void raw_merge(struct gw_codec *c, size_t first, size_t count, const struct gw_body *bodies,
                      int n, uint8_t *body, size_t *written)
{
    (void)first;
    *written = bytes_of(c, count);
    if (count == 0)
        return;
    memcpy(body, bodies[0].bytes, *written);
    for (int r = 1; r < n; r++)
        gw_elements_combine(c->kernels, c->site.type, c->site.operation, body, bodies[r].bytes,
                            count, 1.0f);
}

static double raw_variance(const struct gw_codec *c)
{
    (void)c;
    return 0;
}

static const gw_param params[] = { { NULL } };

const struct gw_codec_row gw_row_raw = {
    .info = { .name = "raw",
              .sentence = "the elements as they are",
              .paper = "",
              .params = params,
              .traits = GW_UNBIASED | GW_SUMMABLE | GW_FIXED_SIZE | GW_ANY_TYPE },
    .wire_id = GW_WIRE_RAW,
    .bound = raw_bound,
    .merged_bound = raw_bound,
    .encode = raw_encode,
    .finds_nonfinite = 1,
    .check = raw_check,
    .decode = raw_decode,
    .decode_add = raw_decode_add,
    .merge = raw_merge,
    .variance = raw_variance,
};
