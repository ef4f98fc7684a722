/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* clip: centred clipping. v <- v + (1/n) sum_i (x_i - v) min(1, tau / |x_i - v|), `iterations`
 * times: each worker moves the result by tau/n at most. Karimireddy, He, Jaggi 2021, "Learning from
 * History for Byzantine Robust Optimization".
 *
 * The paper starts from the last round's result. Here it is the coordinate median of this round's:
 * no state that a liar could have spoilt earlier, and a start that no minority moves far. Norms are
 * of one part's elements. Differences and sums are doubles, in worker order. */
#include "server/aggregate_rows.h"
#include "server/blocks.h"

#include <math.h>

enum { TAU, ITERATIONS };

static double distance(const float *x, const float *v, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)x[i] - (double)v[i];
        squares += d * d;
    }
    return sqrt(squares);
}

static void add_clipped(double sums[GW_BLOCK], const gw_block x, const gw_block v, double scale)
{
    for (int i = 0; i < GW_BLOCK; i++)
        sums[i] += scale * ((double)x[i] - (double)v[i]);
}

static void move(const float *const *rows, const float *scales, size_t n, float *v, size_t count)
{
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t m = gw_min_size(GW_BLOCK, count - at);
        double sums[GW_BLOCK] = { 0 };
        gw_block old, x;
        gw_block_load(old, (const gw_f32 *)v + at, m);
        for (size_t r = 0; r < n; r++) {
            gw_block_load(x, (const gw_f32 *)rows[r] + at, m);
            add_clipped(sums, x, old, (double)scales[r]);
        }
        for (int i = 0; i < GW_BLOCK; i++)
            x[i] = gw_narrow((double)old[i] + sums[i] / (double)n);
        gw_block_store((gw_f32 *)v + at, x, m);
    }
}

static void combine(const struct gw_values *values, const float *const *rows, size_t n, float *out,
                    size_t count, float *scratch)
{
    double tau = values->number[TAU];
    gw_median_combine(values, rows, n, out, count, scratch);
    for (int i = 0; i < (int)values->number[ITERATIONS]; i++) {
        for (size_t r = 0; r < n; r++) {
            double norm = distance(rows[r], out, count);
            scratch[r] = norm > tau ? (float)(tau / norm) : 1.0f;
        }
        move(rows, scratch, n, out, count);
    }
}

static const gw_param params[] = {
    [TAU] = { "tau", GW_PARAM_REAL, "10", 1e-30, 1e30, NULL, "",
              "the farthest a worker's gradient of a part may be from the centre" },
    [ITERATIONS] = { "iterations", GW_PARAM_INTEGER, "1", 1, 100, NULL, "",
                     "how often the centre is moved" },
    { NULL },
};

const struct gw_aggregator gw_aggregator_clip = {
    .name = "clip",
    .sentence = "centred clipping: the median, moved by each worker by tau / n at most",
    .paper = "Karimireddy, He, Jaggi 2021, Learning from History, arXiv:2012.10333",
    .params = params,
    .whole = true,
    .scratch_count = gw_median_scratch,
    .combine = combine,
};
