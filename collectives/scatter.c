/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The first half of direct and linear: every piece to its owner. */
#include "collectives/algorithms.h"

int gw_peer_at(const struct gw_problem *p, int i)
{
    return (p->rank + i) % p->size;
}

int gw_steps_piece_slots(struct gw_step_list *list, enum gw_slot_kind kind, int pieces)
{
    int first = list->slots_count;
    for (int i = 0; i < pieces; i++)
        gw_steps_slots(list, kind, i, 1);
    return first;
}

int gw_steps_contributions(struct gw_step_list *list, const struct gw_problem *p)
{
    int first = list->slots_count;
    for (int k = 0; k < p->pieces; k++)
        gw_steps_slots(list, GW_SLOT_CODED, p->rank * p->pieces + k, p->size);
    return first;
}

void gw_steps_scatter(struct gw_step_list *list, const struct gw_problem *p, int contributions)
{
    for (int k = 0; k < p->pieces; k++)
        for (int i = 1; i < p->size; i++)
            gw_steps_recv(list, gw_peer_at(p, i), contributions + k * p->size + gw_peer_at(p, i));
    for (int k = 0; k < p->pieces; k++) {
        for (int i = 1; i <= p->size; i++) {
            int peer = gw_peer_at(p, i), piece = peer * p->pieces + k;
            int slot = peer == p->rank ? contributions + k * p->size + peer
                                       : gw_steps_slots(list, GW_SLOT_CODED, piece, 1);
            gw_steps_add(list, GW_STEP_ENCODE, piece, slot);
            if (peer != p->rank)
                gw_steps_send(list, peer, slot);
        }
    }
    list->phase++;
}
