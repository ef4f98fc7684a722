/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Which elements stand where: tensors one after the other, cut into blocks (one per owner), cut
 * into pieces. A piece is a list of segments, each within one tensor. */
#ifndef GW_COLLECTIVES_LAYOUT_H
#define GW_COLLECTIVES_LAYOUT_H

#include <gradwire/status.h>

#include "base/types.h"

struct gw_segment {
    int tensor;
    size_t first, count; /* elements of the tensor */
};

struct gw_piece {
    int segment, segments; /* first, and how many */
    size_t first, count;   /* elements of the whole layout */
};

struct gw_layout {
    size_t count; /* elements */
    int blocks, pieces_per_block, pieces_count;
    struct gw_piece *pieces;
    struct gw_segment *segments;
    int segments_count;
};

/* Cut tensors of `counts` elements into `blocks` of near equal size and each block into
 * `pieces_per_block`. Cuts within tensor t fall on multiples of granules[t]. With `exact` the
 * blocks are exactly equal (the count must be divisible): granules then hold within blocks only. */
gw_status gw_layout_cut(struct gw_layout *out, const size_t *counts, const size_t *granules,
                        int tensors, int blocks, int pieces_per_block, int exact);

void gw_layout_free(struct gw_layout *layout);

#endif
