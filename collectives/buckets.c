/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Cutting a list of tensors into buckets, as PyTorch's DDP does (Li et al. 2020, section 3.2.3):
 * in the reverse of the order they were registered in, which is about the order they come in. */
#include "collectives/buckets.h"

size_t gw_buckets_cut(struct gw_bucket_range *out, const size_t *bytes, const int *kinds,
                      size_t count, size_t most)
{
    size_t buckets = 0, used = 0;
    for (size_t t = count; t-- > 0;) {
        struct gw_bucket_range *last = buckets ? &out[buckets - 1] : NULL;
        if (last && kinds[t] == kinds[last->first] && used <= most && bytes[t] <= most - used) {
            last->first = t;
            last->count++;
            used += bytes[t];
            continue;
        }
        out[buckets++] = (struct gw_bucket_range){ t, 1 };
        used = bytes[t];
    }
    return buckets;
}
