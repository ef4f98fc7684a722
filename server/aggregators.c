/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of aggregators. A new one needs its row here and a paragraph in the manual. */
#include "server/aggregate_rows.h"
#include "server/choice.h"

const struct gw_aggregator *const gw_aggregators[] = {
    &gw_aggregator_mean,
    &gw_aggregator_sum,
    &gw_aggregator_vote,
    &gw_aggregator_median,
    &gw_aggregator_trimmed,
    &gw_aggregator_clip,
    NULL,
};

enum { ROWS = sizeof gw_aggregators / sizeof *gw_aggregators - 1 };

gw_status gw_aggregator_parse(const struct gw_aggregator **row, struct gw_values *values,
                              const char *spec, char *canonical, size_t capacity,
                              struct gw_error *error)
{
    struct gw_choice choices[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        choices[i] = (struct gw_choice){ gw_aggregators[i]->name, gw_aggregators[i]->params };
    size_t which = 0;
    gw_status s = gw_choice_parse(&which, values, "aggregator", choices, ROWS, spec, error);
    if (!s)
        s = gw_choice_format(&choices[which], values, canonical, capacity, error);
    if (!s)
        *row = gw_aggregators[which];
    return s;
}
