/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* shared: raw data through memory that all ranks share. Each rank copies its input to where the
 * others can read it, looking for NaN and infinity as it copies, and meets the others; their flags
 * say whether all inputs are good, so the meeting is the point of decision too.
 *
 * Little data, or two ranks: every rank then adds all copies up by itself, straight to its output:
 * one meeting. Otherwise each adds up its own slice, and after a second meeting takes the slices of
 * the others: two meetings, but 4 + 1/n instead of n + 3 passes over memory. Nothing shows in an
 * output before the last meeting.
 *
 * Nobody may write over what others still read. With one meeting a run the copies stand twice, in
 * turns, and whoever starts run k + 2 has seen that all have started k + 1. With slices copies are
 * read between two meetings and sums after the second, which all have done before they come to the
 * next meeting of their kind. Two ranks with much data would lose more by a second copy, which the
 * cache does not hold, than they lose by a meeting at the start. */
#include "collectives/algorithms.h"

enum { SMALL_BYTES = 64 << 10 };

static bool applicable(const struct gw_problem *p)
{
    return p->dense && p->shares && p->nodes == 1 && p->size > 1;
}

static bool in_slices(const struct gw_problem *p)
{
    return p->collective == GW_ALLREDUCE && p->size > 2 && p->raw_bytes > SMALL_BYTES;
}

static void meet(struct gw_step_list *list)
{
    list->phase++;
    gw_steps_add(list, GW_STEP_MEET, -1, -1);
    list->phase++;
}

static void write_slices(struct gw_step_list *list, const struct gw_problem *p)
{
    int pieces = p->size * p->pieces;
    for (int i = 0; i < pieces; i++)
        gw_steps_add(list, GW_STEP_SHARE, i, -1);
    meet(list);
    for (int k = 0; k < p->pieces; k++) {
        gw_steps_add(list, GW_STEP_REDUCE, p->rank * p->pieces + k, -1);
        if (p->divides)
            gw_steps_add(list, GW_STEP_DIVIDE, p->rank * p->pieces + k, -1);
    }
    meet(list);
    gw_steps_add(list, GW_STEP_COMMIT, -1, -1);
    for (int i = 0; i < p->size; i++)
        for (int k = 0; k < p->pieces; k++)
            gw_steps_take(list, GW_STEP_TAKE, gw_peer_at(p, i), gw_peer_at(p, i) * p->pieces + k);
}

/* Who has something to share, and what. */
static void write_share(struct gw_step_list *list, const struct gw_problem *p)
{
    if (p->collective == GW_ALLGATHER)
        for (int k = 0; k < p->pieces; k++)
            gw_steps_add(list, GW_STEP_SHARE, p->rank * p->pieces + k, -1);
    else if (p->collective != GW_BROADCAST || p->rank == p->root)
        gw_steps_add(list, GW_STEP_SHARE, -1, -1);
}

static void write_results(struct gw_step_list *list, const struct gw_problem *p)
{
    switch (p->collective) {
    case GW_ALLREDUCE:
        gw_steps_add(list, GW_STEP_COMBINE, -1, -1);
        break;
    case GW_REDUCE_SCATTER:
        for (int k = 0; k < p->pieces; k++)
            gw_steps_add(list, GW_STEP_COMBINE, p->rank * p->pieces + k, -1);
        break;
    case GW_ALLGATHER:
        for (int i = 0; i < p->size * p->pieces; i++)
            gw_steps_take(list, GW_STEP_FETCH, i / p->pieces, i);
        break;
    case GW_BROADCAST:
        gw_steps_take(list, GW_STEP_FETCH, p->root, -1);
        break;
    }
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    if (p->wraps)
        gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    if (in_slices(p)) {
        write_slices(list, p);
        return;
    }
    if (p->raw_bytes > SMALL_BYTES)
        meet(list);
    write_share(list, p);
    meet(list);
    gw_steps_add(list, GW_STEP_COMMIT, -1, -1);
    write_results(list, p);
}

const struct gw_algorithm_row gw_shared_memory = {
    .info = { "shared", "raw data through memory that the ranks of one node share", "rank order",
              "Graham and Shipman, MPI support for multi-core architectures, 2008" },
    .collectives = GW_ALLREDUCE | GW_REDUCE_SCATTER | GW_ALLGATHER | GW_BROADCAST,
    .applicable = applicable,
    .write = write,
};
