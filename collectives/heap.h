/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A binary heap of steps, the least key on top; of equal keys the least step. */
#ifndef GW_COLLECTIVES_HEAP_H
#define GW_COLLECTIVES_HEAP_H

struct gw_entry {
    double key;
    int step;
};

struct gw_heap {
    struct gw_entry *entries; /* the owner's: as many as will ever be in it */
    int count;
};

void gw_heap_push(struct gw_heap *heap, double key, int step);

/* Take the top off; there is one. */
struct gw_entry gw_heap_pop(struct gw_heap *heap);

#endif
