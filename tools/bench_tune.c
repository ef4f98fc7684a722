/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* --tune: how long every algorithm takes with every codec at every size, as lines that plans read
 * (GRADWIRE_TUNING). Raw is always among them, since the gate compares with it. */
#include "tools/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tuner {
    struct bench *bench;
    FILE *file; /* of rank 0 */
    char group[512];
    double *seconds;
};

/* Median over the runs of the slowest rank's time. */
static int measure(struct tuner *tuner, gw_plan *plan, double *median)
{
    struct bench *bench = tuner->bench;
    int runs = bench->options->runs, warmup = bench->options->warmup;
    for (int k = -warmup; k < runs; k++) {
        gw_status s = gw_barrier(bench->comm);
        if (s)
            return bench_fail(bench, s, "barrier", gw_comm_error(bench->comm));
        double before = bench_clock();
        s = gw_start(plan, bench->in, bench->out);
        if (!s)
            s = gw_wait(plan);
        if (s)
            return bench_fail(bench, s, "tuning", gw_plan_error(plan));
        if (k >= 0)
            tuner->seconds[k] = bench_clock() - before;
    }
    int status = bench_reduce(bench, tuner->seconds, (size_t)runs, GW_MAX);
    *median = bench_summarize(tuner->seconds, (size_t)runs).p50;
    return status;
}

static int tune_one(struct tuner *tuner, const char *codec, const char *algorithm, size_t count)
{
    struct bench *bench = tuner->bench;
    const gw_options options = {
        .codec = codec, .algorithm = algorithm, .gate = GW_GATE_OFF, .name = "bench", .pins = ""
    };
    gw_plan *plan;
    double median = 0;
    gw_status s = bench_plan(&plan, bench, count, &options);
    if (s == GW_ENOTSUP)
        return TOOL_GOOD;
    if (s)
        return bench_fail(bench, s, codec, gw_comm_error(bench->comm));
    bench_report_progress(bench, count, codec);
    int status = measure(tuner, plan, &median);
    if (!status && tuner->file)
        fprintf(tuner->file, "time %s %s %s %s %zu %.4g\n", tuner->group,
                bench_op_names[bench->options->op], gw_plan_codec(plan), algorithm,
                count * sizeof(float), median);
    gw_plan_close(plan);
    return status;
}

static int tune_size(struct tuner *tuner, size_t count)
{
    struct bench *bench = tuner->bench;
    const struct bench_options *options = bench->options;
    size_t given = bench_in_count(bench, count);
    int has_raw = 0, status = TOOL_GOOD;
    const gw_algorithm_info *row;
    bench_input_fill(bench->input, bench->rank, given, 0, given, bench->in);
    for (size_t c = 0; c < options->codecs_count; c++)
        has_raw |= strcmp(options->codecs[c], "raw") == 0;
    for (size_t a = 0; !status && (row = gw_info_algorithm(a)); a++) {
        if (!has_raw)
            status = tune_one(tuner, "raw", row->name, count);
        for (size_t c = 0; !status && c < options->codecs_count; c++)
            status = tune_one(tuner, options->codecs[c], row->name, count);
    }
    return status;
}

static int tune_sizes(struct tuner *tuner)
{
    struct bench *bench = tuner->bench;
    const struct bench_options *options = bench->options;
    size_t before = 0;
    int status = TOOL_GOOD;
    for (size_t bytes = options->min_bytes; bytes <= options->max_bytes && !status;
         bytes = bench_next_size(bytes, options->factor)) {
        size_t count = bench_size_count(bytes, options->op, bench->ranks);
        if (count != before)
            status = tune_size(tuner, count);
        before = count;
    }
    bench_report_progress(bench, before, NULL);
    return status;
}

/* The file appears when all of it is there. */
static int open_file(struct tuner *tuner, char *part, size_t capacity)
{
    const char *path = tuner->bench->options->tune;
    double failed = 0;
    if (tuner->bench->rank == 0) {
        snprintf(part, capacity, "%s.part", path);
        tuner->file = fopen(part, "w");
        failed = !tuner->file;
        if (tuner->file)
            fprintf(tuner->file, "# gradwire tuning 1: %s of f32, %s input\n",
                    bench_op_names[tuner->bench->options->op], tuner->bench->options->dist);
        else
            tool_complain("bench", "--tune %s: %m", path);
    }
    int status = bench_reduce(tuner->bench, &failed, 1, GW_MAX);
    return status ? status : failed > 0 ? TOOL_BAD_USE : TOOL_GOOD;
}

static int close_file(const struct tuner *tuner, const char *part, int status)
{
    const char *path = tuner->bench->options->tune;
    if (!tuner->file)
        return status;
    int failed = ferror(tuner->file);
    failed |= fclose(tuner->file);
    if (status || failed) {
        (void)remove(part);
    } else if (rename(part, path) != 0) {
        failed = 1;
    }
    if (failed)
        tool_complain("bench", "--tune %s: %m", path);
    return status ? status : failed ? TOOL_BAD_USE : TOOL_GOOD;
}

int bench_tune(struct bench *bench)
{
    struct tuner tuner = { .bench = bench };
    char part[4096] = "";
    gw_status s = gw_comm_group(bench->comm, tuner.group, sizeof tuner.group);
    if (s)
        return bench_fail(bench, s, "naming the group", gw_comm_error(bench->comm));
    tuner.seconds = calloc((size_t)bench->options->runs, sizeof *tuner.seconds);
    if (!tuner.seconds)
        return bench_fail(bench, GW_ENOMEM, "tuning", NULL);
    int status = open_file(&tuner, part, sizeof part);
    if (!status)
        status = tune_sizes(&tuner);
    status = close_file(&tuner, part, status);
    free(tuner.seconds);
    return status;
}
