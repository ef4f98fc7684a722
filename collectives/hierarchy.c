/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* hierarchy: exact within a node, through shared memory; compressed between nodes. Where L ranks
 * share each of N nodes, rank i of a node carries slice i of the tensor: it adds up what its node
 * has of it, exchanges it with the ranks i of the other nodes as `direct` does, decodes the result
 * where its node can read it, and takes the slices of the others. So every rank's lane to the
 * network is used, bytes between nodes are those of one rank per node, and codecs see sums of L
 * ranks, N instead of N L of them.
 *
 * Block i N + j is of slice i and is summed by rank i of node j. The decision: ranks i of all nodes
 * consult each other, then the ranks of each node meet; so each hears of all. */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    return p->shares && p->nodes > 1 && p->node_ranks > 1 && p->mergeless && !p->agrees &&
           p->carries;
}

static int member(const struct gw_problem *p, int node)
{
    return p->members[node * p->node_ranks + p->node_rank];
}

/* The i-th node after this one: each starts with another. */
static int node_at(const struct gw_problem *p, int i)
{
    return (p->node + i) % p->nodes;
}

/* Piece k of the block of this rank's slice that its peer on a node sums. */
static int piece_of(const struct gw_problem *p, int node, int k)
{
    return (p->node_rank * p->nodes + node) * p->pieces + k;
}

static void meet(struct gw_step_list *list)
{
    list->phase++;
    gw_steps_add(list, GW_STEP_MEET, -1, -1);
    list->phase++;
}

/* What the node has of this slice, to who sums it. */
static int write_scatter(struct gw_step_list *list, const struct gw_problem *p)
{
    int contributions = list->slots_count;
    for (int k = 0; k < p->pieces; k++)
        gw_steps_slots(list, GW_SLOT_CODED, piece_of(p, p->node, k), p->nodes);
    for (int k = 0; k < p->pieces; k++)
        for (int i = 1; i < p->nodes; i++)
            gw_steps_recv(list, member(p, node_at(p, i)),
                          contributions + k * p->nodes + node_at(p, i));
    for (int k = 0; k < p->pieces; k++) {
        for (int i = 1; i <= p->nodes; i++) {
            int node = node_at(p, i), piece = piece_of(p, node, k);
            int slot = node == p->node ? contributions + k * p->nodes + node
                                       : gw_steps_slots(list, GW_SLOT_CODED, piece, 1);
            gw_steps_add(list, GW_STEP_REDUCE, piece, -1);
            gw_steps_add(list, GW_STEP_CARRY, piece, slot);
            if (node != p->node)
                gw_steps_send(list, member(p, node), slot);
        }
    }
    list->phase++;
    return contributions;
}

/* Sums of this rank's block, to all who carry the slice; all of it where the node reads it. */
static void write_gather(struct gw_step_list *list, const struct gw_problem *p, int contributions)
{
    int results = list->slots_count;
    for (int i = 0; i < p->nodes * p->pieces; i++)
        gw_steps_slots(list, GW_SLOT_CODED, piece_of(p, 0, i), 1);
    for (int k = 0; k < p->pieces; k++)
        for (int i = 1; i < p->nodes; i++)
            gw_steps_recv(list, member(p, node_at(p, i)), results + node_at(p, i) * p->pieces + k);
    for (int k = 0; k < p->pieces; k++) {
        int piece = piece_of(p, p->node, k), slot = results + p->node * p->pieces + k;
        for (int node = 0; node < p->nodes; node++)
            gw_steps_add(list, node ? GW_STEP_ADD : GW_STEP_DECODE, piece,
                         contributions + k * p->nodes + node);
        if (p->divides)
            gw_steps_add(list, GW_STEP_DIVIDE, piece, -1);
        gw_steps_add(list, GW_STEP_REENCODE, piece, slot);
        for (int i = 1; i < p->nodes; i++)
            gw_steps_send(list, member(p, node_at(p, i)), slot);
    }
    for (int i = 0; i < p->nodes * p->pieces; i++)
        gw_steps_add(list, GW_STEP_DECODE, piece_of(p, 0, i), results + i);
    list->phase++;
}

/* gw_steps_consult among the ranks that carry this slice. */
static void write_consult(struct gw_step_list *list, const struct gw_problem *p)
{
    for (int distance = 1; distance < p->nodes; distance *= 2) {
        int slots = gw_steps_slots(list, GW_SLOT_SIGN, -1, 2);
        list->phase++;
        gw_steps_add(list, GW_STEP_SIGN, -1, slots);
        gw_steps_send(list, member(p, node_at(p, distance)), slots);
        gw_steps_recv(list, member(p, node_at(p, p->nodes - distance)), slots + 1);
    }
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    int slice = p->nodes * p->pieces;
    for (int i = 0; i < p->size * p->pieces; i++)
        gw_steps_add(list, GW_STEP_SHARE, i, -1);
    meet(list);
    write_gather(list, p, write_scatter(list, p));
    write_consult(list, p);
    meet(list);
    gw_steps_add(list, GW_STEP_COMMIT, -1, -1);
    for (int i = 0; i < p->node_ranks; i++) {
        int from = (p->node_rank + i) % p->node_ranks;
        for (int k = 0; k < slice; k++)
            gw_steps_take(list, GW_STEP_TAKE, p->members[p->node * p->node_ranks + from],
                          from * slice + k);
    }
}

const struct gw_algorithm_row gw_hierarchy = {
    .info = { "hierarchy",
              "exact within a node through shared memory, compressed between nodes; nodes have the "
              "same number of ranks, two or more",
              "rank order within a node, then nodes", "Jia et al., 2018 (hierarchical allreduce)" },
    .collectives = GW_ALLREDUCE,
    .owners = true,
    .applicable = applicable,
    .write = write,
};
