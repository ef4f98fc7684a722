/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Steps that go through memory which the ranks of a node share. */
#ifndef GW_COLLECTIVES_MEMORY_H
#define GW_COLLECTIVES_MEMORY_H

#include "collectives/plan.h"

/* Does the list meet in shared memory? */
bool gw_memory_needed(const struct gw_plan *plan);

/* Collective over the comm, after the plans have agreed: get what the list needs. On an error
 * (GW_ENOMEM, GW_ENOTSUP: on all ranks alike) another algorithm may do. */
gw_status gw_memory_open(struct gw_plan *plan, struct gw_error *error);

/* SHARE, REDUCE, COMBINE, FETCH, TAKE. */
gw_status gw_memory_work(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error);

/* MEET: say how it went here; then, until it is no longer GW_PENDING, what the others said. */
void gw_memory_raise(struct gw_plan *plan);
gw_status gw_memory_look(struct gw_plan *plan, struct gw_error *error);

/* Is this rank one that a MEET under way has not heard from? */
bool gw_memory_waits_for(const struct gw_plan *plan, int rank);

#endif
