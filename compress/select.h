/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The k elements of largest magnitude, as its bits order it, ties to the lowest index. */
#ifndef GW_COMPRESS_SELECT_H
#define GW_COMPRESS_SELECT_H

#include "compress/kernels/table.h"

enum { GW_SELECT_BLOCK = 4096 };

/* Which elements are kept. `list`: NULL, or all kept ones; it is on the heap. */
struct gw_selection {
    const struct gw_kernels *kernels;
    const gw_f32 *x;
    size_t count;
    uint32_t magnitude; /* larger ones are kept */
    size_t equal;       /* and so many, the first, that are equal */
    uint32_t *list;     /* positions */
    const gw_f32 *list_values;
    size_t listed;
};

/* Select 1 <= k <= count elements of x, which must not change until the end. This cannot fail: a
 * list only saves time. */
void gw_select(struct gw_selection *s, const struct gw_kernels *kernels, const gw_f32 *x,
               size_t count, size_t k);
void gw_select_end(struct gw_selection *s);

/* Kept elements, in order: element i has index base + positions[i]. */
struct gw_kept {
    const uint32_t *positions;
    const gw_f32 *values;
    size_t base, count;
};

/* A walk over the selection, block by block; there may be several at a time. */
struct gw_walk {
    const struct gw_selection *selection;
    size_t at, equal; /* passed so far */
    uint32_t positions[GW_SELECT_BLOCK];
    gw_f32 values[GW_SELECT_BLOCK];
};

void gw_walk_start(struct gw_walk *walk, const struct gw_selection *selection);

/* The next kept elements, at most GW_SELECT_BLOCK; 0 at the end. They hold until the next call. */
int gw_walk_next(struct gw_walk *walk, struct gw_kept *kept);

#endif
