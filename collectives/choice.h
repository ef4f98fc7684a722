/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Which algorithm, and how large its pieces: the cheapest by the prices of the step lists. */
#ifndef GW_COLLECTIVES_CHOICE_H
#define GW_COLLECTIVES_CHOICE_H

#include "collectives/price.h"

struct gw_choice {
    const struct gw_algorithm_row *row;
    size_t piece_count; /* elements */
    double seconds;     /* predicted */
    bool tuned;         /* not by the model, but by a tuning file */
};

/* What the caller fixed. */
struct gw_wish {
    const char *algorithm; /* "" or NULL: the cheapest that applies */
    size_t piece_count;    /* 0: the cheapest */
};

/* Pieces per block where blocks of this row are cut into pieces of `piece_count` elements out of
 * `elements` in all. */
int gw_pieces_of(const struct gw_algorithm_row *row, const struct gw_problem *p, size_t elements,
                 size_t piece_count);

/* Seconds of one run of a row with such pieces. The effort is bounded: long lists are priced from
 * shorter ones. Errors: GW_ENOMEM. */
gw_status gw_price_row(double *seconds, const struct gw_algorithm_row *row,
                       const struct gw_problem *p, const struct gw_terms *terms,
                       size_t piece_count);

/* `reason` gets a sentence. Errors: GW_ESPEC (unknown algorithm, with the valid names), GW_ENOTSUP
 * (none applies, or not the one wished for), GW_ENOMEM. */
gw_status gw_choose(struct gw_choice *out, const struct gw_problem *p, const struct gw_terms *terms,
                    const struct gw_wish *wish, char *reason, size_t capacity,
                    struct gw_error *error);

/* Is there more than one thing that gw_choose could do? If not, prices need no measured numbers. */
bool gw_choice_is_open(const struct gw_problem *p, size_t elements, const struct gw_wish *wish);

/* What rows are compared by: seconds, less for the row that suffers least from a busy node. */
double gw_choice_rank(const struct gw_algorithm_row *row, double seconds);

#endif
