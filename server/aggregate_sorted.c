/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* median and trimmed mean, coordinate by coordinate: what a minority sends cannot move the result
 * out of the range of what the others sent. Yin et al. 2018, "Byzantine-Robust Distributed
 * Learning: Towards Optimal Statistical Rates".
 *
 * A block of elements is sorted at once, by Batcher's merge exchange (Knuth, The Art of Computer
 * Programming 5.2.2, algorithm M): its comparisons do not depend on the values, so each is a
 * minimum and a maximum of whole rows of the block. Floats are compared as integers, which orders
 * the two zeros as well: the bits do not depend on the order of the rows. */
#include "server/aggregate_rows.h"
#include "server/blocks.h"

#include <math.h>

typedef int32_t key __attribute__((may_alias)); /* stands in floats of the scratch */

/* Floats to integers of the same order; its own inverse. */
static inline int32_t turn(int32_t bits)
{
    return bits ^ (bits >> 31 & 0x7fffffff);
}

static void exchange(key *restrict low, key *restrict high)
{
    for (int i = 0; i < GW_BLOCK; i++) {
        int32_t a = low[i], b = high[i];
        low[i] = a < b ? a : b;
        high[i] = a < b ? b : a;
    }
}

static void sort_rows(key *keys, size_t n)
{
    size_t top = 1;
    while (top < n)
        top *= 2;
    for (size_t p = top / 2; p > 0; p /= 2) {
        size_t r = 0, d = p;
        for (size_t q = top / 2;; q /= 2) {
            for (size_t i = 0; i + d < n; i++)
                if ((i & p) == r)
                    exchange(keys + i * GW_BLOCK, keys + (i + d) * GW_BLOCK);
            if (q == p)
                break;
            d = q - p;
            r = p;
        }
    }
}

static void load_keys(key *to, const float *from, size_t count)
{
    gw_block block;
    gw_block_load(block, (const gw_f32 *)from, count);
    memcpy(to, block, sizeof block);
    for (int i = 0; i < GW_BLOCK; i++)
        to[i] = turn(to[i]);
}

/* Rows `first` to `last` of the sorted block, as floats, added up in ascending order. */
static void add_middle(const key *keys, size_t first, size_t last, double sums[GW_BLOCK])
{
    for (int i = 0; i < GW_BLOCK; i++)
        sums[i] = 0;
    for (size_t r = first; r <= last; r++) {
        gw_block x;
        key bits[GW_BLOCK];
        for (int i = 0; i < GW_BLOCK; i++)
            bits[i] = turn(keys[r * GW_BLOCK + (size_t)i]);
        memcpy(x, bits, sizeof x);
        for (int i = 0; i < GW_BLOCK; i++)
            sums[i] += (double)x[i];
    }
}

/* The mean of what is left without the `cut` lowest and highest. */
static void mean_of_middle(const float *const *rows, size_t n, size_t cut, float *out, size_t count,
                           float *scratch)
{
    key *keys = (key *)scratch;
    double left = (double)(n - 2 * cut);
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t m = gw_min_size(GW_BLOCK, count - at);
        double sums[GW_BLOCK];
        gw_block x;
        for (size_t r = 0; r < n; r++)
            load_keys(keys + r * GW_BLOCK, rows[r] + at, m);
        sort_rows(keys, n);
        add_middle(keys, cut, n - 1 - cut, sums);
        for (int i = 0; i < GW_BLOCK; i++)
            x[i] = (float)(sums[i] / left);
        gw_block_store((gw_f32 *)out + at, x, m);
    }
}

size_t gw_median_scratch(const struct gw_values *values, size_t n, size_t count)
{
    (void)values;
    (void)count;
    return n * GW_BLOCK;
}

/* All but the middle one, or two, are cut. */
void gw_median_combine(const struct gw_values *values, const float *const *rows, size_t n,
                       float *out, size_t count, float *scratch)
{
    (void)values;
    mean_of_middle(rows, n, (n - 1) / 2, out, count, scratch);
}

enum { CUT };

/* floor(cut * n), where a product such as 0.29 * 100 does not fall short by its rounding. */
static void combine_trimmed(const struct gw_values *values, const float *const *rows, size_t n,
                            float *out, size_t count, float *scratch)
{
    size_t cut = (size_t)floor(values->number[CUT] * (double)n + 1e-9);
    mean_of_middle(rows, n, gw_min_size(cut, (n - 1) / 2), out, count, scratch);
}

static const gw_param no_params[] = { { NULL } };

static const gw_param trimmed_params[] = {
    [CUT] = { "cut", GW_PARAM_REAL, "0.1", 0, 0.5, NULL, "",
              "share of the workers that is left out at each end" },
    { NULL },
};

const struct gw_aggregator gw_aggregator_median = {
    .name = "median",
    .sentence = "the median of each element; of an even number, the mean of the middle two",
    .paper = "Yin et al. 2018, Byzantine-Robust Distributed Learning, arXiv:1803.01498",
    .params = no_params,
    .scratch_count = gw_median_scratch,
    .combine = gw_median_combine,
};

const struct gw_aggregator gw_aggregator_trimmed = {
    .name = "trimmed",
    .sentence = "the mean of each element without the highest and lowest",
    .paper = "Yin et al. 2018, Byzantine-Robust Distributed Learning, arXiv:1803.01498",
    .params = trimmed_params,
    .scratch_count = gw_median_scratch,
    .combine = combine_trimmed,
};
