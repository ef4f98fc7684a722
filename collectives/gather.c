/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* gather: every rank sends its payload to every other and each adds all of them up in rank order,
 * or merges them if the codecs merge. One encode, no second error; bytes grow with n, so for few
 * ranks, sparse payloads and small tensors. */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    return p->merges || p->mergeless;
}

static void write_exchange(struct gw_step_list *list, const struct gw_problem *p, int piece,
                           int slots)
{
    for (int i = 1; i < p->size; i++) {
        int peer = (p->rank + p->size - i) % p->size;
        gw_steps_recv(list, peer, slots + peer);
    }
    gw_steps_add(list, GW_STEP_ENCODE, piece, slots + p->rank);
    for (int i = 1; i < p->size; i++)
        gw_steps_send(list, (p->rank + i) % p->size, slots + p->rank);
}

static void write_combine(struct gw_step_list *list, const struct gw_problem *p, int piece,
                          int slots)
{
    if (p->merges) {
        int merged = gw_steps_slots(list, GW_SLOT_MERGED, piece, 1);
        gw_steps_merge(list, piece, slots, merged);
        gw_steps_add(list, GW_STEP_DECODE, piece, merged);
    } else {
        for (int r = 0; r < p->size; r++)
            gw_steps_add(list, r ? GW_STEP_ADD : GW_STEP_DECODE, piece, slots + r);
    }
    if (p->divides)
        gw_steps_add(list, GW_STEP_DIVIDE, piece, -1);
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    if (p->agrees)
        gw_steps_agree(list, p->rank, p->size);
    for (int k = 0; k < p->pieces; k++) {
        int slots = gw_steps_slots(list, GW_SLOT_CODED, k, p->size);
        write_exchange(list, p, k, slots);
        write_combine(list, p, k, slots);
    }
    list->phase++;
    gw_steps_confirm(list, p->rank, p->size);
    for (int k = 0; k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_COPY, k, -1);
}

const struct gw_algorithm_row gw_gather = {
    .info = { "gather", "everyone's payload to everyone: one encode, for few ranks or few bytes",
              "rank order", "" },
    .collectives = GW_ALLREDUCE,
    .whole = true,
    .applicable = applicable,
    .write = write,
};
