/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* qsgd's struct, shared by its packed and its Elias coding. */
#ifndef GW_COMPRESS_QSGD_H
#define GW_COMPRESS_QSGD_H

#include "compress/bucket.h"
#include "compress/elias.h"

struct gw_qsgd {
    unsigned shift;    /* of the buckets */
    float levels;      /* s */
    float scale_limit; /* of a scale on the wire, which is norm / s */
    unsigned bits;     /* of a packed code */
    int l2, nearest;
    enum gw_elias_form form; /* of the Elias coding */
    struct gw_elias_table *table;
};

/* The scales on the wire of the buckets of a range, found as the codes need them, and the
 * quantizer that goes with them. */
struct gw_qsgd_scales {
    const struct gw_codec *c;
    struct gw_source source;
    size_t first;        /* the range's start */
    size_t bucket, done; /* next bucket to do; how many are done */
    uint8_t *body;       /* where the scales go */
    int spoiled;         /* one of them is of values that are not finite */
    uint8_t inverse[4 * GW_STRIDE_SCALES];
};

struct gw_qsgd_scales gw_qsgd_scales(const struct gw_codec *c, struct gw_source source,
                                     size_t first, uint8_t *body);

/* Scales for the `count` <= GW_STRIDE elements at `at` of the range; strides come in order. */
struct gw_quantizer gw_qsgd_stride(struct gw_qsgd_scales *scales, size_t at, size_t count);

size_t gw_qsgd_granule(const struct gw_codec *c);
double gw_qsgd_variance(const struct gw_codec *c);

/* The row that c->row becomes when coding is not packed. */
extern const struct gw_codec_row gw_qsgd_elias_row, gw_qsgd_elias_nearest_row;
gw_status gw_qsgd_elias_open(struct gw_codec *c, struct gw_error *error);

/* The parameters, for all rows. */
extern const gw_param gw_qsgd_params[];

#endif
