/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The cost model: what one run of a step list takes. Pure arithmetic on numbers that all ranks
 * agreed on before (costs.h), so that all ranks find the same. */
#ifndef GW_COLLECTIVES_PRICE_H
#define GW_COLLECTIVES_PRICE_H

#include "collectives/algorithms.h"
#include "collectives/rates.h"
#include "comm/comm.h"

enum { GW_NATIVE_POINTS = 4 };

/* Measured times of the transport's own allreduce, by rising size; none: a formula. */
struct gw_native_times {
    int count;
    double bytes[GW_NATIVE_POINTS], seconds[GW_NATIVE_POINTS];
};

struct gw_tuning;

/* Which lines of a tuning file are about this problem (tuning.h). */
struct gw_tuned {
    const struct gw_tuning *tuning; /* NULL: none */
    uint64_t codec;                 /* gw_hash_text of the spec of all tensors */
    enum gw_collective collective;
    double bytes; /* of float input */
};

/* All that a price depends on besides the problem. */
struct gw_terms {
    size_t count;    /* elements of the whole layout */
    double elements; /* the same in units of 4 bytes */
    int tensors;     /* a piece holds a payload for each tensor it touches */
    size_t side_floats;
    struct gw_rates rates; /* of an average element */
    bool assumed;          /* nobody measured them: nothing depended on them */
    struct gw_memory_rates memory;
    struct gw_link near, far;
    const int *nodes; /* of each rank; NULL: all on one */
    double crowding;  /* ranks per core, at least 1 */
    int threads;      /* of a rank that compute */
    struct gw_native_times native;
    struct gw_tuned tuned; /* what a tuning file says */
};

/* Seconds of one run of rank 0's list for a layout of `pieces` pieces of equal size, every peer
 * doing what rank 0 does at the same time. Errors: GW_ENOMEM. */
gw_status gw_price_list(double *seconds, const struct gw_step_list *list, int pieces,
                        const struct gw_problem *p, const struct gw_terms *terms);

/* Seconds of the transport's own allreduce of so many bytes, by all ranks. */
double gw_price_native(const struct gw_problem *p, const struct gw_terms *terms, double bytes);

#endif
