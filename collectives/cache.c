/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Stack distances. */
#include "collectives/cache.h"

#include <stdlib.h>

gw_status gw_cache_open(struct gw_cache *cache, int places, double before)
{
    cache->touched = 0;
    cache->last = malloc((size_t)places * sizeof *cache->last);
    for (int i = 0; cache->last && i < places; i++)
        cache->last[i] = -before;
    return cache->last ? GW_OK : GW_ENOMEM;
}

double gw_cache_touch(struct gw_cache *cache, int place, double bytes)
{
    double distance = cache->touched - cache->last[place] + bytes;
    cache->touched += bytes;
    cache->last[place] = cache->touched;
    return distance > GW_CACHE_BYTES ? bytes * (1 - GW_CACHE_BYTES / distance) : 0;
}
