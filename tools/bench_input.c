/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Inputs of the bench. Random numbers are a hash (the finalizer of splitmix64, Steele et al. 2014)
 * of (seed, rank, element); normal values come from them in pairs (Box and Muller 1958). */
#include "tools/bench_input.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dist { NORMAL, LAPLACE, SPARSE, STORED };

#define SPARSE_SHARE 0.01 /* of "sparse" elements are not zero */

struct bench_input {
    enum dist dist;
    uint64_t seed;
    float *stored;
    size_t stored_count;
};

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Above 0 and below 1. */
static double uniform(uint64_t key, uint64_t index)
{
    return ((double)(mix(key ^ mix(index)) >> 12) + 0.5) * 0x1p-52;
}

/* Element i of a normal sequence: pairs share a radius and an angle. */
static double normal(uint64_t key, size_t i)
{
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log(uniform(key, i | 1)));
    double angle = two_pi * uniform(key, i & ~(size_t)1);
    return radius * (i & 1 ? sin(angle) : cos(angle));
}

/* Of variance 1. */
static double laplace(uint64_t key, size_t i)
{
    const double scale = 0.7071067811865476;
    double u = uniform(key, i) - 0.5;
    return -scale * copysign(log1p(-2 * fabs(u)), u);
}

static double sparse(uint64_t key, size_t i)
{
    return uniform(~key, i) < SPARSE_SHARE ? normal(key, i) : 0;
}

/* Ranks read the file one behind the other, and around. */
static void fill_stored(const struct bench_input *input, int rank, size_t total, size_t first,
                        size_t count, float *out)
{
    size_t at = ((size_t)rank * total + first) % input->stored_count;
    for (size_t i = 0; i < count; i++) {
        out[i] = input->stored[at];
        at = at + 1 == input->stored_count ? 0 : at + 1;
    }
}

void bench_input_fill(const struct bench_input *input, int rank, size_t total, size_t first,
                      size_t count, float *out)
{
    uint64_t key = mix(mix(input->seed) + (uint64_t)rank);
    switch (input->dist) {
    case NORMAL:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)normal(key, first + i);
        break;
    case LAPLACE:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)laplace(key, first + i);
        break;
    case SPARSE:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)sparse(key, first + i);
        break;
    case STORED:
        fill_stored(input, rank, total, first, count, out);
        break;
    }
}

/* All whole floats of a file. 0, or -1. */
static int read_floats(struct bench_input *input, FILE *file)
{
    size_t capacity = 0;
    for (;;) {
        if (input->stored_count == capacity) {
            capacity = capacity ? 2 * capacity : 1 << 16;
            float *larger = realloc(input->stored, capacity * sizeof(float));
            if (!larger)
                return -1;
            input->stored = larger;
        }
        size_t got = fread(input->stored + input->stored_count, sizeof(float),
                           capacity - input->stored_count, file);
        if (!got)
            return ferror(file) ? -1 : 0;
        input->stored_count += got;
    }
}

static int open_stored(struct bench_input *input, const char *path, char *error, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    int failed = !file || read_floats(input, file);
    if (failed)
        snprintf(error, capacity, "%s: %m", path);
    else if (!input->stored_count)
        snprintf(error, capacity, "%s: holds no float of 4 bytes", path);
    if (file)
        fclose(file);
    return failed || !input->stored_count ? -1 : 0;
}

struct bench_input *bench_input_open(const char *dist, uint64_t seed, char *error, size_t capacity)
{
    static const char *const names[] = { "normal", "laplace", "sparse" };
    struct bench_input *input = calloc(1, sizeof *input);
    if (!input) {
        snprintf(error, capacity, "out of memory");
        return NULL;
    }
    input->seed = seed;
    input->dist = STORED;
    for (int i = 0; i < STORED; i++)
        if (strcmp(dist, names[i]) == 0)
            input->dist = (enum dist)i;
    if (input->dist != STORED)
        return input;
    int failed = -1;
    if (strncmp(dist, "file:", 5) == 0)
        failed = open_stored(input, dist + 5, error, capacity);
    else
        snprintf(error, capacity, "--dist %s: expected normal, laplace, sparse or file:PATH", dist);
    if (!failed)
        return input;
    bench_input_close(input);
    return NULL;
}

void bench_input_close(struct bench_input *input)
{
    if (!input)
        return;
    free(input->stored);
    free(input);
}
