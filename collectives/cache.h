/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a step finds in the cache, for prices: a place that was touched so long ago that more bytes
 * than the cache holds were touched since has to come from memory (the stack distance of Mattson,
 * Gecsei, Slutz and Traiger 1970). */
#ifndef GW_COLLECTIVES_CACHE_H
#define GW_COLLECTIVES_CACHE_H

#include <gradwire/status.h>

#include "base/types.h"

/* What one core keeps to itself. A constant, because all ranks must find the same prices. */
enum { GW_CACHE_BYTES = 1 << 20 };

struct gw_cache {
    double touched; /* bytes, so far */
    double *last;   /* by place: `touched` when it was */
};

/* Nothing was touched since `before` bytes ago. Errors: GW_ENOMEM. Free `last`. */
gw_status gw_cache_open(struct gw_cache *cache, int places, double before);

/* Touch all of a place; returns how many of its bytes were not in the cache. */
double gw_cache_touch(struct gw_cache *cache, int place, double bytes);

#endif
