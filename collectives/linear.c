/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* linear: as direct, but owners merge payloads without decoding: integer sums, shared-seed samples,
 * majority votes. One encode on the way; no decode at the owner (SwitchML, Sapio et al. 2021, has
 * the switch for an owner; Bernstein et al. 2019 for the vote). */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    return p->merges;
}

static void write_merges(struct gw_step_list *list, const struct gw_problem *p, int contributions,
                         int results)
{
    for (int k = 0; k < p->pieces; k++) {
        int mine = p->rank * p->pieces + k;
        gw_steps_merge(list, mine, contributions + k * p->size, results + mine);
    }
}

static void write_spread(struct gw_step_list *list, const struct gw_problem *p, int results)
{
    for (int k = 0; k < p->pieces; k++)
        for (int i = 1; i < p->size; i++) {
            gw_steps_recv(list, gw_peer_at(p, i), results + gw_peer_at(p, i) * p->pieces + k);
            gw_steps_send(list, gw_peer_at(p, i), results + p->rank * p->pieces + k);
        }
    list->phase++;
}

static void write_ends(struct gw_step_list *list, const struct gw_problem *p, int results)
{
    bool gathers = p->collective == GW_ALLREDUCE;
    int first = gathers ? 0 : p->rank * p->pieces;
    int end = gathers ? p->size * p->pieces : first + p->pieces;
    gw_steps_confirm(list, p->rank, p->size);
    for (int i = first; i < end; i++) {
        gw_steps_add(list, GW_STEP_DELIVER, i, results + i);
        if (p->divides)
            gw_steps_add(list, GW_STEP_AVERAGE, i, -1);
    }
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    int contributions = gw_steps_contributions(list, p);
    int results = gw_steps_piece_slots(list, GW_SLOT_MERGED, p->size * p->pieces);
    gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    if (p->agrees)
        gw_steps_agree(list, p->rank, p->size);
    gw_steps_scatter(list, p, contributions);
    write_merges(list, p, contributions, results);
    if (p->collective == GW_ALLREDUCE)
        write_spread(list, p, results);
    write_ends(list, p, results);
}

const struct gw_algorithm_row gw_linear = {
    .info = { "linear", "owners merge payloads without decoding them: sums of codes, votes",
              "rank order, in the codec's own arithmetic",
              "Sapio et al., Scaling distributed machine learning with in-network aggregation, "
              "2021; Bernstein et al., signSGD with majority vote, 2019" },
    .collectives = GW_ALLREDUCE | GW_REDUCE_SCATTER,
    .applicable = applicable,
    .write = write,
};
