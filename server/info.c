/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The server's tables, for programs that list them. */
#include <gradwire/server.h>

#include "server/aggregate.h"
#include "server/core.h"
#include "server/optimize.h"
#include "server/policy.h"

int gw_info_mode(size_t index, gw_method_info *out)
{
    size_t count = 0;
    while (gw_modes[count].name)
        count++;
    if (index >= count)
        return 0;
    const struct gw_mode_info *row = &gw_modes[index];
    *out = (gw_method_info){ row->name, row->sentence, row->paper, row->params };
    return 1;
}

int gw_info_aggregator(size_t index, gw_method_info *out)
{
    size_t count = 0;
    while (gw_aggregators[count])
        count++;
    if (index >= count)
        return 0;
    const struct gw_aggregator *row = gw_aggregators[index];
    *out = (gw_method_info){ row->name, row->sentence, row->paper, row->params };
    return 1;
}

int gw_info_optimizer(size_t index, gw_method_info *out)
{
    size_t count = 0;
    while (gw_optimizers[count])
        count++;
    if (index >= count)
        return 0;
    const struct gw_optimizer *row = gw_optimizers[index];
    *out = (gw_method_info){ row->name, row->sentence, row->paper, row->params };
    return 1;
}

int gw_info_durability(size_t index, gw_method_info *out)
{
    size_t count = 0;
    while (gw_durabilities[count].name)
        count++;
    if (index >= count)
        return 0;
    const struct gw_durability_info *row = &gw_durabilities[index];
    *out = (gw_method_info){ row->name, row->sentence, "", row->params };
    return 1;
}
