/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* doubling: partners at distance 1, 2, 4, ... exchange all they have: log2 n latencies, for small
 * raw data (recursive doubling, Thakur, Rabenseifner and Gropp 2005). With m the largest power of
 * two within n, ranks from m on hand their data to rank - m first and get the result at the end.
 *
 * Sums are a binary tree: x[r] + x[r+m] first, then neighbours at distance 1, then pairs at
 * distance 2, and so on. Both partners add the same two numbers, so all ranks hold the same bits.
 */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    return p->dense;
}

static int power_within(int size)
{
    int m = 1;
    while (2 * m <= size)
        m *= 2;
    return m;
}

static void send_sum(struct gw_step_list *list, int piece, int peer)
{
    int slot = gw_steps_slots(list, GW_SLOT_CODED, piece, 1);
    gw_steps_add(list, GW_STEP_REENCODE, piece, slot);
    gw_steps_send(list, peer, slot);
}

static void recv_sum(struct gw_step_list *list, int piece, int peer, enum gw_step_kind then)
{
    int slot = gw_steps_slots(list, GW_SLOT_CODED, piece, 1);
    gw_steps_recv(list, peer, slot);
    gw_steps_add(list, then, piece, slot);
}

static void exchange(struct gw_step_list *list, const struct gw_problem *p, int peer)
{
    for (int k = 0; k < p->pieces; k++) {
        send_sum(list, k, peer);
        recv_sum(list, k, peer, GW_STEP_ADD);
    }
    list->phase++;
}

static void write_outsider(struct gw_step_list *list, const struct gw_problem *p, int m)
{
    for (int k = 0; k < p->pieces; k++)
        send_sum(list, k, p->rank - m);
    list->phase += 1;
    for (int k = 0; k < p->pieces; k++)
        recv_sum(list, k, p->rank - m, GW_STEP_DECODE);
}

static void write_insider(struct gw_step_list *list, const struct gw_problem *p, int m)
{
    bool has_outsider = p->rank + m < p->size;
    for (int k = 0; has_outsider && k < p->pieces; k++)
        recv_sum(list, k, p->rank + m, GW_STEP_ADD);
    list->phase++;
    for (int distance = 1; distance < m; distance *= 2)
        exchange(list, p, p->rank ^ distance);
    for (int k = 0; p->divides && k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_DIVIDE, k, -1);
    for (int k = 0; has_outsider && k < p->pieces; k++)
        send_sum(list, k, p->rank + m);
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    int m = power_within(p->size);
    gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    for (int k = 0; k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_LOAD, k, -1);
    if (p->rank >= m)
        write_outsider(list, p, m);
    else
        write_insider(list, p, m);
    gw_steps_confirm(list, p->rank, p->size);
    for (int k = 0; k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_COPY, k, -1);
}

const struct gw_algorithm_row gw_doubling = {
    .info = { "doubling", "raw data exchanged at distances 1, 2, 4, ...: fewest latencies",
              "a binary tree over rank numbers; ranks past the last power of two join first",
              "Thakur, Rabenseifner and Gropp, Optimization of collective communication "
              "operations in MPICH, 2005" },
    .collectives = GW_ALLREDUCE,
    .whole = true,
    .applicable = applicable,
    .write = write,
};
