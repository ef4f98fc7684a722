/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* qsgd with Elias codes: fewer bits than packed where most levels are zero or one, which is the l2
 * norm's case; more with the max norm. Slow: bit by bit.
 *
 * Alistarh et al. 2017, QSGD, section 3: elias is Code_s, elias-dense is Code'_s, both over the
 * range's buckets as one sequence. Their end: the element count, and for `elias` the number of
 * non-zeros.
 *
 * Body: the scales; for `elias` a u64, the non-zeros; the bits, then zeros to a whole byte. */
#include "compress/packed.h"
#include "compress/qsgd.h"

static size_t head_bytes(const struct gw_codec *c, size_t first, size_t count)
{
    const struct gw_qsgd *own = c->own;
    return 4 * gw_bucket_count(own->shift, first, count) + (own->form == GW_ELIAS_SPARSE ? 8 : 0);
}

static size_t bound(const struct gw_codec *c, size_t first, size_t count)
{
    const struct gw_qsgd *own = c->own;
    return head_bytes(c, first, count) + gw_elias_bound(own->form, count, (int32_t)own->levels);
}

static gw_status encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error)
{
    (void)error;
    const struct gw_qsgd *own = c->own;
    size_t head = head_bytes(c, first, count);
    struct gw_qsgd_scales scales =
        gw_qsgd_scales(c, (struct gw_source){ c->input, NULL }, first, body);
    struct gw_elias stream = { .form = own->form, .bytes = body + head };
    int32_t levels[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        const gw_f32 *x = c->input + first + at;
        struct gw_quantizer q = gw_qsgd_stride(&scales, at, n);
        for (size_t i = 0; i < n; i++) {
            int32_t level =
                (int32_t)gw_quantize_one(&q, x[i], gw_scale_at(&q.inverse, i), q.element + i);
            levels[i] = gw_float_bits(x[i]) >> 31 ? -level : level;
        }
        gw_elias_put(&stream, levels, n);
    }
    if (own->form == GW_ELIAS_SPARSE)
        gw_put_u64(body + head - 8, stream.nonzeros);
    *written = head + (size_t)((stream.at + 7) / 8);
    return GW_OK;
}

static struct gw_elias open_stream(const struct gw_codec *c, size_t first, size_t count,
                                   struct gw_body body)
{
    const struct gw_qsgd *own = c->own;
    size_t head = head_bytes(c, first, count);
    return (struct gw_elias){
        .form = own->form,
        .input = body.bytes + head,
        .bits = (uint64_t)(body.length - head) * 8,
        .nonzeros = own->form == GW_ELIAS_SPARSE ? gw_get_u64(body.bytes + head - 8) : 0,
    };
}

static gw_status check(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       struct gw_error *error)
{
    const struct gw_qsgd *own = c->own;
    size_t head = head_bytes(c, first, count);
    if (body.length < head || body.length > bound(c, first, count))
        return gw_fail(error, GW_EPAYLOAD,
                       "tensor '%s': the payload's body has %zu bytes, expected %zu to %zu",
                       c->site.tensor, body.length, head, bound(c, first, count));
    gw_status s = gw_bucket_check_scales(c, body.bytes, gw_bucket_count(own->shift, first, count),
                                         own->scale_limit, error);
    if (s)
        return s;
    struct gw_elias stream = open_stream(c, first, count, body);
    int32_t levels[GW_GROUP];
    for (size_t at = 0; at < count && !stream.broken; at += GW_GROUP)
        gw_elias_get(&stream, levels, gw_min_size(GW_GROUP, count - at), (int32_t)own->levels);
    if (!gw_elias_ended(&stream))
        return gw_fail(error, GW_EPAYLOAD,
                       "tensor '%s': the payload's Elias codes do not give %zu levels up to %g",
                       c->site.tensor, count, (double)own->levels);
    return GW_OK;
}

static void walk(const struct gw_codec *c, size_t first, size_t count, struct gw_body body, int add,
                 float weight, gw_f32 *out)
{
    const struct gw_qsgd *own = c->own;
    struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    struct gw_elias stream = open_stream(c, first, count, body);
    int32_t levels[GW_GROUP];
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        gw_elias_get(&stream, levels, n, (int32_t)own->levels);
        for (size_t i = 0; i < n; i++) {
            float value = gw_scale_at(&scales, at + i) * (float)levels[i];
            out[at + i] = add ? out[at + i] + weight * value : value;
        }
    }
}

static void decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out)
{
    walk(c, first, count, body, 0, 0, out);
}

static void decode_add(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum)
{
    walk(c, first, count, body, 1, weight, sum);
}

#define ELIAS_ROW(traits_of_row)                                                                   \
    .info = { "qsgd", "sign and level of each element, Elias coded, scaled per bucket",            \
              "Alistarh et al. 2017, QSGD", gw_qsgd_params, traits_of_row },                       \
    .wire_id = GW_WIRE_QSGD, .own_bytes = sizeof(struct gw_qsgd), .granule = gw_qsgd_granule,      \
    .bound = bound, .encode = encode, .check = check, .decode = decode, .decode_add = decode_add

const struct gw_codec_row gw_qsgd_elias_row = { ELIAS_ROW(GW_UNBIASED),
                                                .variance = gw_qsgd_variance };

const struct gw_codec_row gw_qsgd_elias_nearest_row = { ELIAS_ROW(GW_WANTS_EF) };
