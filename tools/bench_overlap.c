/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* --overlap: what share of a collective hides behind computing, after the manner of the OSU
 * benchmarks of non-blocking collectives (osu_iallreduce). Three times, in turns, each begun behind
 * a barrier: the collective alone; a computation that takes about as long, alone; and the
 * collective started, the computation, the wait. What the last takes longer than the computation
 * was not hidden. The computation is a number of loops, not a time: so a core that the library
 * takes away from it counts. */
#include "tools/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PURE_RUNS = 5, TESTS_OF_CALLER = 64 };

enum kind { PURE, COMPUTE, OVERALL, KINDS };

struct overlap {
    struct bench *bench;
    gw_plan *plan;
    const char *codec;
    size_t count, loops; /* of the tensor; of the computation */
    int tests;
    double *seconds; /* KINDS x runs */
    float matrix[SIDE][SIDE], vector[SIDE];
    volatile float seen; /* so that the loops are for something */
};

/* A product of a matrix and a vector, in the first cache: bound by the core alone. */
static void loop_once(struct overlap *o)
{
    float next[SIDE];
    for (int i = 0; i < SIDE; i++) {
        float sum = 0;
        for (int j = 0; j < SIDE; j++)
            sum += o->matrix[i][j] * o->vector[j];
        next[i] = sum;
    }
    memcpy(o->vector, next, sizeof next);
}

static gw_status compute(struct overlap *o, int tests)
{
    gw_status s = GW_PENDING;
    size_t done = 0;
    for (int part = 0; part <= tests; part++) {
        size_t until = (size_t)((double)o->loops * (part + 1) / (tests + 1));
        for (; done < until; done++)
            loop_once(o);
        if (part < tests && s == GW_PENDING)
            s = gw_test(o->plan);
    }
    o->seen = o->vector[0];
    return s;
}

static int run(struct overlap *o, enum kind kind, double *seconds)
{
    struct bench *bench = o->bench;
    gw_status s = gw_barrier(bench->comm);
    if (s)
        return bench_fail(bench, s, "barrier", gw_comm_error(bench->comm));
    double before = bench_clock();
    s = kind == COMPUTE ? GW_OK : gw_start(o->plan, bench->in, bench->out);
    if (!s && kind != PURE)
        s = compute(o, kind == OVERALL ? o->tests : 0);
    else if (!s)
        s = GW_PENDING;
    if (s == GW_PENDING && kind != COMPUTE)
        s = gw_wait(o->plan);
    *seconds = bench_clock() - before;
    return s < 0 ? bench_fail(bench, s, o->codec, gw_plan_error(o->plan)) : TOOL_GOOD;
}

/* Loops that take as long as the collective alone, which runs a few times to tell. All ranks loop
 * at once: cores that share caches and clocks are slower together. */
static int calibrate(struct overlap *o)
{
    double pure[PURE_RUNS], seconds = 0;
    int warmup = o->bench->options->warmup, status = TOOL_GOOD;
    for (int k = 0; !status && k < warmup + PURE_RUNS; k++)
        status = run(o, PURE, &pure[k < warmup ? 0 : k - warmup]);
    if (!status)
        status = bench_reduce(o->bench, pure, PURE_RUNS, GW_MAX);
    double wanted = status ? 0 : bench_summarize(pure, PURE_RUNS).p50;
    o->loops = 1000;
    for (int k = 0; !status && k < PURE_RUNS; k++) {
        status = run(o, COMPUTE, &seconds);
        o->loops = 1 + (size_t)((double)o->loops * fmin(wanted / seconds, 1e4));
    }
    return status;
}

static int measure(struct overlap *o)
{
    struct bench *bench = o->bench;
    int runs = bench->options->runs;
    for (int k = 0; k < runs; k++) {
        for (int kind = 0; kind < KINDS; kind++) {
            bench_report_progress(bench, o->count, o->codec);
            int status = run(o, (enum kind)kind, &o->seconds[kind * runs + k]);
            if (status)
                return status;
        }
    }
    return bench_reduce(bench, o->seconds, (size_t)KINDS * (size_t)runs, GW_MAX);
}

static void report(struct overlap *o)
{
    struct bench *bench = o->bench;
    size_t runs = (size_t)bench->options->runs;
    double p50[KINDS];
    gw_stats stats = { 0 };
    for (int kind = 0; kind < KINDS; kind++)
        p50[kind] = bench_summarize(o->seconds + (size_t)kind * runs, runs).p50;
    if (gw_plan_stats(o->plan, &stats) != GW_OK)
        stats.ratio = NAN;
    struct bench_row row = { .codec = o->codec,
                             .sent_codec = gw_plan_codec(o->plan),
                             .algorithm = gw_plan_algorithm(o->plan),
                             .reason = gw_plan_reason(o->plan),
                             .count = o->count,
                             .wire_bytes = (double)stats.sent_bytes,
                             .ratio = stats.ratio,
                             .busbw = NAN,
                             .pure = p50[PURE],
                             .compute = p50[COMPUTE],
                             .overall = p50[OVERALL],
                             .overlap = bench_overlap_share(p50[PURE], p50[COMPUTE], p50[OVERALL]),
                             .tests = o->tests };
    bench_report_row(bench, &row);
}

static int overlap_codec(struct overlap *o)
{
    struct bench *bench = o->bench;
    const struct bench_options *options = bench->options;
    const gw_options plan = bench_plan_options(bench, o->codec, options->algorithm);
    gw_status s = bench_plan(&o->plan, bench, o->count, &plan);
    if (s)
        return bench_fail(bench, s, o->codec, gw_comm_error(bench->comm));
    o->tests = options->tests >= 0                           ? options->tests
               : bench_progress(bench) == GW_PROGRESS_CALLER ? TESTS_OF_CALLER
                                                             : 0;
    int status = calibrate(o);
    if (!status)
        status = measure(o);
    bench_report_progress(bench, o->count, NULL);
    if (!status)
        report(o);
    gw_plan_close(o->plan);
    return status;
}

int bench_overlap(struct bench *bench, size_t count)
{
    const struct bench_options *options = bench->options;
    double *seconds = calloc((size_t)KINDS * (size_t)options->runs, sizeof *seconds);
    if (!seconds)
        return bench_fail(bench, GW_ENOMEM, "preparing", NULL);
    size_t given = bench_in_count(bench, count);
    bench_input_fill(bench->input, bench->rank, given, 0, given, bench->in);
    int status = TOOL_GOOD;
    for (size_t i = 0; i < options->codecs_count && !status; i++) {
        struct overlap o = {
            .bench = bench, .codec = options->codecs[i], .count = count, .seconds = seconds
        };
        for (int j = 0; j < SIDE; j++) {
            o.vector[j] = 1;
            o.matrix[j][j] = 1;
        }
        status = overlap_codec(&o);
    }
    free(seconds);
    return status;
}
