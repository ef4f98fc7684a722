/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Which tensors travel together: arithmetic only. */
#ifndef GW_COLLECTIVES_BUCKETS_H
#define GW_COLLECTIVES_BUCKETS_H

#include <stddef.h>

/* Tensors first .. first + count - 1, as they were registered. */
struct gw_bucket_range {
    size_t first, count;
};

/* Cut tensors 0 .. count - 1 of `bytes` bytes into buckets of neighbours, the last tensors in
 * bucket 0, because the backward pass makes them first. A bucket closes before it would hold more
 * than `most` bytes (one tensor alone may) or tensors of two kinds. `out` has room for `count`.
 * Returns the number of buckets. */
size_t gw_buckets_cut(struct gw_bucket_range *out, const size_t *bytes, const int *kinds,
                      size_t count, size_t most);

#endif
