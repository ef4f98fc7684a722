/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Which step waits for which: read off the places that steps touch. */
#ifndef GW_COLLECTIVES_GRAPH_H
#define GW_COLLECTIVES_GRAPH_H

#include "collectives/steps.h"

struct gw_graph {
    int *waits; /* by step: how many earlier steps it waits for */
    int *start; /* by step: its followers are follower[start[i] .. start[i + 1]) */
    int *follower;
    int *next_send; /* by step: the next SEND (or RECV) with the same peer: goes after this has been
                     * handed to the transport, -1: none */
    int *roots;     /* the steps that wait for none, in list order */
    int roots_count;
    int *lanes; /* the first step of each chain of messages: one per peer and direction, and NATIVEs
                 */
    int lanes_count;
};

gw_status gw_graph_build(struct gw_graph *out, const struct gw_step_list *list, int pieces,
                         int size);
void gw_graph_free(struct gw_graph *graph);

#endif
