/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The floats that the bench sums: a function of (distribution, seed, rank, element), so that any
 * rank can compute what any other rank gave. */
#ifndef GW_TOOLS_BENCH_INPUT_H
#define GW_TOOLS_BENCH_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct bench_input;

/* "normal", "laplace", "sparse" or "file:PATH". NULL after an error, with its words in `error`. */
struct bench_input *bench_input_open(const char *dist, uint64_t seed, char *error, size_t capacity);
void bench_input_close(struct bench_input *input);

/* Elements [first, first + count) of rank `rank`, whose tensor has `total`. */
void bench_input_fill(const struct bench_input *input, int rank, size_t total, size_t first,
                      size_t count, float *out);

#endif
