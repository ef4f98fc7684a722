/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* tree: broadcast down a binomial tree, the root's payload passed on as it is: log2 n latencies,
 * one encode. */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    return p->mergeless;
}

/* Ranks count from the root. Rank v hears from v without its highest bit and tells v + 2^j for all
 * 2^j above that bit. */
static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    int from_root = (p->rank - p->root + p->size) % p->size, distance = 1;
    gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    while (distance <= from_root)
        distance *= 2;
    int slots = gw_steps_piece_slots(list, GW_SLOT_CODED, p->pieces);
    for (int k = 0; k < p->pieces; k++) {
        int slot = slots + k;
        if (from_root == 0)
            gw_steps_add(list, GW_STEP_ENCODE, k, slot);
        else
            gw_steps_recv(list, (from_root - distance / 2 + p->root) % p->size, slot);
    }
    for (int k = 0; k < p->pieces; k++)
        for (int d = distance; from_root + d < p->size; d *= 2)
            gw_steps_send(list, (from_root + d + p->root) % p->size, slots + k);
    list->phase++;
    gw_steps_confirm(list, p->rank, p->size);
    for (int k = 0; k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_DELIVER, k, slots + k);
}

const struct gw_algorithm_row gw_tree = {
    .info = { "tree", "the root's payload down a binomial tree", "nothing is summed",
              "Thakur, Rabenseifner and Gropp, 2005" },
    .collectives = GW_BROADCAST,
    .whole = true,
    .applicable = applicable,
    .write = write,
};
