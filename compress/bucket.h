/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the codecs with one scale per bucket share. Buckets have a power of two elements and are
 * counted from the unit's element 0; a range may start anywhere in one, and then carries the scale
 * of the whole bucket. */
#ifndef GW_COMPRESS_BUCKET_H
#define GW_COMPRESS_BUCKET_H

#include <float.h>

#include "base/stream.h"
#include "compress/codec.h"
#include "compress/kernels/table.h"

enum {
    GW_BUCKET_LEAST = 16,
    GW_BUCKET_MOST = 1 << 24,
    GW_STRIDE_SHIFT = 12,
    GW_STRIDE = 1 << GW_STRIDE_SHIFT, /* elements per turn of a codec's loop */
    GW_TURN = 1024, /* elements per turn of what must stay in the first-level cache */
    GW_STRIDE_SCALES = GW_STRIDE / GW_BUCKET_LEAST + 1 /* buckets that a stride can touch */
};

/* log2 of a bucket parameter; 0 stands for one bucket for the whole unit. GW_ESPEC if it is not a
 * power of two in the range. */
gw_status gw_bucket_shift(unsigned *shift, const char *codec, double bucket,
                          struct gw_error *error);

/* Buckets that a range touches. */
static inline size_t gw_bucket_count(unsigned shift, size_t first, size_t count)
{
    return count ? ((first + count - 1) >> shift) - (first >> shift) + 1 : 0;
}

static inline size_t gw_bucket_start(unsigned shift, size_t bucket)
{
    return shift == GW_WHOLE ? 0 : bucket << shift;
}

static inline size_t gw_bucket_end(const struct gw_codec *c, unsigned shift, size_t bucket)
{
    if (shift == GW_WHOLE)
        return c->site.count;
    return gw_min_size((bucket + 1) << shift, c->site.count);
}

/* How far into its bucket element `first` stands. */
static inline size_t gw_bucket_offset(unsigned shift, size_t first)
{
    return first - gw_bucket_start(shift, first >> shift);
}

static inline size_t gw_bucket_granule(unsigned shift)
{
    return shift == GW_WHOLE ? GW_GROUP : gw_max_size((size_t)1 << shift, GW_GROUP);
}

/* What is reduced: the input, input + state, or (input standing for it) a sum made before. */
struct gw_source {
    const gw_f32 *input;
    const gw_f32 *state; /* or NULL */
    size_t origin;       /* the element that input[0] is; 0 with state */
    float shrink;        /* what both are multiplied by; 0: nothing */
};

/* out[i] = input + state; a sum beyond the largest float becomes the largest float (its excess is
 * lost: it could not be sent either). True if there was one, or an input that is not finite. */
int gw_bucket_add_state(const struct gw_codec *c, const gw_f32 *state, size_t first, size_t count,
                        gw_f32 *out);

/* True if a range cut into strides cuts no bucket: then input + state can be made stride by stride,
 * once, and the scales be found from it. */
static inline int gw_bucket_whole(const struct gw_codec *c, unsigned shift, size_t first,
                                  size_t count)
{
    size_t end = first + count;
    return shift <= GW_STRIDE_SHIFT && gw_bucket_offset(shift, first) == 0 &&
           (gw_bucket_offset(shift, end) == 0 || end == c->site.count);
}

/* Elements [first, first + count) of a source: where they stand, or in `buffer` (count <=
 * GW_GROUP). */
const gw_f32 *gw_bucket_piece(const struct gw_codec *c, struct gw_source source, size_t first,
                              size_t count, gw_f32 *buffer);

/* Reductions over a part of the unit, always cut from its start into groups: the same bits however
 * they are reached. */
float gw_bucket_max(const struct gw_codec *c, struct gw_source source, size_t start, size_t end);
double gw_bucket_sum_abs(const struct gw_codec *c, struct gw_source source, size_t start,
                         size_t end);
double gw_bucket_sum_squares(const struct gw_codec *c, struct gw_source source, size_t start,
                             size_t end);

/* Check `count` scales on the wire: no sign, and at most `most`; anything but a negative number if
 * the codec passes non-finite values. */
gw_status gw_bucket_check_scales(const struct gw_codec *c, const uint8_t *scales, size_t count,
                                 float most, struct gw_error *error);

/* The body's size as it must be. */
gw_status gw_bucket_check_size(const struct gw_codec *c, size_t length, size_t expected,
                               struct gw_error *error);

/* True if the unit is too large for caches to hold until it is used: outputs of its size are
 * written past them. */
static inline int gw_bucket_streams(const struct gw_codec *c)
{
    return c->site.count > GW_STREAM_BYTES / sizeof(float);
}

/* The largest scale whose product with `factor` (>= 1) is finite. */
float gw_bucket_scale_limit(float factor);

#endif
