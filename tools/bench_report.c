/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rows of the bench as aligned text, under '#' lines that say where it ran, and as JSON, one object
 * per line. One table says what a row holds; text leaves out what does not change from row to row
 * and does not fit. */
#include "tools/bench.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a cell may be made of. */
struct cell_source {
    const struct bench *bench;
    const struct bench_row *row;
    char *transport;
};

/* Which ops and flags a column is for. */
enum view {
    PLAIN = 1,
    OVERLAP = 2,
    PUSHPULL = 4,
    COLLECTIVE = PLAIN | OVERLAP,
    TIMED = PLAIN | PUSHPULL,
    BOTH = PLAIN | OVERLAP | PUSHPULL
};

struct column {
    const char *key;
    const char *title; /* NULL: not in the text */
    const char *(*word)(const struct cell_source *from);
    double (*number)(const struct cell_source *from); /* NaN: not measured */
    const char *format;                               /* of the number as text */
    int width;                                        /* negative: aligned to the left */
    int whole;                                        /* the number is an integer */
    enum view view;
};

static const char *word_op(const struct cell_source *from)
{
    return bench_op_names[from->bench->options->op];
}

static const char *word_codec(const struct cell_source *from)
{
    return from->row->codec;
}

static const char *word_sent_codec(const struct cell_source *from)
{
    return from->row->sent_codec;
}

static const char *word_algorithm(const struct cell_source *from)
{
    return from->row->algorithm;
}

static const char *word_transport(const struct cell_source *from)
{
    const struct bench_options *options = from->bench->options;
    if (options->op == BENCH_PUSHPULL)
        return options->unix_socket ? "unix:" : "tcp:";
    return from->transport;
}

static const char *word_reason(const struct cell_source *from)
{
    return from->row->reason;
}

static double number_ranks(const struct cell_source *from)
{
    return from->bench->ranks;
}

static double number_count(const struct cell_source *from)
{
    return (double)from->row->count;
}

static double number_size(const struct cell_source *from)
{
    return (double)(from->row->count * sizeof(float));
}

static double number_wire(const struct cell_source *from)
{
    return from->row->wire_bytes;
}

static double number_ratio(const struct cell_source *from)
{
    return from->row->ratio;
}

static double number_min(const struct cell_source *from)
{
    return 1e6 * from->row->times.min;
}

static double number_p50(const struct cell_source *from)
{
    return 1e6 * from->row->times.p50;
}

static double number_avg(const struct cell_source *from)
{
    return 1e6 * from->row->times.avg;
}

static double number_p99(const struct cell_source *from)
{
    return 1e6 * from->row->times.p99;
}

static double number_max(const struct cell_source *from)
{
    return 1e6 * from->row->times.max;
}

static double number_algbw(const struct cell_source *from)
{
    return from->row->algbw;
}

static double number_busbw(const struct cell_source *from)
{
    return from->row->busbw;
}

static double number_encode(const struct cell_source *from)
{
    return from->row->encode;
}

static double number_decode(const struct cell_source *from)
{
    return from->row->decode;
}

static double number_nmse(const struct cell_source *from)
{
    return from->row->nmse;
}

static double number_cosine(const struct cell_source *from)
{
    return from->row->cosine;
}

static double number_bias(const struct cell_source *from)
{
    return from->row->bias;
}

static double number_wrong(const struct cell_source *from)
{
    return from->row->wrong;
}

static double number_vs_raw(const struct cell_source *from)
{
    return from->row->vs_raw;
}

static double number_vs_fp16(const struct cell_source *from)
{
    return from->row->vs_fp16;
}

static double number_vs_echo(const struct cell_source *from)
{
    return from->row->vs_echo;
}

static double number_vs_mpi(const struct cell_source *from)
{
    return from->row->vs_mpi;
}

static const char *word_pull(const struct cell_source *from)
{
    return from->bench->options->pull;
}

static const char *word_progress(const struct cell_source *from)
{
    return bench_progress(from->bench) == GW_PROGRESS_THREAD ? "thread" : "caller";
}

static double number_tests(const struct cell_source *from)
{
    return from->row->tests;
}

static double number_pure(const struct cell_source *from)
{
    return 1e6 * from->row->pure;
}

static double number_compute(const struct cell_source *from)
{
    return 1e6 * from->row->compute;
}

static double number_overall(const struct cell_source *from)
{
    return 1e6 * from->row->overall;
}

static double number_overlap(const struct cell_source *from)
{
    return from->row->overlap;
}

static const struct column columns[] = {
    { "size_bytes", "size", NULL, number_size, "%.0f", 11, 1, BOTH },
    { "count", NULL, NULL, number_count, "%.0f", 0, 1, BOTH },
    { "op", NULL, word_op, NULL, NULL, 0, 0, BOTH },
    { "transport", NULL, word_transport, NULL, NULL, 0, 0, BOTH },
    { "ranks", NULL, NULL, number_ranks, "%.0f", 0, 1, BOTH },
    { "codec", "codec", word_codec, NULL, NULL, -24, 0, BOTH },
    { "sent_codec", NULL, word_sent_codec, NULL, NULL, 0, 0, COLLECTIVE },
    { "algorithm", "algorithm", word_algorithm, NULL, NULL, -9, 0, COLLECTIVE },
    { "wire_bytes", "wire", NULL, number_wire, "%.0f", 11, 1, BOTH },
    { "ratio", "ratio", NULL, number_ratio, "%.2f", 7, 0, BOTH },
    { "time_us_min", NULL, NULL, number_min, "%.1f", 0, 0, TIMED },
    { "time_us_p50", "p50_us", NULL, number_p50, "%.1f", 11, 0, TIMED },
    { "time_us_avg", NULL, NULL, number_avg, "%.1f", 0, 0, TIMED },
    { "time_us_p99", "p99_us", NULL, number_p99, "%.1f", 11, 0, TIMED },
    { "time_us_max", NULL, NULL, number_max, "%.1f", 0, 0, TIMED },
    { "algbw_gbs", "algbw", NULL, number_algbw, "%.3f", 8, 0, TIMED },
    { "busbw_gbs", "busbw", NULL, number_busbw, "%.3f", 8, 0, PLAIN },
    { "encode_gbs", "encode", NULL, number_encode, "%.2f", 7, 0, TIMED },
    { "decode_gbs", "decode", NULL, number_decode, "%.2f", 7, 0, TIMED },
    { "nmse", "nmse", NULL, number_nmse, "%.2e", 9, 0, TIMED },
    { "cosine", "cosine", NULL, number_cosine, "%.5f", 8, 0, TIMED },
    { "bias", "bias", NULL, number_bias, "%.1e", 9, 0, TIMED },
    { "wrong", "wrong", NULL, number_wrong, "%.0f", 6, 1, TIMED },
    { "vs_raw", "vs_raw", NULL, number_vs_raw, "%.2f", 7, 0, TIMED },
    { "vs_fp16", "vs_fp16", NULL, number_vs_fp16, "%.2f", 7, 0, PLAIN },
    { "vs_echo", "vs_echo", NULL, number_vs_echo, "%.2f", 8, 0, PUSHPULL },
    { "vs_mpi", "vs_mpi", NULL, number_vs_mpi, "%.2f", 7, 0, PUSHPULL },
    { "pull", "pull", word_pull, NULL, NULL, -1, 0, PUSHPULL },
    { "progress", "progress", word_progress, NULL, NULL, -8, 0, OVERLAP },
    { "tests", "tests", NULL, number_tests, "%.0f", 6, 1, OVERLAP },
    { "pure_us", "pure_us", NULL, number_pure, "%.1f", 11, 0, OVERLAP },
    { "compute_us", "compute_us", NULL, number_compute, "%.1f", 11, 0, OVERLAP },
    { "overall_us", "overall_us", NULL, number_overall, "%.1f", 11, 0, OVERLAP },
    { "overlap_pct", "overlap", NULL, number_overlap, "%.1f", 7, 0, OVERLAP },
    { "reason", "reason", word_reason, NULL, NULL, -1, 0, COLLECTIVE },
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static int is_shown(const struct bench *bench, const struct column *column)
{
    const struct bench_options *options = bench->options;
    enum view view = options->op == BENCH_PUSHPULL ? PUSHPULL : options->overlap ? OVERLAP : PLAIN;
    return (column->view & view) != 0;
}

/* The comm's spec without what concerns this rank alone: "local:ranks=4,rank=0" is "local:". */
static char *transport_name(const gw_comm *comm)
{
    char *name = strdup(gw_comm_spec(comm));
    char *local = name ? strstr(name, "local:") : NULL;
    if (local)
        local[strlen("local:")] = '\0';
    return name;
}

static void print_environment(const struct bench *bench, const char *transport)
{
    const struct bench_options *options = bench->options;
    FILE *text = bench->report.text;
    fprintf(text, "# gradwire %s, kernels %s\n", gw_version(), gw_info_kernels_chosen());
    fprintf(text, "# %s of f32, %s input; ranks: %d (%d on this node, cores: %d); transport: %s\n",
            bench_op_names[options->op], options->dist, bench->ranks,
            gw_comm_node_ranks(bench->comm), gw_comm_node_cores(bench->comm), transport);
    fprintf(text, "# %d runs after %d to warm up; time is that of the slowest rank\n",
            options->runs, options->warmup > 1 ? options->warmup : 1);
    if (options->op == BENCH_PUSHPULL)
        fprintf(text,
                "# server beside rank 0, over %s; vs_raw is against raw pushes and pulls, "
                "vs_echo against a libuv echo of the same bytes, vs_mpi against "
                "MPI_Allreduce\n# algbw is of the gradients of all workers\n",
                options->unix_socket ? "a Unix socket" : "loopback TCP");
    else if (!options->overlap)
        fprintf(text, "# vs_raw is against %s\n",
                strcmp(transport, "mpi:") == 0 && options->op == BENCH_ALLREDUCE
                    ? "MPI_Allreduce"
                    : "the raw plan over the same transport, not MPI");
    gw_setting_info setting;
    for (size_t i = 0; gw_info_setting(i, &setting); i++)
        if (strcmp(setting.origin, "environment") == 0)
            fprintf(text, "# %s=%s\n", setting.variable, setting.value);
    fputs("# sizes in bytes, bandwidth in GB/s of floats", text);
    if (options->overlap)
        fputs("; overlap is the percentage of the collective's time that hid behind computing",
              text);
    else if (!options->check)
        fputs("; nmse, cosine and bias need -c", text);
    fputs("\n#", text);
    for (int i = 0; i < COLUMNS; i++)
        if (columns[i].title &&
            is_shown(bench, &columns[i])) /* the first one stands behind the '#' */
            fprintf(text, "%s%*s", i ? " " : "", columns[i].width - (i == 0), columns[i].title);
    fputc('\n', text);
    fflush(text);
}

int bench_report_open(struct bench *bench)
{
    struct bench_report *report = &bench->report;
    const char *path = bench->options->json;
    report->started = bench_clock();
    if (bench->rank != 0)
        return TOOL_GOOD;
    int over_text = path && strcmp(path, "-") == 0;
    report->text = over_text ? NULL : stdout;
    report->json = over_text ? stdout
                   : path    ? fopen(path, bench->options->follows ? "a" : "w")
                             : NULL;
    if (path && !report->json) {
        tool_complain("bench", "--json %s: %m", path);
        return TOOL_BAD_USE;
    }
    char *transport = transport_name(bench->comm);
    if (transport && report->text)
        print_environment(bench, transport);
    free(transport);
    return transport ? TOOL_GOOD : TOOL_BAD_USE;
}

static void print_text(FILE *text, const struct cell_source *from)
{
    for (int i = 0; i < COLUMNS; i++) {
        const struct column *column = &columns[i];
        if (!column->title || !is_shown(from->bench, column))
            continue;
        char number[64] = "-";
        double value = column->number ? column->number(from) : NAN;
        if (!isnan(value))
            snprintf(number, sizeof number, column->format, value);
        fprintf(text, "%s%*s", i ? " " : "", column->width,
                column->word ? column->word(from) : number);
    }
    fputc('\n', text);
    fflush(text);
}

static json_t *cell_to_json(const struct column *column, const struct cell_source *from)
{
    if (column->word)
        return json_string(column->word(from));
    double value = column->number(from);
    if (!isfinite(value))
        return json_null();
    return column->whole ? json_integer((json_int_t)value) : json_real(value);
}

/* 0, or -1. */
static int print_json(FILE *json, const struct cell_source *from)
{
    json_t *object = json_object();
    int failed = !object;
    for (int i = 0; i < COLUMNS && !failed; i++)
        failed = is_shown(from->bench, &columns[i]) &&
                 json_object_set_new(object, columns[i].key, cell_to_json(&columns[i], from));
    failed = failed || json_dumpf(object, json, JSON_COMPACT | JSON_REAL_PRECISION(9)) ||
             fputc('\n', json) == EOF || fflush(json);
    json_decref(object);
    return failed ? -1 : 0;
}

static void print_row(struct bench *bench, const struct bench_row *row)
{
    struct bench_report *report = &bench->report;
    struct cell_source from = { bench, row, transport_name(bench->comm) };
    if (report->text)
        print_text(report->text, &from);
    if (report->json && (!from.transport || print_json(report->json, &from))) {
        tool_complain("bench", "--json %s: a row could not be written", bench->options->json);
        bench->status = bench->status ? bench->status : TOOL_BAD_USE;
    }
    free(from.transport);
}

void bench_report_row(struct bench *bench, const struct bench_row *row)
{
    if (bench->rank == 0)
        print_row(bench, row);
    if (row->wrong > 0)
        bench->status = TOOL_WRONG;
    else if (row->busbw < bench->options->min_busbw && bench->status == TOOL_GOOD)
        bench->status = TOOL_BELOW_FLOOR;
}

int bench_report_close(struct bench *bench)
{
    struct bench_report *report = &bench->report;
    int failed = report->text && fflush(report->text);
    if (report->json && report->json != stdout)
        failed |= fclose(report->json);
    if (failed)
        tool_complain("bench", "the results could not be written: %m");
    return failed ? TOOL_BAD_USE : TOOL_GOOD;
}

void bench_report_progress(struct bench *bench, size_t count, const char *what)
{
    struct bench_report *report = &bench->report;
    double now = bench_clock();
    if (bench->rank != 0 || (!what && report->shown == 0) || !isatty(STDERR_FILENO))
        return;
    if (!what) {
        fputs("\r\033[K", stderr);
        report->shown = 0;
    } else if (now - report->started > 2 && now - report->shown > 0.2) {
        fprintf(stderr, "\r\033[K%zu bytes: %s", count * sizeof(float), what);
        report->shown = now;
    }
}
