/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Cutting tensors into blocks and pieces. */
#include "collectives/layout.h"

#include <stdlib.h>

struct cutter {
    const size_t *counts, *granules;
    int tensors;
    size_t total;
};

/* The allowed cut nearest below or at `at`: a multiple of the granule of the tensor there, or the
 * tensor's start; above it if that is nearer. */
static size_t snap(const struct cutter *c, size_t at)
{
    size_t start = 0;
    for (int t = 0; t < c->tensors; t++) {
        size_t within = at - start;
        if (within < c->counts[t]) {
            size_t down = within / c->granules[t] * c->granules[t];
            size_t up = gw_min_size(down + c->granules[t], c->counts[t]);
            return start + (within - down <= up - within ? down : up);
        }
        start += c->counts[t];
    }
    return c->total;
}

/* position = total * index / parts, without overflow. */
static size_t share(size_t total, int index, int parts)
{
    size_t each = total / (size_t)parts, rest = total % (size_t)parts;
    return each * (size_t)index + rest * (size_t)index / (size_t)parts;
}

static void fill_pieces(struct gw_layout *layout, const struct cutter *c, int exact)
{
    size_t at = 0;
    for (int i = 0; i < layout->pieces_count; i++) {
        int block = i / layout->pieces_per_block, k = i % layout->pieces_per_block;
        size_t start = share(c->total, block, layout->blocks);
        size_t end = share(c->total, block + 1, layout->blocks);
        int last = k == layout->pieces_per_block - 1;
        size_t cut = start + share(end - start, k + 1, layout->pieces_per_block);
        if (!last || !exact)
            cut = snap(c, cut);
        cut = exact ? gw_max_size(gw_min_size(cut, end), at) : gw_max_size(cut, at);
        if (i == layout->pieces_count - 1)
            cut = c->total;
        layout->pieces[i].first = at;
        layout->pieces[i].count = cut - at;
        at = cut;
    }
}

/* With segments NULL only counts them. */
static int fill_segments(struct gw_layout *layout, const struct cutter *c,
                         struct gw_segment *segments)
{
    int n = 0, t = 0;
    size_t start = 0;
    for (int i = 0; i < layout->pieces_count; i++) {
        struct gw_piece *piece = &layout->pieces[i];
        size_t at = piece->first, end = at + piece->count;
        piece->segment = n;
        while (at < end) {
            while (at >= start + c->counts[t])
                start += c->counts[t++];
            size_t stop = gw_min_size(end, start + c->counts[t]);
            if (segments)
                segments[n] = (struct gw_segment){ t, at - start, stop - at };
            n++;
            at = stop;
        }
        piece->segments = n - piece->segment;
    }
    return n;
}

gw_status gw_layout_cut(struct gw_layout *out, const size_t *counts, const size_t *granules,
                        int tensors, int blocks, int pieces_per_block, int exact)
{
    struct cutter c = { counts, granules, tensors, 0 };
    for (int t = 0; t < tensors; t++)
        c.total += counts[t];
    struct gw_layout layout = { .count = c.total,
                                .blocks = blocks,
                                .pieces_per_block = pieces_per_block,
                                .pieces_count = blocks * pieces_per_block };
    layout.pieces = calloc((size_t)layout.pieces_count, sizeof *layout.pieces);
    if (!layout.pieces)
        return GW_ENOMEM;
    fill_pieces(&layout, &c, exact);
    layout.segments_count = fill_segments(&layout, &c, NULL);
    layout.segments = calloc((size_t)layout.segments_count + 1, sizeof *layout.segments);
    if (!layout.segments) {
        gw_layout_free(&layout);
        return GW_ENOMEM;
    }
    fill_segments(&layout, &c, layout.segments);
    *out = layout;
    return GW_OK;
}

void gw_layout_free(struct gw_layout *layout)
{
    free(layout->pieces);
    free(layout->segments);
    *layout = (struct gw_layout){ 0 };
}
