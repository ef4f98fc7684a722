/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A plan's state as units: what this rank keeps of each tensor that it sends, then of each segment
 * that it owns, then of each that it carries from node to node. */
#ifndef GW_COLLECTIVES_STATE_H
#define GW_COLLECTIVES_STATE_H

#include "collectives/plan.h"

int gw_state_units(const struct gw_plan *plan);

/* The codec of unit i; NULL where there is none. */
struct gw_codec *gw_state_codec(const struct gw_plan *plan, int i);

/* What a record of the tensor is said to be of where its core remembers what this rank merged
 * (vote:ties=previous), and ranks merge only what they own: such a memory is of no use where every
 * rank merges everything, for then all must remember the same. */
uint64_t gw_state_parted_spec(const struct gw_plan_tensor *tensor);

/* Where nodes carry sums, tensors' own codecs only decode. */
static inline bool gw_state_carries(const struct gw_plan *plan)
{
    return plan->algorithm == &gw_hierarchy;
}

/* Room for the state of the largest unit, zeroed. */
float *gw_state_scratch(const struct gw_plan *plan);

/* Forget the last error; GW_ESTATE in a run. */
gw_status gw_state_idle(struct gw_plan *plan);

#endif
