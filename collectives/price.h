/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The cost model: what one run of a step list takes, and the choice that follows from it. Pure
 * arithmetic on numbers that all ranks agreed on before (costs.h), so all ranks choose alike. */
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

/* All that a price depends on besides the problem. */
struct gw_terms {
    double elements; /* of the whole layout, in units of 4 bytes */
    int tensors;     /* a piece holds a payload for each tensor it touches */
    size_t side_floats;
    struct gw_rates rates; /* of an average element */
    struct gw_link near, far;
    const int *nodes; /* of each rank; NULL: all on one */
    double crowding;  /* ranks per core, at least 1 */
    int threads;      /* of a rank that compute */
    struct gw_native_times native;
};

struct gw_choice {
    const struct gw_algorithm_row *row;
    size_t piece_count; /* elements */
    int pieces;         /* per block */
    double seconds;     /* predicted */
};

/* Pieces per block when blocks of this row are cut into pieces of `piece_count` elements. */
int gw_pieces_of(const struct gw_algorithm_row *row, const struct gw_problem *p, size_t elements,
                 size_t piece_count);

/* Seconds of one run: rank 0's list played through, every peer doing what it does at the same
 * time. Errors: GW_ENOMEM. */
gw_status gw_price_list(double *seconds, const struct gw_step_list *list,
                        const struct gw_problem *p, const struct gw_terms *terms);

/* Seconds of one run of a row whose blocks are cut into pieces of `piece_count`. The effort is
 * bounded: lists of many pieces are priced from shorter ones. Errors: GW_ENOMEM. */
gw_status gw_price_row(double *seconds, const struct gw_algorithm_row *row,
                       const struct gw_problem *p, const struct gw_terms *terms,
                       size_t piece_count);

#endif
