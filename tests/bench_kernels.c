/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Prints how fast each loop of kernel_loops.h runs on one thread, in cache and in memory, beside
 * what memory alone can do. References and loops are measured in turns; figures are medians.
 *
 *     bench_kernels [--json FILE] [--loop WORDS] [--kernels NAME] [--rounds N]
 */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "compress/kernels/table.h"
#include "tests/kernel_loops.h"
#include "tests/memory_rates.h"

enum { ROUNDS_MOST = 101 };

static const size_t sizes[] = { 256 << 10, 100 << 20 };

struct bench {
    const char *loop, *kernels, *json;
    int rounds;
    FILE *rows;
    float *a, *b; /* of the references */
    size_t size;
    double read_gbs, add_gbs, fill_gbs;
    uint64_t sink;
};

static double seconds_since(int64_t start)
{
    return (double)(gw_now_ns() - start) * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

/* Small tensors many times in one measurement, so that the clock does not count. */
static int repeats(size_t bytes)
{
    return bytes < (4 << 20) ? (int)((32 << 20) / bytes) : 1;
}

static double time_read(struct bench *bench)
{
    int times = repeats(bench->size);
    int64_t start = gw_now_ns();
    for (int i = 0; i < times; i++)
        bench->sink += memory_read(bench->a, bench->size / 4);
    return seconds_since(start) / times;
}

static double time_add(struct bench *bench)
{
    int times = repeats(bench->size);
    int64_t start = gw_now_ns();
    for (int i = 0; i < times; i++)
        memory_add(bench->a, bench->b, bench->size / 4);
    return seconds_since(start) / times;
}

static double time_fill(struct bench *bench)
{
    int times = repeats(bench->size);
    int64_t start = gw_now_ns();
    for (int i = 0; i < times; i++)
        memory_fill(bench->a, bench->size / 4);
    return seconds_since(start) / times;
}

static double time_loop(struct kernel_case *one, gw_status *status)
{
    size_t bytes = one->count * sizeof(float);
    int times = repeats(bytes);
    int64_t start = gw_now_ns();
    for (int i = 0; i < times && !*status; i++)
        *status = kernel_case_run(one);
    return seconds_since(start) / times;
}

static void print_row(const struct bench *bench, const struct kernel_loop *loop,
                      const char *kernels, double gbs)
{
    double in_read = gbs / bench->read_gbs, in_add = gbs / bench->add_gbs;
    char target[32] = "";
    if (loop->target > 0 && bench->size > (16 << 20) && strcmp(kernels, "scalar") != 0) {
        double share = strcmp(kernels, "avx2") == 0 ? 0.85 : 1;
        double reached = loop->unit == 'R' ? in_read : in_add;
        snprintf(target, sizeof target, "%5.2f %c  %s", loop->target * share, loop->unit,
                 reached >= loop->target * share ? "reached" : "MISSED");
    }
    printf("%-20s %-8s %8.2f %8.2f %8.2f %8.2f %7.2f %7.2f  %s\n", loop->name, kernels, gbs,
           bench->read_gbs, bench->add_gbs, bench->fill_gbs, in_read, in_add, target);
    fflush(stdout);
    if (bench->rows)
        fprintf(bench->rows,
                "{\"loop\":\"%s\",\"kernels\":\"%s\",\"size_bytes\":%zu,\"gbs\":%.4g,"
                "\"read_gbs\":%.4g,\"add_gbs\":%.4g,\"fill_gbs\":%.4g,\"ratio_read\":%.4g,\"ratio_"
                "add\":%.4g,"
                "\"target\":%.3g,\"target_unit\":\"%.1s\",\"memory_bytes_each\":%.4g}\n",
                loop->name, kernels, bench->size, gbs, bench->read_gbs, bench->add_gbs,
                bench->fill_gbs, in_read, in_add, loop->target, loop->unit == 'R' ? "R" : "A",
                loop->read_each + loop->written_each);
}

static gw_status measure(struct bench *bench, const struct kernel_loop *loop, const char *kernels)
{
    struct kernel_case one;
    double reads[ROUNDS_MOST], adds[ROUNDS_MOST], fills[ROUNDS_MOST], loops[ROUNDS_MOST];
    gw_status s = kernel_case_open(&one, loop, kernels, bench->size / sizeof(float));
    if (!s) /* the first run touches memory for the first time */
        s = kernel_case_run(&one);
    for (int i = 0; !s && i < bench->rounds; i++) {
        reads[i] = time_read(bench);
        loops[i] = time_loop(&one, &s);
        adds[i] = time_add(bench);
        fills[i] = time_fill(bench);
    }
    if (s) {
        fprintf(stderr, "bench_kernels: %s: %s\n", loop->name, one.error.text);
    } else {
        double bytes = (double)bench->size * 1e-9;
        bench->read_gbs = bytes / median(reads, bench->rounds);
        bench->add_gbs = bytes / median(adds, bench->rounds);
        bench->fill_gbs = bytes / median(fills, bench->rounds);
        print_row(bench, loop, kernels, bytes / median(loops, bench->rounds));
    }
    kernel_case_close(&one);
    return s;
}

static gw_status measure_size(struct bench *bench)
{
    printf("# %zu KiB of floats; R: memory read, A: a[i] += b[i], F: a[i] = 0; GB/s of floats\n",
           bench->size >> 10);
    printf("%-20s %-8s %8s %8s %8s %8s %7s %7s  %s\n", "loop", "kernels", "GB/s", "R", "A", "F",
           "/R", "/A", "target");
    for (const struct kernel_loop *loop = kernel_loops; loop->name; loop++) {
        if (bench->loop && !strstr(loop->name, bench->loop))
            continue;
        for (int i = 0; gw_kernel_rows[i]; i++) {
            const struct gw_kernels *row = gw_kernel_rows[i];
            if (!row->usable() || (bench->kernels && strcmp(row->name, bench->kernels) != 0))
                continue;
            if (isatty(2))
                fprintf(stderr, "%s, %s ...\r", loop->name, row->name);
            gw_status s = measure(bench, loop, row->name);
            if (s)
                return s;
        }
    }
    return GW_OK;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct bench *bench = state->input;
    switch (key) {
    case 'j':
        bench->json = argument;
        return 0;
    case 'l':
        bench->loop = argument;
        return 0;
    case 'k':
        bench->kernels = argument;
        return 0;
    case 'n':
        bench->rounds = (int)strtol(argument, NULL, 10);
        if (bench->rounds < 1 || bench->rounds > ROUNDS_MOST)
            argp_error(state, "--rounds %s: expected 1 to %d", argument, ROUNDS_MOST);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "json", 'j', "FILE", 0, "Write one JSON object per line too", 0 },
    { "loop", 'l', "WORDS", 0, "Only loops whose name contains this", 0 },
    { "kernels", 'k', "NAME", 0, "Only this kernel row", 0 },
    { "rounds", 'n', "N", 0, "Measurements of each loop, of which the median counts (7)", 0 },
    { 0 },
};

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options, parse, NULL, "How fast codecs run on one thread, beside memory itself.",
        NULL,    NULL,  NULL
    };
    struct bench bench = { .rounds = 7 };
    gw_status s = GW_OK;
    argp_parse(&argp, argc, argv, 0, NULL, &bench);
    size_t largest = sizes[sizeof sizes / sizeof *sizes - 1];
    bench.a = calloc(largest, 1);
    bench.b = calloc(largest, 1);
    bench.rows = bench.json ? fopen(bench.json, "w") : NULL;
    if (!bench.a || !bench.b || (bench.json && !bench.rows)) {
        fprintf(stderr, "bench_kernels: %s\n", bench.a && bench.b ? bench.json : "out of memory");
        return 1;
    }
    memset(bench.a, 0, largest);
    memset(bench.b, 0, largest);
    for (size_t i = 0; !s && i < sizeof sizes / sizeof *sizes; i++) {
        bench.size = sizes[i];
        s = measure_size(&bench);
    }
    free(bench.a);
    free(bench.b);
    if (bench.rows && fclose(bench.rows))
        return 1;
    return s || bench.sink == 1; /* the sink is used, or reads would be left out */
}
