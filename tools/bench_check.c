/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Is the result right? The inputs of all ranks are known functions, so each rank computes the exact
 * result of a part, in double, and the parts' sums are added up. */
#include "tools/bench.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096 };

struct chunk {
    float part[CHUNK];
    double exact[CHUNK], magnitude[CHUNK];
};

size_t bench_in_count(const struct bench *bench, size_t count)
{
    return bench->options->op == BENCH_ALLGATHER ? count / (size_t)bench->ranks : count;
}

size_t bench_out_count(const struct bench *bench, size_t count)
{
    return bench->options->op == BENCH_REDUCE_SCATTER ? count / (size_t)bench->ranks : count;
}

/* In their bits: 0 and -0 do. */
static int differ(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(float)) != 0;
}

int bench_check_replicas(struct bench *bench, size_t count, double *wrong)
{
    if (bench->options->op == BENCH_REDUCE_SCATTER)
        return TOOL_GOOD;
    uint64_t digest = bench_digest(bench->out, count * sizeof(float));
    double low = (double)(uint32_t)digest, high = (double)(digest >> 32);
    double limits[] = { low, high, -low, -high };
    int status = bench_reduce(bench, limits, 4, GW_MAX);
    if (status || (limits[0] == -limits[2] && limits[1] == -limits[3]))
        return status;
    float *first = malloc(count * sizeof(float));
    if (first)
        memcpy(first, bench->out, count * sizeof(float));
    /* Where memory is short rank 0's copy goes over the result, and this rank counts all. */
    void *target = first ? first : bench->out;
    const gw_options options = { .codec = "raw", .name = "bench.first" };
    gw_status s = gw_broadcast(bench->comm, target, target, count, GW_I32, &options);
    if (s) {
        free(first);
        return bench_fail(bench, s, "comparing results", gw_comm_error(bench->comm));
    }
    double differing = first ? 0 : (double)count;
    for (size_t i = 0; first && i < count; i++)
        differing += differ(&first[i], &bench->out[i]);
    free(first);
    status = bench_reduce(bench, &differing, 1, GW_SUM);
    if (!status)
        *wrong += differing;
    return status;
}

/* Add rank's elements [first, first + count) of its input to the chunk from `at` on. */
static void add_input(const struct bench *bench, struct chunk *chunk, int rank, size_t total,
                      size_t first, size_t count, size_t at)
{
    bench_input_fill(bench->input, rank, total, first, count, chunk->part);
    for (size_t i = 0; i < count; i++) {
        chunk->exact[at + i] += chunk->part[i];
        chunk->magnitude[at + i] += fabs((double)chunk->part[i]);
    }
}

/* The exact elements [first, first + count) of this rank's result. */
static void compute_exact(const struct bench *bench, struct chunk *chunk, size_t total,
                          size_t first, size_t count)
{
    size_t share = total / (size_t)bench->ranks;
    memset(chunk->exact, 0, sizeof chunk->exact);
    memset(chunk->magnitude, 0, sizeof chunk->magnitude);
    switch (bench->options->op) {
    case BENCH_BROADCAST:
        add_input(bench, chunk, 0, total, first, count, 0);
        return;
    case BENCH_ALLGATHER:
        for (size_t at = 0, step; at < count; at += step) {
            size_t inside = (first + at) % share;
            step = count - at < share - inside ? count - at : share - inside;
            add_input(bench, chunk, (int)((first + at) / share), share, inside, step, at);
        }
        return;
    case BENCH_REDUCE_SCATTER:
        first += (size_t)bench->rank * share;
        break;
    default:
        break;
    }
    for (int rank = 0; rank < bench->ranks; rank++)
        add_input(bench, chunk, rank, total, first, count, 0);
}

static void check_part(const struct bench *bench, struct chunk *chunk, size_t total, size_t first,
                       size_t last, int exact_codec, struct bench_errors *errors)
{
    /* A sum of n floats rounds n - 1 times, in any order; one more for the input itself. */
    double rounding = FLT_EPSILON * bench->ranks;
    for (size_t at = first; at < last; at += CHUNK) {
        size_t count = last - at < CHUNK ? last - at : CHUNK;
        compute_exact(bench, chunk, total, at, count);
        for (size_t i = 0; i < count; i++)
            chunk->magnitude[i] *= rounding;
        bench_errors_add(errors, bench->out + at, chunk->exact,
                         exact_codec ? chunk->magnitude : NULL, count);
    }
}

int bench_check_errors(struct bench *bench, size_t count, int exact_codec,
                       struct bench_errors *errors)
{
    size_t out = bench_out_count(bench, count), first = 0, last = out;
    if (bench->options->op != BENCH_REDUCE_SCATTER) {
        first = out / (size_t)bench->ranks * (size_t)bench->rank;
        last = bench->rank + 1 == bench->ranks ? out : first + out / (size_t)bench->ranks;
    }
    struct chunk *chunk = malloc(sizeof *chunk);
    double sums[7] = { chunk == NULL };
    *errors = (struct bench_errors){ 0 };
    if (chunk)
        check_part(bench, chunk, count, first, last, exact_codec, errors);
    free(chunk);
    sums[1] = errors->error2;
    sums[2] = errors->exact2;
    sums[3] = errors->result2;
    sums[4] = errors->error_exact;
    sums[5] = errors->result_exact;
    sums[6] = errors->wrong;
    int status = bench_reduce(bench, sums, 7, GW_SUM);
    if (status)
        return status;
    if (sums[0] > 0)
        return bench_fail(bench, GW_ENOMEM, "checking", NULL);
    *errors = (struct bench_errors){ sums[1], sums[2], sums[3], sums[4], sums[5], sums[6] };
    return TOOL_GOOD;
}

void bench_row_errors(const struct bench *bench, struct bench_row *row,
                      const struct bench_errors *errors)
{
    int checked = bench->options->check;
    row->nmse = checked ? bench_nmse(errors) : NAN;
    row->cosine = checked ? bench_cosine(errors) : NAN;
    row->bias = checked ? bench_bias(errors) : NAN;
}
