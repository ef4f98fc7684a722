/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* One size: the raw and fp16 baselines and every codec asked for run in turn, again and again, so
 * that whatever else the machine does in the meantime meets all of them alike. Each run starts
 * behind a barrier and takes as long as its slowest rank. */
#include "tools/bench.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { RAW, FP16, BASELINES };

enum cost { ENCODE, DECODE, SENT, RAW_BYTES, COSTS };

struct contender {
    const char *codec, *algorithm;
    gw_gate gate;
    gw_plan *plan; /* NULL: a baseline that this comm or op does not have */
    double *seconds;
    double *cost; /* seconds per byte, bytes */
    double encoded, encode_s, decoded, decode_s;
    struct bench_errors errors;
    double wrong;
    int by_mpi; /* timed as a plain MPI_Allreduce */
};

struct field {
    struct contender *contenders;
    size_t count;
    double *numbers; /* seconds and costs of all, compared across ranks in one go */
    size_t numbers_count;
};

static int close_field(struct field *field, int status)
{
    for (size_t i = 0; field->contenders && i < field->count; i++)
        gw_plan_close(field->contenders[i].plan);
    free(field->contenders);
    free(field->numbers);
    return status;
}

static int open_field(struct field *field, const struct bench *bench)
{
    const struct bench_options *options = bench->options;
    size_t runs = (size_t)options->runs, each = runs + COSTS;
    field->count = BASELINES + options->codecs_count;
    field->numbers_count = field->count * each;
    field->contenders = calloc(field->count, sizeof *field->contenders);
    field->numbers = calloc(field->numbers_count, sizeof *field->numbers);
    if (!field->contenders || !field->numbers)
        return -1;
    for (size_t i = 0; i < field->count; i++) {
        struct contender *c = &field->contenders[i];
        c->seconds = field->numbers + i * each;
        c->cost = c->seconds + runs;
        c->codec = i == RAW ? "raw" : i == FP16 ? "fp16" : options->codecs[i - BASELINES];
        c->gate = i < BASELINES ? GW_GATE_OFF : options->gate;
        c->algorithm = i == RAW ? "native" : i == FP16 ? NULL : options->algorithm;
    }
    return 0;
}

static gw_status plan(struct contender *c, struct bench *bench, size_t count)
{
    gw_options options = bench_plan_options(bench, c->codec, c->algorithm);
    options.gate = c->gate;
    return bench_plan(&c->plan, bench, count, &options);
}

/* The plan cannot be had, as against: making it failed. */
static bool is_lacking(gw_status status)
{
    return status == GW_ENOTSUP || status == GW_EINVAL || status == GW_ESPEC;
}

static int plan_all(struct field *field, struct bench *bench, size_t count)
{
    for (size_t i = 0; i < field->count; i++) {
        struct contender *c = &field->contenders[i];
        gw_status s = plan(c, bench, count);
        if (i == RAW && is_lacking(s)) {
            c->algorithm = NULL; /* the transport has no allreduce of its own: the cheapest then */
            s = plan(c, bench, count);
        }
        if (s && !(i < BASELINES && is_lacking(s)))
            return bench_fail(bench, s, c->codec, gw_comm_error(bench->comm));
        c->by_mpi = i == RAW && c->plan && count <= INT32_MAX &&
                    strcmp(gw_plan_algorithm(c->plan), "native") == 0;
    }
    return TOOL_GOOD;
}

/* Run once; `*seconds` gets this rank's time. */
static int run(struct contender *c, struct bench *bench, size_t count, double *seconds)
{
    gw_status s = gw_barrier(bench->comm);
    if (s)
        return bench_fail(bench, s, "barrier", gw_comm_error(bench->comm));
    double before = bench_clock();
    if (c->by_mpi) {
        int good = bench_mpi_allreduce(bench, count);
        *seconds = bench_clock() - before;
        return good ? TOOL_GOOD : bench_fail(bench, GW_ETRANSPORT, "MPI_Allreduce", "failed");
    }
    s = gw_start(c->plan, bench->in, bench->out);
    if (!s)
        s = gw_wait(c->plan);
    *seconds = bench_clock() - before;
    return s ? bench_fail(bench, s, c->codec, gw_plan_error(c->plan)) : TOOL_GOOD;
}

static int check(struct contender *c, struct bench *bench, size_t count)
{
    int status = bench_check_replicas(bench, count, &c->wrong);
    if (status || !bench->options->check)
        return status;
    status = bench_check_errors(bench, count, strcmp(c->codec, "raw") == 0, &c->errors);
    c->wrong += c->errors.wrong;
    return status;
}

static int warm_up(struct field *field, struct bench *bench, size_t count)
{
    for (int k = 0; k < bench->options->warmup || k == 0; k++) {
        for (size_t i = 0; i < field->count; i++) {
            struct contender *c = &field->contenders[i];
            double ignored;
            bench_report_progress(bench, count, c->codec);
            int status = c->plan ? run(c, bench, count, &ignored) : TOOL_GOOD;
            if (!status && k == 0 && i >= BASELINES)
                status = check(c, bench, count);
            if (status)
                return status;
        }
    }
    return TOOL_GOOD;
}

static int collect_stats(struct contender *c, struct bench *bench)
{
    gw_stats stats;
    gw_status s = gw_plan_stats(c->plan, &stats);
    if (s)
        return bench_fail(bench, s, "statistics", gw_plan_error(c->plan));
    c->encoded += stats.encoded_bytes;
    c->encode_s += stats.encode_s;
    c->decoded += stats.decoded_bytes;
    c->decode_s += stats.decode_s;
    c->cost[ENCODE] = c->encoded > 0 ? c->encode_s / c->encoded : 0;
    c->cost[DECODE] = c->decoded > 0 ? c->decode_s / c->decoded : 0;
    c->cost[SENT] = (double)stats.sent_bytes;
    c->cost[RAW_BYTES] = (double)stats.raw_bytes;
    return TOOL_GOOD;
}

static int run_timed(struct field *field, struct bench *bench, size_t count)
{
    int runs = bench->options->runs;
    for (int k = 0; k < runs; k++) {
        for (size_t j = 0; j < field->count; j++) {
            /* Another one begins each round, so that none always follows the same one. */
            size_t i = (j + (size_t)k) % field->count;
            struct contender *c = &field->contenders[i];
            if (!c->plan)
                continue;
            bench_report_progress(bench, count, c->codec);
            int status = run(c, bench, count, &c->seconds[k]);
            if (!status && !c->by_mpi)
                status = collect_stats(c, bench);
            if (!status && k == runs - 1 && i >= BASELINES)
                status = bench_check_replicas(bench, count, &c->wrong);
            if (status)
                return status;
        }
    }
    return bench_reduce(bench, field->numbers, field->numbers_count, GW_MAX);
}

/* Of its sorted seconds. */
static double faster(const struct contender *baseline, double ours, size_t runs)
{
    return baseline->plan ? bench_summarize(baseline->seconds, runs).p50 / ours : NAN;
}

static struct bench_row make_row(const struct field *field, struct contender *c,
                                 const struct bench *bench, size_t count)
{
    const struct bench_options *options = bench->options;
    size_t runs = (size_t)options->runs;
    struct bench_row row = { .codec = c->codec,
                             .sent_codec = gw_plan_codec(c->plan),
                             .algorithm = gw_plan_algorithm(c->plan),
                             .reason = gw_plan_reason(c->plan),
                             .count = count,
                             .times = bench_summarize(c->seconds, runs),
                             .wire_bytes = c->cost[SENT],
                             .encode = bench_speed(c->cost[ENCODE]),
                             .decode = bench_speed(c->cost[DECODE]),
                             .wrong = c->wrong };
    row.ratio = c->cost[SENT] > 0 ? c->cost[RAW_BYTES] / c->cost[SENT] : NAN;
    row.algbw = (double)(count * sizeof(float)) / row.times.p50 * 1e-9;
    row.busbw = row.algbw * bench_bus_factor(options->op, bench->ranks);
    row.vs_raw = faster(&field->contenders[RAW], row.times.p50, runs);
    row.vs_fp16 = faster(&field->contenders[FP16], row.times.p50, runs);
    bench_row_errors(bench, &row, &c->errors);
    return row;
}

int bench_size(struct bench *bench, size_t count)
{
    struct field field = { 0 };
    if (open_field(&field, bench))
        return close_field(&field, bench_fail(bench, GW_ENOMEM, "preparing", NULL));
    size_t given = bench_in_count(bench, count);
    bench_input_fill(bench->input, bench->rank, given, 0, given, bench->in);
    int status = plan_all(&field, bench, count);
    if (!status)
        status = warm_up(&field, bench, count);
    if (!status)
        status = run_timed(&field, bench, count);
    bench_report_progress(bench, count, NULL);
    for (size_t i = BASELINES; i < field.count && !status; i++) {
        struct bench_row row = make_row(&field, &field.contenders[i], bench, count);
        bench_report_row(bench, &row);
    }
    return close_field(&field, status);
}
