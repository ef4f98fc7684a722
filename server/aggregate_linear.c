/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* mean and sum: the rows added in worker order, as floats; the mean divides that by their number,
 * which is what the collectives do, bit for bit. */
#include "server/aggregate_rows.h"
#include "server/blocks.h"

static void finish_sum(const struct gw_values *values, size_t n, float *sum, size_t count)
{
    (void)values;
    if (n == 1)
        return;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t m = gw_min_size(GW_BLOCK, count - at);
        gw_block x;
        gw_block_load(x, sum + at, m);
        for (int i = 0; i < GW_BLOCK; i++)
            x[i] = gw_saturate(x[i]);
        gw_block_store(sum + at, x, m);
    }
}

static void finish_mean(const struct gw_values *values, size_t n, float *sum, size_t count)
{
    (void)values;
    if (n == 1)
        return;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t m = gw_min_size(GW_BLOCK, count - at);
        gw_block x;
        gw_block_load(x, sum + at, m);
        for (int i = 0; i < GW_BLOCK; i++)
            x[i] = gw_saturate(x[i] / (float)n);
        gw_block_store(sum + at, x, m);
    }
}

static void add_rows(const float *const *rows, size_t n, float *out, size_t count)
{
    if (count > 0)
        memcpy(out, rows[0], count * sizeof *out);
    for (size_t r = 1; r < n; r++)
        for (size_t i = 0; i < count; i++)
            out[i] += rows[r][i];
}

static void combine_sum(const struct gw_values *values, const float *const *rows, size_t n,
                        float *out, size_t count, float *scratch)
{
    (void)scratch;
    add_rows(rows, n, out, count);
    finish_sum(values, n, out, count);
}

static void combine_mean(const struct gw_values *values, const float *const *rows, size_t n,
                         float *out, size_t count, float *scratch)
{
    (void)scratch;
    add_rows(rows, n, out, count);
    finish_mean(values, n, out, count);
}

static size_t no_scratch(const struct gw_values *values, size_t n, size_t count)
{
    (void)values;
    (void)n;
    (void)count;
    return 0;
}

static const gw_param no_params[] = { { NULL } };

const struct gw_aggregator gw_aggregator_mean = {
    .name = "mean",
    .sentence = "the mean of those who took part",
    .paper = "",
    .params = no_params,
    .linear = true,
    .finish = finish_mean,
    .scratch_count = no_scratch,
    .combine = combine_mean,
};

const struct gw_aggregator gw_aggregator_sum = {
    .name = "sum",
    .sentence = "the sum",
    .paper = "",
    .params = no_params,
    .linear = true,
    .finish = finish_sum,
    .scratch_count = no_scratch,
    .combine = combine_sum,
};
