/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* direct: scatter-reduce and allgather, every rank straight to every owner: two encodes on the way
 * whatever n is, so the error does not grow with the number of ranks (QSGD's and 1-bit SGD's
 * exchange: Seide et al. 2014, section 3.3). The owner decodes and adds in rank order, encodes the
 * result under its own error feedback, and everyone, the owner too, decodes what the owner sent. */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    /* Payloads that merge must be merged where they meet: that is `linear`. */
    return p->mergeless;
}

static void write_sums(struct gw_step_list *list, const struct gw_problem *p, int contributions)
{
    for (int k = 0; k < p->pieces; k++) {
        int piece = p->rank * p->pieces + k;
        for (int r = 0; r < p->size; r++)
            gw_steps_add(list, r ? GW_STEP_ADD : GW_STEP_DECODE, piece,
                         contributions + k * p->size + r);
        if (p->divides)
            gw_steps_add(list, GW_STEP_DIVIDE, piece, -1);
    }
}

static int write_results(struct gw_step_list *list, const struct gw_problem *p,
                         enum gw_step_kind encode)
{
    int first = gw_steps_piece_slots(list, GW_SLOT_CODED, p->size * p->pieces);
    for (int k = 0; k < p->pieces; k++)
        for (int i = 1; i < p->size; i++)
            gw_steps_recv(list, gw_peer_at(p, i), first + gw_peer_at(p, i) * p->pieces + k);
    for (int k = 0; k < p->pieces; k++) {
        int mine = p->rank * p->pieces + k;
        gw_steps_add(list, encode, mine, first + mine);
        for (int i = 1; i < p->size; i++)
            gw_steps_send(list, gw_peer_at(p, i), first + mine);
    }
    list->phase++;
    return first;
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    bool reduces = p->collective != GW_ALLGATHER, gathers = p->collective != GW_REDUCE_SCATTER;
    int results = -1;
    gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    if (reduces) {
        int contributions = gw_steps_contributions(list, p);
        gw_steps_scatter(list, p, contributions);
        write_sums(list, p, contributions);
    }
    if (gathers)
        results = write_results(list, p, reduces ? GW_STEP_REENCODE : GW_STEP_ENCODE);
    gw_steps_confirm(list, p->rank, p->size);
    for (int i = 0; gathers && i < p->size * p->pieces; i++)
        gw_steps_add(list, GW_STEP_DELIVER, i, results + i);
    for (int k = 0; !gathers && k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_COPY, p->rank * p->pieces + k, -1);
}

const struct gw_algorithm_row gw_direct = {
    .info = { "direct", "every rank to every owner and back: two encodes, whatever the ranks",
              "rank order", "Seide et al., 1-Bit stochastic gradient descent, 2014, section 3.3" },
    .collectives = GW_ALLREDUCE | GW_REDUCE_SCATTER | GW_ALLGATHER,
    .owners = true,
    .applicable = applicable,
    .write = write,
};
