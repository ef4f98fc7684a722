/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What tests of codecs share: inputs, and one unit encoded and decoded. */
#ifndef GW_TESTS_UNITS_H
#define GW_TESTS_UNITS_H

#include "compress/codec.h"
#include "tests/next_random.h"

enum { UNIT_SEED = 7 };

/* A codec for a unit of `count` elements of tensor "w" on rank `rank` of `ranks`; fails the test
 * if it cannot be opened. */
gw_codec *unit_open(const char *spec, size_t count, int rank, int ranks);

/* A payload on the heap. */
struct payload {
    uint8_t *bytes;
    size_t size;
};

/* One committed run; the payload of the whole unit. */
struct payload unit_encode(gw_codec *c, const float *x);

/* Of a range, in a run that has begun. */
struct payload unit_encode_range(gw_codec *c, size_t first, size_t count);

/* Check and decode; fails the test if the check does. */
void unit_decode(const gw_codec *c, size_t first, size_t count, struct payload p, float *out);

/* All payloads (of the whole unit) to one. */
struct payload unit_merge(gw_codec *c, const struct payload *payloads, int n);

/* Independent N(0, 1) numbers. */
void fill_gaussian(float *x, size_t count, uint64_t seed);

/* Sum of squared differences over sum of squares of x. */
double nmse_of(const float *x, const float *y, size_t count);

#endif
