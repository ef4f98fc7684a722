/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Measured numbers of a comm, the same on all its ranks: links, rates of codecs, the transport's
 * own allreduce. Each is measured once, when the first plan needs it. */
#ifndef GW_COLLECTIVES_COSTS_H
#define GW_COLLECTIVES_COSTS_H

#include "collectives/price.h"

struct gw_spec_rates {
    char spec[GW_SPEC_TEXT];
    struct gw_rates rates;
};

/* One block of memory, comm->costs. */
struct gw_costs {
    struct gw_native_times native;
    struct gw_memory_rates memory;
    double crowding;
    int threads; /* of a rank, as gw_info_costs found it */
    int count, capacity;
    struct gw_spec_rates specs[];
};

struct gw_want {
    const char *const *specs; /* canonical */
    int count;                /* 0: this rank needs nothing */
    bool large;               /* memory too, which takes longer than the rest */
    int threads;              /* that compute; becomes the fewest of any rank */
};

/* Collective: every rank of the comm calls this at the same point of making a plan, whatever went
 * wrong on it so far (`local`). What is lacking is measured by all ranks at the same time, and the
 * slowest counts. Ranks that need different things measure nothing, because they are about to find
 * out that they disagree. Returns `local` where it is an error. */
gw_status gw_costs_measure(gw_comm *comm, struct gw_want *want, gw_status local,
                           struct gw_error *error);

/* The rates of a spec as measured, or what is assumed. */
const struct gw_rates *gw_costs_of(const gw_comm *comm, const char *spec);

/* ---- native_times.c: how long the transport's own allreduce takes on a few sizes
 * ---------------*/

enum { GW_NATIVE_ROOM = 4 << 20 };

/* Collective. `room`: GW_NATIVE_ROOM bytes, malloced; after an error with `*lost` the transport may
 * still touch them. */
gw_status gw_native_measure(struct gw_native_times *out, gw_comm *comm, void *room, bool *lost,
                            struct gw_error *error);

#endif
