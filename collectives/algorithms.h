/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Algorithms: arithmetic from (rank, size, pieces) to steps. One row each in algorithms.c. */
#ifndef GW_COLLECTIVES_ALGORITHMS_H
#define GW_COLLECTIVES_ALGORITHMS_H

#include <gradwire/info.h>

#include "collectives/steps.h"

enum gw_collective { GW_ALLREDUCE = 1, GW_REDUCE_SCATTER = 2, GW_ALLGATHER = 4, GW_BROADCAST = 8 };

/* What an algorithm may know. Piece k of block b has index b * pieces + k; algorithms with `whole`
 * have one block. */
struct gw_problem {
    enum gw_collective collective;
    int rank, size, root;
    int pieces;     /* per block */
    bool dense;     /* every codec is raw: sums may be sent on the way */
    bool merges;    /* every codec merges payloads */
    bool mergeless; /* no codec does */
    bool summable;  /* merging gives sums, not votes */
    bool native;    /* the transport has an allreduce of its own for this */
    bool divides;   /* GW_MEAN */
    bool checks;    /* native: ranks may refuse their input, so they ask each other first */
    bool agrees;    /* some codec has side information to agree on */
    bool wraps;     /* a gate's twin: wrappers make its input in PREPARE */
    int nodes, node, node_ranks, node_rank; /* node_ranks 0: not the same on all nodes */
    const int *members;                     /* node_ranks of node 0, of node 1, ... */
    bool shares;                            /* the ranks of a node have memory in common */
    bool carries;     /* what nodes send may keep residuals, by slices of the whole layout */
    double raw_bytes; /* of the whole layout */
};

struct gw_algorithm_row {
    gw_algorithm_info info;
    unsigned collectives;
    bool whole;  /* works on one block that is everything, not one per rank */
    bool owners; /* an allreduce's results are encoded again by owners, under their own feedback */
    bool (*applicable)(const struct gw_problem *p);
    void (*write)(struct gw_step_list *list, const struct gw_problem *p);
};

extern const struct gw_algorithm_row *const gw_algorithm_rows[]; /* ends with NULL */

extern const struct gw_algorithm_row gw_native, gw_ring, gw_doubling, gw_direct, gw_gather,
    gw_linear, gw_tree, gw_shared_memory, gw_hierarchy;

/* The row of that name; NULL, with words, if there is none. */
const struct gw_algorithm_row *gw_algorithm_find(const char *name, struct gw_error *error);

/* May it be used for this? */
bool gw_algorithm_applies(const struct gw_algorithm_row *row, const struct gw_problem *p);

/* The peer that a rank serves i-th: each rank starts with another one, so that no owner is flooded.
 */
int gw_peer_at(const struct gw_problem *p, int i);

/* Encode every piece, send it to its owner, and receive the pieces this rank owns: those of piece k
 * into slots contributions + k * size + rank, this rank's own among them. */
void gw_steps_scatter(struct gw_step_list *list, const struct gw_problem *p, int contributions);

/* The slots that gw_steps_scatter needs; returns the first. */
int gw_steps_contributions(struct gw_step_list *list, const struct gw_problem *p);

/* One slot per piece of the whole layout, consecutive; returns the first. */
int gw_steps_piece_slots(struct gw_step_list *list, enum gw_slot_kind kind, int pieces);

#endif
