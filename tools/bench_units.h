/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The arithmetic of the bench, free of input and output: what flags mean, statistics of times,
 * measures of error, bandwidth. */
#ifndef GW_TOOLS_BENCH_UNITS_H
#define GW_TOOLS_BENCH_UNITS_H

#include <stddef.h>
#include <stdint.h>

enum bench_op {
    BENCH_ALLREDUCE,
    BENCH_REDUCE_SCATTER,
    BENCH_ALLGATHER,
    BENCH_BROADCAST,
    BENCH_PUSHPULL,
    BENCH_OPS
};

extern const char *const bench_op_names[BENCH_OPS];

/* Each parser gives 0, or -1 and leaves its output alone. */

/* "64K", "1.5M", "2G", "4096": bytes, in powers of 1024. */
int bench_parse_size(size_t *bytes, const char *text);
/* A number above `least`, with nothing behind it. */
int bench_parse_number(double *number, const char *text, double least);
int bench_parse_op(enum bench_op *op, const char *text);
/* The place of a word in a list that ends with NULL. */
int bench_parse_word(int *place, const char *text, const char *const *words);

/* The size after `bytes` in a row that grows by `factor`, at least one float larger. */
size_t bench_next_size(size_t bytes, double factor);

/* Elements of the whole tensor for a size: at least one, and where a rank's part is a fixed share,
 * a multiple of the number of ranks. */
size_t bench_size_count(size_t bytes, enum bench_op op, int ranks);

struct bench_times {
    double min, p50, avg, p99, max;
};

/* Of `count` > 0 seconds, which it sorts. The percentiles are the nearest rank. */
struct bench_times bench_summarize(double *seconds, size_t count);

/* Bus bandwidth over algorithm bandwidth: the share of the data that a link must carry. */
double bench_bus_factor(enum bench_op op, int ranks);

/* GB/s of seconds per byte; NaN where there are none. */
double bench_speed(double seconds_per_byte);

/* Percent of a collective's time that was hidden: what both took together, longer than the
 * computation alone, was not. */
double bench_overlap_share(double pure, double compute, double overall);

/* Sums over elements from which the measures of error come; sums of several parts add up. */
struct bench_errors {
    double error2, exact2, result2;   /* squares */
    double error_exact, result_exact; /* products */
    double wrong;                     /* elements outside a tolerance */
};

/* Add `count` elements: results against exact values. An element is wrong if it is further than
 * `tolerance[i]` from exact, or not a number; `tolerance` may be NULL. */
void bench_errors_add(struct bench_errors *errors, const float *result, const double *exact,
                      const double *tolerance, size_t count);

double bench_nmse(const struct bench_errors *errors);
double bench_cosine(const struct bench_errors *errors);
/* How much of the exact tensor the error holds: 0 for an unbiased codec, -0.1 for one that shrinks
 * by a tenth. */
double bench_bias(const struct bench_errors *errors);

/* 64 bits of all bits of `bytes` bytes. */
uint64_t bench_digest(const void *data, size_t bytes);

#endif
