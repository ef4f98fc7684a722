/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* ring: each rank talks to its two neighbours only (Patarasuk and Yuan 2009). n - 1 hops of one
 * block each sum it up, n - 1 more pass the sums on: 2 (n-1)/n of the data per rank, the least
 * possible, at 2 (n-1) latencies. Raw data only: to requantize at each hop would add up errors.
 *
 * Block b is owned by rank b and summed in the order b+1, b+2, ..., b (modulo n). */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    return p->dense;
}

static int wrap(const struct gw_problem *p, int rank)
{
    return (rank % p->size + p->size) % p->size;
}

/* Hop s sends block rank-1-s and receives block rank-2-s, so that hop n-2 receives block rank. */
static void write_reduce(struct gw_step_list *list, const struct gw_problem *p)
{
    for (int s = 0; s < p->size; s++) {
        int block = wrap(p, p->rank - 1 - s);
        for (int k = 0; k < p->pieces; k++) {
            int piece = block * p->pieces + k;
            gw_steps_add(list, GW_STEP_LOAD, piece, -1);
            if (s > 0) {
                int slot = gw_steps_slots(list, GW_SLOT_CODED, piece, 1);
                gw_steps_recv(list, wrap(p, p->rank - 1), slot);
                gw_steps_add(list, GW_STEP_ADD, piece, slot);
            }
            if (s < p->size - 1) {
                int slot = gw_steps_slots(list, GW_SLOT_CODED, piece, 1);
                gw_steps_add(list, GW_STEP_REENCODE, piece, slot);
                gw_steps_send(list, wrap(p, p->rank + 1), slot);
            } else if (p->divides) {
                gw_steps_add(list, GW_STEP_DIVIDE, piece, -1);
            }
        }
        list->phase++;
    }
}

/* Hop s sends block rank-s and receives block rank-1-s; slots of piece i are first + i. */
static void write_gather(struct gw_step_list *list, const struct gw_problem *p, int first)
{
    for (int s = 0; s < p->size - 1; s++) {
        for (int k = 0; k < p->pieces; k++) {
            gw_steps_send(list, wrap(p, p->rank + 1), first + wrap(p, p->rank - s) * p->pieces + k);
            gw_steps_recv(list, wrap(p, p->rank - 1),
                          first + wrap(p, p->rank - 1 - s) * p->pieces + k);
        }
        list->phase++;
    }
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    int pieces = p->size * p->pieces;
    bool reduces = p->collective != GW_ALLGATHER, gathers = p->collective != GW_REDUCE_SCATTER;
    int first = 0;
    gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    if (reduces)
        write_reduce(list, p);
    if (gathers)
        first = gw_steps_piece_slots(list, GW_SLOT_CODED, pieces);
    for (int k = 0; gathers && k < p->pieces; k++)
        gw_steps_add(list, reduces ? GW_STEP_REENCODE : GW_STEP_ENCODE, p->rank * p->pieces + k,
                     first + p->rank * p->pieces + k);
    if (gathers)
        write_gather(list, p, first);
    gw_steps_confirm(list, p->rank, p->size);
    for (int i = 0; gathers && i < pieces; i++)
        gw_steps_add(list, GW_STEP_DELIVER, i, first + i);
    for (int k = 0; !gathers && k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_COPY, p->rank * p->pieces + k, -1);
}

const struct gw_algorithm_row gw_ring = {
    .info = { "ring", "raw data around a ring: least bytes, most latencies",
              "block b in the order b+1, b+2, ..., b, modulo the number of ranks",
              "Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009" },
    .collectives = GW_ALLREDUCE | GW_REDUCE_SCATTER | GW_ALLGATHER,
    .applicable = applicable,
    .write = write,
};
