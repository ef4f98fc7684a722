/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* topk: the elements of largest magnitude, exactly max(1, ceil(ratio * count)) of a range, ties to
 * the lowest index; the others decode to zero. Wins when few elements carry the gradient's energy,
 * under ef+. Stich et al. 2018; Lin et al. 2018.
 *
 * Body: u64 kept, u8 Rice parameter, the kept values as f32, then the gaps between their positions
 * (elements skipped since the last one) as Rice codes with the parameter that makes them shortest.
 */
#include "compress/bucket.h"
#include "compress/rice.h"
#include "compress/rows.h"
#include "compress/select.h"

#include <math.h>

enum { RATIO, HEAD_BYTES = 9 };

static size_t kept_of(const struct gw_codec *c, size_t count)
{
    if (count == 0)
        return 0;
    /* So that ratio 0.01 of 700 is 7 although the product is a little more than that. */
    double k = ceil(c->values.number[RATIO] * (double)count * (1 - 1e-12));
    return gw_min_size(gw_max_size((size_t)k, 1), count);
}

/* The parameter that fits gaps of count / kept. */
static unsigned mean_parameter(size_t count, size_t kept)
{
    unsigned r = 0;
    while (r + 1 < GW_RICE_MOST && count / kept >> (r + 1))
        r++;
    return r;
}

static size_t topk_bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)first;
    size_t k = kept_of(c, count);
    if (k == 0)
        return HEAD_BYTES;
    unsigned r = mean_parameter(count, k);
    return HEAD_BYTES + 4 * k + gw_divide_up(k * (1 + r) + (count >> r), 8);
}

/* ---- encode ---------------------------------------------------------------------------------- */

enum { LANES = 16 };

/* The gaps before kept elements; the last of them was at next - 1. */
static size_t find_gaps(const struct gw_kept *kept, size_t next, uint64_t *gaps)
{
    for (size_t i = 0; i < kept->count; i++) {
        size_t at = kept->base + kept->positions[i];
        gaps[i] = at - next;
        next = at + 1;
    }
    return next;
}

/* Write the kept values and find the parameter that makes their gaps shortest. */
static unsigned put_values(struct gw_walk *walk, size_t count, size_t k, uint8_t *out)
{
    unsigned largest = mean_parameter(count, k) + 1, best = 0;
    uint64_t ones[GW_RICE_MOST + 1] = { 0 }, gaps[GW_SELECT_BLOCK + LANES];
    struct gw_kept kept;
    for (size_t next = 0; gw_walk_next(walk, &kept); out += sizeof(float) * kept.count) {
        memcpy(out, kept.values, sizeof(float) * kept.count);
        next = find_gaps(&kept, next, gaps);
        memset(gaps + kept.count, 0, LANES * sizeof *gaps);
        for (unsigned r = 0; r <= largest; r++)
            for (size_t i = 0; i < kept.count; i += LANES)
                for (int l = 0; l < LANES; l++)
                    ones[r] += gaps[i + (size_t)l] >> r;
    }
    for (unsigned r = 1; r <= largest; r++)
        if (ones[r] + (uint64_t)k * r < ones[best] + (uint64_t)k * best)
            best = r;
    return best;
}

/* `rest`: NULL, or the range, to be left without what is sent. */
static uint8_t *put_gaps(struct gw_walk *walk, unsigned parameter, gw_f32 *rest, uint8_t *out)
{
    struct gw_rice_writer w = { .at = out };
    uint64_t gaps[GW_SELECT_BLOCK];
    struct gw_kept kept;
    for (size_t next = 0; gw_walk_next(walk, &kept);) {
        next = find_gaps(&kept, next, gaps);
        for (size_t i = 0; i < kept.count; i++)
            gw_rice_write(&w, gaps[i], parameter);
        for (size_t i = 0; rest && i < kept.count; i++)
            rest[kept.base + kept.positions[i]] = 0;
    }
    return gw_rice_finish(&w);
}

/* `rest`: NULL, or x itself, to be left without what is sent. */
static size_t encode_from(const struct gw_codec *c, const gw_f32 *x, gw_f32 *rest, size_t count,
                          uint8_t *body)
{
    size_t k = kept_of(c, count);
    gw_put_u64(body, k);
    body[8] = 0;
    if (k == 0)
        return HEAD_BYTES;
    struct gw_selection selection;
    gw_select(&selection, c->kernels, x, count, k);
    struct gw_walk walk;
    gw_walk_start(&walk, &selection);
    body[8] = (uint8_t)put_values(&walk, count, k, body + HEAD_BYTES);
    gw_walk_start(&walk, &selection);
    uint8_t *end = put_gaps(&walk, body[8], rest, body + HEAD_BYTES + 4 * k);
    gw_select_end(&selection);
    return (size_t)(end - body);
}

static gw_status topk_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                             size_t *written, struct gw_error *error)
{
    (void)error;
    *written = encode_from(c, c->input + first, NULL, count, body);
    return GW_OK;
}

static gw_status topk_encode_feedback(struct gw_codec *c, const struct gw_feedback *feedback,
                                      size_t first, size_t count, uint8_t *body, size_t *written,
                                      struct gw_error *error)
{
    (void)error;
    gw_f32 *next = feedback->next + first;
    gw_bucket_add_state(c, feedback->state, first, count, next);
    *written = encode_from(c, next, next, count, body);
    return GW_OK;
}

/* ---- decode ---------------------------------------------------------------------------------- */

struct cursor {
    size_t kept, next; /* next: the first position that the next element can have */
    unsigned parameter;
    const uint8_t *values;
    struct gw_rice_reader gaps;
};

static struct cursor cursor_of(struct gw_body body)
{
    struct cursor at = { .kept = (size_t)gw_get_u64(body.bytes),
                         .parameter = body.bytes[8],
                         .values = body.bytes + HEAD_BYTES };
    size_t used = HEAD_BYTES + 4 * at.kept;
    at.gaps = (struct gw_rice_reader){ .bytes = body.bytes + used, .length = body.length - used };
    return at;
}

/* The position of the next element; 0 if the stream is wrong. */
static int advance(struct cursor *at, size_t count, size_t *position)
{
    uint64_t gap;
    if (at->next >= count || !gw_rice_read(&at->gaps, &gap, at->parameter, count - 1 - at->next))
        return 0;
    *position = at->next + (size_t)gap;
    at->next = *position + 1;
    return 1;
}

static gw_status topk_check(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, struct gw_error *error)
{
    (void)first;
    if (body.length < HEAD_BYTES || body.bytes[8] > GW_RICE_MOST)
        return gw_fail(error, GW_EPAYLOAD, "topk: the body's head is wrong (%zu bytes)",
                       body.length);
    uint64_t kept = gw_get_u64(body.bytes);
    if (kept > count || kept > (body.length - HEAD_BYTES) / 4)
        return gw_fail(error, GW_EPAYLOAD, "topk: %llu values in %zu bytes for %zu elements",
                       (unsigned long long)kept, body.length, count);
    struct cursor at = cursor_of(body);
    size_t position;
    for (size_t i = 0; i < at.kept; i++) {
        if (!gw_is_finite(gw_get_f32(at.values + 4 * i)) && c->site.nonfinite != GW_NONFINITE_PASS)
            return gw_fail(error, GW_EPAYLOAD, "topk: value %zu is NaN or infinite", i);
        if (!advance(&at, count, &position))
            return gw_fail(error, GW_EPAYLOAD, "topk: position %zu of %zu is wrong", i, at.kept);
    }
    if (!gw_rice_at_end(&at.gaps))
        return gw_fail(error, GW_EPAYLOAD, "topk: bytes are left after the last position");
    return GW_OK;
}

static void topk_decode_add(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, float weight, gw_f32 *sum)
{
    (void)c;
    (void)first;
    struct cursor at = cursor_of(body);
    size_t position;
    for (size_t i = 0; i < at.kept && advance(&at, count, &position); i++)
        sum[position] += weight * gw_get_f32(at.values + 4 * i);
}

static void topk_decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                        gw_f32 *out)
{
    (void)c;
    (void)first;
    if (count > 0)
        memset(out, 0, count * sizeof(float));
    struct cursor at = cursor_of(body);
    size_t position;
    for (size_t i = 0; i < at.kept && advance(&at, count, &position); i++)
        out[position] = gw_get_f32(at.values + 4 * i);
}

static const gw_param params[] = {
    { "ratio", GW_PARAM_REAL, "0.01", 1e-6, 1, NULL, "", "part of the elements that is sent" },
    { NULL },
};

const struct gw_codec_row gw_row_topk = {
    .info = { .name = "topk",
              .sentence = "the elements of largest magnitude, with their positions",
              .paper = "Stich et al. 2018, arXiv:1809.07599; Lin et al. 2018, arXiv:1712.01887",
              .params = params,
              .traits = GW_WANTS_EF },
    .wire_id = GW_WIRE_TOPK,
    .bound = topk_bound,
    .encode = topk_encode,
    .encode_feedback = topk_encode_feedback,
    .check = topk_check,
    .decode = topk_decode,
    .decode_add = topk_decode_add,
};
