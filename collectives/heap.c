/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A binary heap. */
#include "collectives/heap.h"

#include <stdbool.h>

static bool before(struct gw_entry a, struct gw_entry b)
{
    return a.key < b.key || (a.key <= b.key && a.step < b.step);
}

void gw_heap_push(struct gw_heap *heap, double key, int step)
{
    struct gw_entry entry = { key, step };
    int at = heap->count++;
    for (; at > 0 && before(entry, heap->entries[(at - 1) / 2]); at = (at - 1) / 2)
        heap->entries[at] = heap->entries[(at - 1) / 2];
    heap->entries[at] = entry;
}

struct gw_entry gw_heap_pop(struct gw_heap *heap)
{
    struct gw_entry top = heap->entries[0], last = heap->entries[--heap->count];
    int at = 0;
    for (int child = 1; child < heap->count; child = 2 * at + 1) {
        child += child + 1 < heap->count && before(heap->entries[child + 1], heap->entries[child]);
        if (!before(heap->entries[child], last))
            break;
        heap->entries[at] = heap->entries[child];
        at = child;
    }
    heap->entries[at] = last;
    return top;
}
