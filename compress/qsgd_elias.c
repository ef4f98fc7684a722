/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* qsgd with Elias codes: fewer bits than packed where most levels are zero or one, which is the l2
 * norm's case; more with the max norm.
 *
 * Alistarh et al. 2017, QSGD, section 3: elias is Code_s, elias-dense is Code'_s, both over the
 * range's buckets as one sequence. Their end: the element count, and for `elias` the number of
 * non-zeros.
 *
 * Body: the scales; for `elias` a u64, the non-zeros; the bits, then zeros to a whole byte. */
#include "compress/packed.h"
#include "compress/qsgd.h"

#include <stdlib.h>

gw_status gw_qsgd_elias_open(struct gw_codec *c, struct gw_error *error)
{
    struct gw_qsgd *own = c->own;
    own->table = malloc(sizeof *own->table);
    if (!own->table)
        return gw_fail(error, GW_ENOMEM, "tensor '%s': out of memory for a table of Elias codes",
                       c->site.tensor);
    gw_elias_fill(own->table, own->form, (int32_t)own->levels);
    return GW_OK;
}

static void close_elias(struct gw_codec *c)
{
    free(((struct gw_qsgd *)c->own)->table);
}

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

/* ---- encode ---------------------------------------------------------------------------------- */

/* Codes of up to 8 bits are quantized by the kernels; wider ones here. */
static void put_stride(const struct gw_codec *c, const struct gw_quantizer *q, const gw_f32 *x,
                       size_t count, struct gw_elias_writer *w)
{
    uint8_t packed[GW_STRIDE], codes[GW_STRIDE];
    c->kernels->quantize(q, x, count, packed);
    c->kernels->unpack(packed, count, q->bits, codes);
    gw_elias_put(w, codes, count);
}

static void put_wide_stride(const struct gw_quantizer *q, const gw_f32 *x, size_t count,
                            struct gw_elias_writer *w)
{
    uint16_t codes[GW_STRIDE];
    for (size_t i = 0; i < count; i++) {
        uint32_t level = gw_quantize_one(q, x[i], gw_scale_at(&q->inverse, i), q->element + i);
        codes[i] = (uint16_t)(level | gw_float_bits(x[i]) >> 31 << (q->bits - 1));
    }
    gw_elias_put_wide(w, codes, count);
}

static gw_status encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                        size_t *written, struct gw_error *error)
{
    (void)error;
    const struct gw_qsgd *own = c->own;
    size_t head = head_bytes(c, first, count);
    struct gw_qsgd_scales scales =
        gw_qsgd_scales(c, (struct gw_source){ c->input, NULL }, first, body);
    struct gw_elias_writer writer;
    gw_elias_open(&writer, own->form, own->bits, body + head);
    for (size_t at = 0; at < count; at += GW_STRIDE) {
        size_t n = gw_min_size(GW_STRIDE, count - at);
        struct gw_quantizer q = gw_qsgd_stride(&scales, at, n);
        if (own->bits <= 8)
            put_stride(c, &q, c->input + first + at, n, &writer);
        else
            put_wide_stride(&q, c->input + first + at, n, &writer);
    }
    if (own->form == GW_ELIAS_SPARSE)
        gw_put_u64(body + head - 8, writer.nonzeros);
    *written = (size_t)(gw_elias_finish(&writer) - body);
    return GW_OK;
}

/* ---- decode ---------------------------------------------------------------------------------- */

/* A stream that is read in order; of the sparse form also its next non-zero. */
struct levels {
    struct gw_elias_reader reader;
    uint64_t nonzeros; /* sparse: yet to come, after the next */
    size_t end;        /* sparse: the element after the next; more than any if there is none */
    int32_t level;     /* of the next */
};

static struct levels open_levels(const struct gw_codec *c, size_t first, size_t count,
                                 struct gw_body body)
{
    const struct gw_qsgd *own = c->own;
    size_t head = head_bytes(c, first, count);
    struct levels s = { .reader = { .table = own->table,
                                    .input = body.bytes + head,
                                    .bits = (uint64_t)(body.length - head) * 8 } };
    if (own->form == GW_ELIAS_SPARSE)
        s.nonzeros = gw_get_u64(body.bytes + head - 8);
    return s;
}

/* To the next non-zero. 0 if the stream is broken, or leaves the range. */
static int advance(struct levels *s, size_t count)
{
    uint64_t gap;
    if (!s->nonzeros) {
        s->end = SIZE_MAX;
        return 1;
    }
    s->nonzeros--;
    if (!gw_elias_next(&s->reader, &gap, &s->level) || gap > count - s->end)
        return 0;
    s->end += (size_t)gap;
    return 1;
}

static int read_all(struct levels *s, size_t count)
{
    int16_t levels[GW_GROUP];
    if (s->reader.table->form == GW_ELIAS_SPARSE) {
        while (s->nonzeros)
            if (!advance(s, count))
                return 0;
    } else {
        for (size_t at = 0; at < count && !s->reader.broken; at += GW_GROUP)
            gw_elias_get(&s->reader, levels, gw_min_size(GW_GROUP, count - at));
    }
    return gw_elias_ended(&s->reader);
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
    struct levels levels = open_levels(c, first, count, body);
    if (!read_all(&levels, count))
        return gw_fail(error, GW_EPAYLOAD,
                       "tensor '%s': the payload's Elias codes do not give %zu levels up to %g",
                       c->site.tensor, count, (double)own->levels);
    return GW_OK;
}

/* Zeros times their scales, which makes a difference if non-finite scales may pass. */
static void fill_zeros(const struct gw_codec *c, const struct gw_scales *scales, size_t count,
                       gw_f32 *out)
{
    memset(out, 0, count * sizeof(float));
    for (size_t i = 0; c->site.nonfinite == GW_NONFINITE_PASS && i < count; i++)
        out[i] = gw_scale_at(scales, i) * 0.0f;
}

/* The next elements' values: `n` of them, from element `at` of the range on. */
static void expand(const struct gw_codec *c, const struct gw_scales *scales, struct levels *s,
                   size_t at, size_t n, size_t count, gw_f32 *out)
{
    struct gw_scales here = gw_scales_from(*scales, at);
    if (s->reader.table->form == GW_ELIAS_SPARSE) {
        fill_zeros(c, &here, n, out);
        for (; s->end <= at + n; advance(s, count))
            out[s->end - 1 - at] = gw_scale_at(&here, s->end - 1 - at) * (float)s->level;
        return;
    }
    int16_t levels[GW_GROUP];
    gw_elias_get(&s->reader, levels, n);
    for (size_t i = 0; i < n; i++)
        out[i] = gw_scale_at(&here, i) * (float)levels[i];
}

static void decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                   gw_f32 *out)
{
    const struct gw_qsgd *own = c->own;
    struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    struct levels levels = open_levels(c, first, count, body);
    if (own->form == GW_ELIAS_SPARSE)
        advance(&levels, count);
    for (size_t at = 0; at < count; at += GW_GROUP)
        expand(c, &scales, &levels, at, gw_min_size(GW_GROUP, count - at), count, out + at);
}

static void decode_add(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                       float weight, gw_f32 *sum)
{
    const struct gw_qsgd *own = c->own;
    struct gw_scales scales = { body.bytes, gw_bucket_offset(own->shift, first), own->shift };
    struct levels levels = open_levels(c, first, count, body);
    gw_f32 values[GW_GROUP];
    if (own->form == GW_ELIAS_SPARSE)
        advance(&levels, count);
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t n = gw_min_size(GW_GROUP, count - at);
        expand(c, &scales, &levels, at, n, count, values);
        c->kernels->add_scaled(sum + at, values, weight, n);
    }
}

#define ELIAS_ROW(traits_of_row)                                                                   \
    .info = { "qsgd", "sign and level of each element, Elias coded, scaled per bucket",            \
              "Alistarh et al. 2017, QSGD", gw_qsgd_params, traits_of_row },                       \
    .wire_id = GW_WIRE_QSGD, .own_bytes = sizeof(struct gw_qsgd), .close = close_elias,            \
    .granule = gw_qsgd_granule, .bound = bound, .encode = encode, .check = check,                  \
    .decode = decode, .decode_add = decode_add

const struct gw_codec_row gw_qsgd_elias_row = { ELIAS_ROW(GW_UNBIASED),
                                                .variance = gw_qsgd_variance };

const struct gw_codec_row gw_qsgd_elias_nearest_row = { ELIAS_ROW(GW_WANTS_EF) };
