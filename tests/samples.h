/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Samples for tests of codecs, and codecs opened or the test fails. */
#ifndef GW_TESTS_SAMPLES_H
#define GW_TESTS_SAMPLES_H

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include <gradwire/codec.h>

#include "base/random.h"

/* Uniform in (0, 1), element i of sequence `seed`. */
static inline double sample_uniform(uint64_t seed, uint64_t i)
{
    return ((double)(gw_mix64(gw_mix64(seed + 1) + i * 0x9e3779b97f4a7c15u) >> 11) + 0.5) * 0x1p-53;
}

static inline double sample_gauss(uint64_t seed, uint64_t i)
{
    double radius = sqrt(-2 * log(sample_uniform(seed, 2 * i)));
    return radius * cos(6.283185307179586 * sample_uniform(seed, 2 * i + 1));
}

/* `count` floats from N(0, 1); free them. */
static inline float *sample_gauss_vector(uint64_t seed, size_t count)
{
    float *x = malloc((count + 1) * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)sample_gauss(seed, i);
    return x;
}

static inline double sum_squares_of(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static inline double squared_distance(const float *x, const float *y, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    return sum;
}

static inline gw_codec *codec_of(const char *spec, size_t count, const gw_codec_options *options)
{
    gw_codec *codec = NULL;
    gw_status s = gw_codec_open(&codec, spec, count, options);
    ck_assert_msg(!s, "%s, count %zu: %s", spec, count, gw_codec_error(NULL));
    return codec;
}

/* Encode all of x; the payload (free it) and its size. */
static inline uint8_t *payload_of(gw_codec *codec, const void *x, size_t count, size_t *bytes)
{
    size_t capacity = gw_encode_bound(codec, 0, count);
    uint8_t *payload = malloc(capacity);
    ck_assert_ptr_nonnull(payload);
    gw_status s = gw_encode(codec, x, payload, capacity, bytes);
    ck_assert_msg(!s, "%s: %s", gw_codec_spec(codec), gw_codec_error(codec));
    return payload;
}

static inline void decode_to(gw_codec *codec, size_t count, const uint8_t *payload, size_t bytes,
                             void *out)
{
    gw_status s = gw_decode(codec, 0, count, payload, bytes, out);
    ck_assert_msg(!s, "%s: %s", gw_codec_spec(codec), gw_codec_error(codec));
}

/* Encode and decode once; returns the payload's size. */
static inline size_t round_trip(gw_codec *codec, const void *x, size_t count, void *out)
{
    size_t bytes;
    uint8_t *payload = payload_of(codec, x, count, &bytes);
    decode_to(codec, count, payload, bytes, out);
    free(payload);
    return bytes;
}

/* Mean over `runs` encodings of |C(x) - x|^2 / |x|^2 of `count` Gaussian values. */
static inline double gauss_nmse(const char *spec, size_t count, int runs, uint64_t seed,
                                size_t *bytes)
{
    float *x = sample_gauss_vector(seed, count), *y = malloc((count + 1) * sizeof *y);
    ck_assert_ptr_nonnull(y);
    gw_codec *codec = codec_of(spec, count, NULL);
    double error = 0;
    for (int r = 0; r < runs; r++) {
        size_t size = round_trip(codec, x, count, y);
        error += squared_distance(x, y, count);
        if (bytes)
            *bytes = size;
    }
    double nmse = error / runs / sum_squares_of(x, count);
    gw_codec_close(codec);
    free(x);
    free(y);
    return nmse;
}

static inline void check_near(const char *what, double got, double expected, double tolerance,
                              uint64_t seed)
{
    ck_assert_msg(fabs(got - expected) <= tolerance * fabs(expected),
                  "%s: %.6g, expected %.6g within %.2g %%; seed %llu", what, got, expected,
                  100 * tolerance, (unsigned long long)seed);
}

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
