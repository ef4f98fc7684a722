/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire bench`: one rank's way through the sizes. What decides the way (times, errors, the
 * status of rank 0's files) is the same number on every rank, so that no rank waits for one that
 * has left. */
#include "tools/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int bench_fail(const struct bench *bench, gw_status status, const char *what, const char *words)
{
    /* Rank 0 speaks for all, but only those whose time was up know who did not answer. */
    if (bench->rank == 0 || status == GW_ETIMEOUT)
        tool_complain("bench", "rank %d: %s: %s", bench->rank, what,
                      words && *words ? words : gw_status_text(status));
    if (status == GW_ETIMEOUT)
        return TOOL_TIME_LIMIT;
    return status == GW_EPAYLOAD ? TOOL_WRONG : TOOL_BAD_USE;
}

int bench_reduce(struct bench *bench, double *values, size_t count, gw_operation operation)
{
    const gw_options options = { .codec = "raw", .name = "bench.reduce" };
    gw_status s = gw_allreduce(bench->comm, values, values, count, GW_F64, operation, &options);
    return s ? bench_fail(bench, s, "comparing ranks", gw_comm_error(bench->comm)) : TOOL_GOOD;
}

gw_progress bench_progress(const struct bench *bench)
{
    gw_setting_info setting;
    if (bench->options->progress)
        return bench->options->progress;
    for (size_t i = 0; gw_info_setting(i, &setting); i++)
        if (strcmp(setting.variable, "GRADWIRE_PROGRESS") == 0 &&
            strcmp(setting.value, "thread") == 0)
            return GW_PROGRESS_THREAD;
    return GW_PROGRESS_CALLER;
}

gw_options bench_plan_options(const struct bench *bench, const char *codec, const char *algorithm)
{
    return (gw_options){ .codec = codec,
                         .algorithm = algorithm,
                         .name = "bench",
                         .gate = bench->options->gate,
                         .piece_count = bench->options->piece_count,
                         .progress = bench->options->progress,
                         .threads = bench->options->threads };
}

gw_status bench_plan(gw_plan **plan, struct bench *bench, size_t count, const gw_options *options)
{
    size_t share = count / (size_t)bench->ranks;
    switch (bench->options->op) {
    case BENCH_REDUCE_SCATTER:
        return gw_plan_reduce_scatter(plan, bench->comm, share, GW_F32, GW_SUM, options);
    case BENCH_ALLGATHER:
        return gw_plan_allgather(plan, bench->comm, share, GW_F32, options);
    case BENCH_BROADCAST:
        return gw_plan_broadcast(plan, bench->comm, count, GW_F32, options);
    default:
        return gw_plan_allreduce(plan, bench->comm, count, GW_F32, GW_SUM, options);
    }
}

/* Memory and rank 0's files: has every rank got what it needs? */
static int prepare(struct bench *bench)
{
    size_t largest = bench_size_count(bench->options->max_bytes, bench->options->op, bench->ranks);
    bench->in = malloc(largest * sizeof(float));
    bench->out = malloc(largest * sizeof(float));
    if (!bench->in || !bench->out)
        tool_complain("bench", "rank %d: no memory for two tensors of %zu floats", bench->rank,
                      largest);
    int status = bench->in && bench->out ? bench_report_open(bench) : TOOL_BAD_USE;
    double worst = status;
    int reduced = bench_reduce(bench, &worst, 1, GW_MAX);
    return reduced ? reduced : (int)worst;
}

static int run_sizes(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    size_t before = 0;
    for (size_t bytes = options->min_bytes; bytes <= options->max_bytes;
         bytes = bench_next_size(bytes, options->factor)) {
        size_t count = bench_size_count(bytes, options->op, bench->ranks);
        if (count == before)
            continue;
        before = count;
        int status = options->op == BENCH_PUSHPULL ? bench_pushpull(bench, count)
                     : options->overlap            ? bench_overlap(bench, count)
                                                   : bench_size(bench, count);
        if (status)
            return status;
    }
    return TOOL_GOOD;
}

static gw_status open_comm(struct bench *bench, const char *spec)
{
    gw_status s = gw_comm_open(&bench->comm, spec);
    if (s)
        return s;
    bench->rank = gw_comm_rank(bench->comm);
    bench->ranks = gw_comm_size(bench->comm);
    if (bench->options->timeout > 0)
        s = gw_comm_set_timeout(bench->comm, bench->options->timeout);
    return s;
}

int bench_run(const struct bench_options *options, const struct bench_input *input,
              const char *spec)
{
    struct bench bench = { .options = options, .input = input };
    gw_status s = open_comm(&bench, spec);
    int status = TOOL_GOOD;
    if (s)
        status = bench_fail(&bench, s, "opening the comm", gw_comm_error(bench.comm));
    if (!status)
        status = prepare(&bench);
    if (!status)
        status = options->tune ? bench_tune(&bench) : run_sizes(&bench);
    int written = bench_report_close(&bench);
    gw_comm_close(bench.comm);
    free(bench.in);
    free(bench.out);
    if (status)
        return status;
    return written ? written : bench.status;
}

int bench_is_launched(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("GRADWIRE_LAUNCH");
}

/* Each process of a job would run all ranks. */
static int is_doubled(const struct bench_options *options)
{
    int doubled = (options->ranks || options->workers_count) && bench_is_launched();
    if (doubled)
        tool_complain("bench",
                      "--ranks and --workers are for one process, not for use under a launcher");
    return doubled;
}

/* One number of workers after the other; under a launcher its ranks are the workers. */
static int run_workers(struct bench_options *options, const struct bench_input *input)
{
    int status = TOOL_GOOD;
    for (int i = 0; i < options->workers_count && !status; i++) {
        options->ranks = options->workers[i];
        options->follows = i > 0;
        status = bench_ranks_run(options, input);
    }
    return options->workers_count ? status : bench_ranks_run(options, input);
}

int tool_bench(int argc, char **argv)
{
    struct bench_options options;
    struct bench_input *input = NULL;
    int status = TOOL_BAD_USE;
    if (!bench_options_parse(&options, argc, argv) && !is_doubled(&options)) {
        char error[512];
        const char *seed = getenv("GRADWIRE_SEED");
        input = bench_input_open(options.dist, seed ? strtoull(seed, NULL, 10) : 1, error,
                                 sizeof error);
        if (!input)
            tool_complain("bench", "%s", error);
    }
    if (input) {
        if (options.link)
            setenv("GRADWIRE_LINK", options.link, 1);
        /* A default for the plans that are measured, which got it already: not for the others. */
        unsetenv("GRADWIRE_ALGORITHM");
        status = run_workers(&options, input);
    }
    bench_input_close(input);
    bench_options_close(&options);
    return status;
}
