/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* mean and sum: the rows added in worker order, as floats; the mean divides that by their number,
 * which is what the collectives do, bit for bit. */
#include "server/aggregate_rows.h"
#include "server/blocks.h"

static void divide(float *sum, float by, size_t count)
{
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t m = gw_min_size(GW_BLOCK, count - at);
        gw_block x;
        gw_block_load(x, sum + at, m);
        for (int i = 0; i < GW_BLOCK; i++)
            x[i] = gw_saturate(x[i] / by);
        gw_block_store(sum + at, x, m);
    }
}

static void finish_sum(const struct gw_values *values, size_t n, float *sum, size_t count)
{
    (void)values;
    if (n > 1)
        divide(sum, 1, count);
}

static void finish_mean(const struct gw_values *values, size_t n, float *sum, size_t count)
{
    (void)values;
    if (n > 1)
        divide(sum, (float)n, count);
}

static const gw_param no_params[] = { { NULL } };

const struct gw_aggregator gw_aggregator_mean = {
    .name = "mean",
    .sentence = "the mean of those who took part",
    .paper = "",
    .params = no_params,
    .linear = true,
    .finish = finish_mean,
};

const struct gw_aggregator gw_aggregator_sum = {
    .name = "sum",
    .sentence = "the sum",
    .paper = "",
    .params = no_params,
    .linear = true,
    .finish = finish_sum,
};
