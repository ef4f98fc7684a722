/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rows of aggregators.c. */
#ifndef GW_SERVER_AGGREGATE_ROWS_H
#define GW_SERVER_AGGREGATE_ROWS_H

#include "server/aggregate.h"

extern const struct gw_aggregator gw_aggregator_mean, gw_aggregator_sum, gw_aggregator_vote,
    gw_aggregator_median, gw_aggregator_trimmed, gw_aggregator_clip;

/* The coordinate median, as the row does it; also where centred clipping starts from. */
size_t gw_median_scratch(const struct gw_values *values, size_t n, size_t count);
void gw_median_combine(const struct gw_values *values, const float *const *rows, size_t n,
                       float *out, size_t count, float *scratch);

#endif
