/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The arithmetic of the bench. Bandwidths follow nccl-tests (doc/PERFORMANCE.md there). */
#include "tools/bench_units.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const bench_op_names[BENCH_OPS] = { "allreduce", "reduce_scatter", "allgather",
                                                "broadcast", "pushpull" };

/* A finite number at the start of `text`, which must not start with a space. */
static int leading_number(double *number, const char *text, char **end)
{
    if (!strchr("0123456789.", text[0]) || text[0] == '\0')
        return -1;
    errno = 0;
    *number = strtod(text, end);
    return errno || *end == text || !isfinite(*number) ? -1 : 0;
}

int bench_parse_size(size_t *bytes, const char *text)
{
    char *end;
    double number;
    if (leading_number(&number, text, &end))
        return -1;
    static const char suffixes[] = "KkMmGg";
    if (*end) {
        const char *suffix = strchr(suffixes, *end);
        if (!suffix || end[1])
            return -1;
        number = ldexp(number, 10 * (int)((suffix - suffixes) / 2 + 1));
    }
    if (number < 1 || number > 0x1p50 || number > (double)(SIZE_MAX / 4))
        return -1;
    *bytes = (size_t)number;
    return 0;
}

int bench_parse_number(double *number, const char *text, double least)
{
    char *end;
    double value;
    if (leading_number(&value, text, &end) || *end || !(value > least))
        return -1;
    *number = value;
    return 0;
}

int bench_parse_op(enum bench_op *op, const char *text)
{
    for (int i = 0; i < BENCH_OPS; i++) {
        if (strcmp(text, bench_op_names[i]) == 0) {
            *op = (enum bench_op)i;
            return 0;
        }
    }
    return -1;
}

int bench_parse_word(int *place, const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *place = i;
            return 0;
        }
    }
    return -1;
}

size_t bench_next_size(size_t bytes, double factor)
{
    double next = (double)bytes * factor;
    size_t least = bytes + sizeof(float);
    return next > (double)least ? (size_t)next : least;
}

size_t bench_size_count(size_t bytes, enum bench_op op, int ranks)
{
    size_t share = op == BENCH_REDUCE_SCATTER || op == BENCH_ALLGATHER ? (size_t)ranks : 1;
    size_t parts = bytes / sizeof(float) / share;
    return (parts ? parts : 1) * share;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double percent)
{
    size_t rank = (size_t)ceil(percent / 100 * (double)count);
    return sorted[rank ? rank - 1 : 0];
}

struct bench_times bench_summarize(double *seconds, size_t count)
{
    qsort(seconds, count, sizeof *seconds, compare);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += seconds[i];
    return (struct bench_times){ .min = seconds[0],
                                 .p50 = percentile(seconds, count, 50),
                                 .avg = sum / (double)count,
                                 .p99 = percentile(seconds, count, 99),
                                 .max = seconds[count - 1] };
}

double bench_bus_factor(enum bench_op op, int ranks)
{
    double share = (double)(ranks - 1) / ranks;
    if (op == BENCH_ALLREDUCE)
        return 2 * share;
    return op == BENCH_BROADCAST ? 1 : share;
}

double bench_speed(double seconds_per_byte)
{
    return seconds_per_byte > 0 ? 1e-9 / seconds_per_byte : NAN;
}

double bench_overlap_share(double pure, double compute, double overall)
{
    double share = 100 * (1 - (overall - compute) / pure);
    return share < 0 ? 0 : share > 100 ? 100 : share;
}

void bench_errors_add(struct bench_errors *errors, const float *result, const double *exact,
                      const double *tolerance, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double error = (double)result[i] - exact[i];
        errors->error2 += error * error;
        errors->exact2 += exact[i] * exact[i];
        errors->result2 += (double)result[i] * result[i];
        errors->error_exact += error * exact[i];
        errors->result_exact += result[i] * exact[i];
        if (tolerance && !(fabs(error) <= tolerance[i]))
            errors->wrong++;
    }
}

/* 0 of 0 is a perfect result, not an unknown one. */
static double quotient(double a, double b, double of_nothing)
{
    return a == 0 && b == 0 ? of_nothing : a / b;
}

double bench_nmse(const struct bench_errors *errors)
{
    return quotient(errors->error2, errors->exact2, 0);
}

double bench_cosine(const struct bench_errors *errors)
{
    return quotient(errors->result_exact, sqrt(errors->result2) * sqrt(errors->exact2), 1);
}

double bench_bias(const struct bench_errors *errors)
{
    return quotient(errors->error_exact, errors->exact2, 0);
}

uint64_t bench_digest(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint64_t digest = 0xcbf29ce484222325u ^ bytes;
    for (; bytes; bytes -= bytes < 8 ? bytes : 8, at += 8) {
        uint64_t word = 0;
        memcpy(&word, at, bytes < 8 ? bytes : 8);
        digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
        digest ^= digest >> 29;
    }
    return digest;
}
