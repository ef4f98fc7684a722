/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What tests of codecs share. */
#include "tests/units.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

gw_codec *unit_open(const char *spec, size_t count, int rank, int ranks)
{
    const struct gw_codec_site site = { .tensor = "w",
                                        .tensor_key = gw_hash_text("w"),
                                        .seed = UNIT_SEED,
                                        .count = count,
                                        .rank = rank,
                                        .ranks = ranks };
    struct gw_error error = { 0 };
    gw_codec *c = NULL;
    gw_status s = gw_codec_open_site(&c, spec, &site, &error);
    ck_assert_msg(s == GW_OK, "open '%s': %s", spec, error.text);
    return c;
}

struct payload unit_encode_range(gw_codec *c, size_t first, size_t count)
{
    struct gw_error error = { 0 };
    size_t bound = gw_payload_bound(c, first, count);
    struct payload p = { .bytes = malloc(bound) };
    ck_assert_ptr_nonnull(p.bytes);
    gw_status s = gw_payload_encode(c, first, count, p.bytes, bound, &p.size, &error);
    ck_assert_msg(s == GW_OK, "encode '%s': %s", c->spec, error.text);
    ck_assert_msg(p.size <= bound, "'%s': %zu bytes, bound %zu", c->spec, p.size, bound);
    return p;
}

struct payload unit_encode(gw_codec *c, const float *x)
{
    struct gw_error error = { 0 };
    gw_status s = gw_codec_prepare(c, x, &error);
    ck_assert_msg(s == GW_OK, "prepare '%s': %s", c->spec, error.text);
    struct payload p = unit_encode_range(c, 0, c->site.count);
    gw_codec_commit(c);
    return p;
}

void unit_decode(const gw_codec *c, size_t first, size_t count, struct payload p, float *out)
{
    struct gw_error error = { 0 };
    gw_status s = gw_payload_check(c, first, count, p.bytes, p.size, &error);
    ck_assert_msg(s == GW_OK, "check '%s': %s", c->spec, error.text);
    gw_payload_decode(c, first, count, p.bytes, p.size, out);
}

struct payload unit_merge(gw_codec *c, const struct payload *payloads, int n)
{
    struct gw_error error = { 0 };
    size_t bound = gw_payload_merged_bound(c, 0, c->site.count);
    struct payload merged = { .bytes = malloc(bound) };
    const void **bytes = calloc((size_t)n, sizeof *bytes);
    size_t *sizes = calloc((size_t)n, sizeof *sizes);
    ck_assert(merged.bytes && bytes && sizes);
    for (int r = 0; r < n; r++) {
        bytes[r] = payloads[r].bytes;
        sizes[r] = payloads[r].size;
    }
    gw_status s = gw_payload_merge(c, 0, c->site.count, bytes, sizes, n, merged.bytes, bound,
                                   &merged.size, &error);
    ck_assert_msg(s == GW_OK, "merge '%s': %s", c->spec, error.text);
    free(bytes);
    free(sizes);
    return merged;
}

void fill_gaussian(float *x, size_t count, uint64_t seed)
{
    const double two_pi = 6.283185307179586;
    uint64_t state = seed * 1000003;
    for (size_t i = 0; i < count; i++) {
        double u = ((double)(next_random(&state) >> 11) + 0.5) * 0x1p-53;
        double v = (double)(next_random(&state) >> 11) * 0x1p-53;
        x[i] = (float)(sqrt(-2 * log(u)) * cos(two_pi * v));
    }
}

double nmse_of(const float *x, const float *y, size_t count)
{
    double error = 0, energy = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)y[i] - (double)x[i];
        error += d * d;
        energy += (double)x[i] * (double)x[i];
    }
    return error / energy;
}
