/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* int: agreed scales, integer sums that cannot overflow, error bounds, no bias. */
#include "tests/units.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 2500, RANKS_MOST = 64 };

static const char *const widths[] = { "8", "16", "32" };

struct group {
    gw_codec *codecs[RANKS_MOST];
    struct payload payloads[RANKS_MOST];
    int n;
};

static void open_group(struct group *g, const char *spec, size_t count, int n)
{
    g->n = n;
    for (int r = 0; r < n; r++)
        g->codecs[r] = unit_open(spec, count, r, n);
}

static void close_group(struct group *g)
{
    for (int r = 0; r < g->n; r++) {
        gw_codec_close(g->codecs[r]);
        free(g->payloads[r].bytes);
    }
}

/* What a plan does: prepare, agree by maximum, encode. */
static void encode_group(struct group *g, float (*x)[COUNT], size_t count)
{
    size_t sides = gw_codec_side_count(g->codecs[0]);
    float *most = calloc(sides, sizeof *most), *mine = calloc(sides, sizeof *mine);
    ck_assert(most && mine);
    for (int r = 0; r < g->n; r++) {
        ck_assert_int_eq(gw_codec_prepare(g->codecs[r], x[r], NULL), GW_OK);
        gw_codec_propose(g->codecs[r], mine);
        for (size_t i = 0; i < sides; i++)
            most[i] = fmaxf(most[i], mine[i]);
    }
    for (int r = 0; r < g->n; r++) {
        ck_assert_int_eq(gw_codec_adopt(g->codecs[r], most, NULL), GW_OK);
        g->payloads[r] = unit_encode_range(g->codecs[r], 0, count);
        gw_codec_commit(g->codecs[r]);
    }
    free(most);
    free(mine);
}

/* Merging equals decoding and adding, and is near the sum of the inputs. */
START_TEST(sums_of_integers_are_sums)
{
    static const int sizes[] = { 1, 2, 5, 9, 40 };
    static float x[RANKS_MOST][COUNT], merged[COUNT], one[COUNT];
    int n = sizes[_i / 3];
    char spec[64];
    snprintf(spec, sizeof spec, "int:bits=%s,bucket=300", widths[_i % 3]);
    struct group g;
    for (int r = 0; r < n; r++)
        fill_gaussian(x[r], COUNT, (uint64_t)r + 1);
    open_group(&g, spec, COUNT, n);
    encode_group(&g, x, COUNT);
    struct payload sum = unit_merge(g.codecs[0], g.payloads, n);
    unit_decode(g.codecs[0], 0, COUNT, sum, merged);
    double *exact = calloc(COUNT, sizeof *exact), *decoded = calloc(COUNT, sizeof *decoded);
    ck_assert(exact && decoded);
    for (int r = 0; r < n; r++) {
        unit_decode(g.codecs[r], 0, COUNT, g.payloads[r], one);
        for (int i = 0; i < COUNT; i++) {
            exact[i] += (double)x[r][i];
            decoded[i] += (double)one[i];
        }
    }
    double limit = floor((ldexp(1, (8 << _i % 3) - 1) - 1) / n);
    for (int i = 0; i < COUNT; i++) {
        double step = 5.5 / limit + 1e-6;
        ck_assert_msg(fabs((double)merged[i] - decoded[i]) < 1e-5,
                      "%s, %d ranks, element %d: %g, sum of parts %g", spec, n, i,
                      (double)merged[i], decoded[i]);
        ck_assert_msg(fabs((double)merged[i] - exact[i]) <= n * step,
                      "%s, %d ranks, element %d: %g, sum of inputs %g", spec, n, i,
                      (double)merged[i], exact[i]);
    }
    free(exact);
    free(decoded);
    free(sum.bytes);
    close_group(&g);
}
END_TEST

/* Every rank at the largest value: the sum of the codes still fits. */
START_TEST(sums_cannot_overflow)
{
    static const int sizes[] = { 1, 2, 3, 50, 63 };
    static float x[RANKS_MOST][COUNT], y[COUNT];
    int n = sizes[_i / 3];
    char spec[64];
    snprintf(spec, sizeof spec, "int:bits=%s", widths[_i % 3]);
    for (int r = 0; r < n; r++)
        for (int i = 0; i < COUNT; i++)
            x[r][i] = i % 2 ? -3.0f : 3.0f;
    struct group g;
    open_group(&g, spec, COUNT, n);
    encode_group(&g, x, COUNT);
    struct payload sum = unit_merge(g.codecs[0], g.payloads, n);
    unit_decode(g.codecs[0], 0, COUNT, sum, y);
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(fabs((double)y[i] / n - (double)x[0][i]) < 0.01,
                      "%s, %d ranks, element %d: %g, expected %g", spec, n, i, (double)y[i],
                      n * (double)x[0][i]);
    free(sum.bytes);
    close_group(&g);
}
END_TEST

/* A code that a rank may not send is refused, so that hostile ranks cannot overflow a sum. */
START_TEST(codes_beyond_the_limit_are_refused)
{
    float x[4] = { 1, 1, 1, 1 };
    gw_codec *c = unit_open("int", 4, 0, 10);
    struct payload p = unit_encode(c, x);
    uint8_t *codes = p.bytes + GW_HEADER_BYTES + 4;
    ck_assert_int_eq(codes[0], 12);
    for (int code = -128; code < 128; code++) {
        codes[2] = (uint8_t)code;
        gw_payload_seal(p.bytes, c->row->wire_id, 0, 4, p.size - GW_HEADER_BYTES);
        ck_assert_int_eq(gw_payload_check(c, 0, 4, p.bytes, p.size, NULL),
                         abs(code) > 12 ? GW_EPAYLOAD : GW_OK);
        gw_payload_seal(p.bytes, c->row->wire_id, GW_PAYLOAD_MERGED, 4, p.size - GW_HEADER_BYTES);
        ck_assert_int_eq(gw_payload_check(c, 0, 4, p.bytes, p.size, NULL),
                         abs(code) > 127 ? GW_EPAYLOAD : GW_OK);
    }
    static const float wrong[] = { NAN, INFINITY, -1 };
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(gw_codec_adopt(c, &wrong[i], NULL), GW_EPAYLOAD);
    free(p.bytes);
    gw_codec_close(c);
}
END_TEST

START_TEST(too_many_ranks_are_refused)
{
    const struct gw_codec_site site = { .tensor = "w", .count = 1, .ranks = 128 };
    struct gw_error error = { 0 };
    gw_codec *c = NULL;
    ck_assert_int_eq(gw_codec_open_site(&c, "int", &site, &error), GW_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(error.text, "128 ranks"));
    ck_assert_int_eq(gw_codec_open_site(&c, "int:bits=16", &site, &error), GW_OK);
    gw_codec_close(c);
}
END_TEST

START_TEST(nearest_is_within_half_a_step)
{
    static float x[COUNT], y[COUNT];
    fill_gaussian(x, COUNT, 8);
    gw_codec *c = unit_open("int:rounding=nearest,bucket=0", COUNT, 0, 1);
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, COUNT, p, y);
    double step = (double)gw_get_f32(p.bytes + GW_HEADER_BYTES);
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(fabs((double)x[i] - (double)y[i]) <= step * 0.5001, "element %d: %g to %g", i,
                      (double)x[i], (double)y[i]);
    free(p.bytes);
    gw_codec_close(c);
}
END_TEST

/* One rank's 8-bit codes are max-norm levels of +-127: the specification's table at d = 1024. */
START_TEST(error_of_one_rank)
{
    enum { MILLION = 1 << 20 };
    float *x = malloc(MILLION * sizeof *x), *y = malloc(MILLION * sizeof *y);
    ck_assert(x && y);
    fill_gaussian(x, MILLION, 8);
    gw_codec *c = unit_open("int:bits=8,bucket=1024", MILLION, 0, 1);
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, MILLION, p, y);
    double nmse = nmse_of(x, y, MILLION), expected = 1.2344e-4;
    ck_assert_msg(fabs(nmse / expected - 1) < 0.02, "NMSE %g, expected %g", nmse, expected);
    free(p.bytes);
    gw_codec_close(c);
    free(x);
    free(y);
}
END_TEST

/* Sum of errors over its deviation, plain and in the direction of x; 1e8 roundings. */
START_TEST(stochastic_rounding_is_unbiased)
{
    enum { MILLION = 1000000, RUNS = 100 };
    float *x = malloc(MILLION * sizeof *x), *y = malloc(MILLION * sizeof *y);
    double sum = 0, along = 0, squares = 0;
    ck_assert(x && y);
    fill_gaussian(x, MILLION, 3);
    gw_codec *c = unit_open("int", MILLION, 0, 4);
    for (int run = 0; run < RUNS; run++) {
        struct payload p = unit_encode(c, x);
        unit_decode(c, 0, MILLION, p, y);
        for (int i = 0; i < MILLION; i++) {
            double d = (double)y[i] - (double)x[i];
            sum += d;
            along += x[i] < 0 ? -d : d;
            squares += d * d;
        }
        free(p.bytes);
    }
    double z = sum / sqrt(squares), z_along = along / sqrt(squares);
    ck_assert_msg(fabs(z) < 4.5 && fabs(z_along) < 4.5, "z %g, along x %g", z, z_along);
    gw_codec_close(c);
    free(x);
    free(y);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("int");
    TCase *tcase = tcase_create("int");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, sums_of_integers_are_sums, 0, 15);
    tcase_add_loop_test(tcase, sums_cannot_overflow, 0, 15);
    tcase_add_test(tcase, codes_beyond_the_limit_are_refused);
    tcase_add_test(tcase, too_many_ranks_are_refused);
    tcase_add_test(tcase, nearest_is_within_half_a_step);
    tcase_add_test(tcase, error_of_one_rank);
    tcase_add_test(tcase, stochastic_rounding_is_unbiased);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
