/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Wrappers: error feedback loses nothing, in one pass or in several, over runs that fail; momentum
 * and clip do what their formulas say; state goes and comes back. */
#include "compress/rows.h"
#include "tests/units.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 3000, RUNS = 60, SPECS = 18 };

/* Error feedback around every codec that it can stand before. */
static const char *const specs[SPECS] = {
    "raw",
    "fp16",
    "bf16",
    "qsgd",
    "qsgd:bits=2",
    "qsgd:bits=8,rounding=nearest,bucket=64",
    "qsgd:norm=l2,coding=elias,bits=3",
    "terngrad",
    "sign",
    "sign:bucket=0",
    "onebit",
    "topk",
    "topk:ratio=0.25",
    "randomk:ratio=0.25",
    "randomk:ratio=0.25,scale=unbiased",
    "int",
    "int:bits=16,rounding=nearest",
    "clip:sigma=1.5+qsgd:bits=3",
};

static gw_codec *open_ef(const char *spec)
{
    char wrapped[128];
    snprintf(wrapped, sizeof wrapped, "ef+%s", spec);
    return unit_open(wrapped, COUNT, 1, 4);
}

static struct payload run_once(gw_codec *c, const float *x, float *sent)
{
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, COUNT, p, sent);
    return p;
}

/* Begin a run, encode some of it, and give it up. */
static void fail_once(gw_codec *c, const float *x)
{
    ck_assert_int_eq(gw_codec_prepare(c, x, NULL), GW_OK);
    struct payload p = unit_encode_range(c, 0, gw_min_size(COUNT, 1024));
    free(p.bytes);
    gw_codec_rollback(c);
}

/* Inputs on a coarse grid, so that every sum is exact in a float. */
static void fill_grid(float *x, uint64_t seed)
{
    uint64_t state = seed;
    for (size_t i = 0; i < COUNT; i++)
        x[i] = ((float)(next_random(&state) % 17) - 8) / 8;
}

/* What was sent plus what is kept back is what was given, up to `tolerance` of each. */
static void expect_conservation(const char *spec, double tolerance)
{
    static float x[COUNT], sent[COUNT];
    static double given[COUNT], got[COUNT];
    memset(given, 0, sizeof given);
    memset(got, 0, sizeof got);
    gw_codec *c = open_ef(spec);
    for (int run = 0; run < RUNS; run++) {
        fill_grid(x, (uint64_t)run);
        if (run % 3 == 0)
            fail_once(c, x);
        struct payload p = run_once(c, x, sent);
        for (int i = 0; i < COUNT; i++) {
            given[i] += (double)x[i];
            got[i] += (double)sent[i];
        }
        free(p.bytes);
    }
    for (int i = 0; i < COUNT; i++) {
        double all = got[i] + (double)c->state[i];
        ck_assert_msg(fabs(all - given[i]) <= tolerance,
                      "ef+%s: element %d: sent %.9g + residual %.9g = %.9g, expected %.9g", spec, i,
                      got[i], (double)c->state[i], all, given[i]);
    }
    ck_assert_uint_eq(c->run, RUNS);
    gw_codec_close(c);
}

START_TEST(conservation_is_exact_on_a_grid)
{
    static const char *const exact[] = { "raw", "topk", "topk:ratio=0.25", "randomk:ratio=0.25",
                                         "fp16" };
    expect_conservation(exact[_i], 0);
}
END_TEST

START_TEST(conservation_holds)
{
    if (strncmp(specs[_i], "terngrad", 8) != 0) {
        expect_conservation(specs[_i], 3e-4);
        return;
    }
    /* Its residuals are larger: it is scaled down a lot. */
    expect_conservation(specs[_i], 3e-3);
}
END_TEST

/* The definition, with the core alone: p = x + e; send C(scale p); e = p - sent. */
START_TEST(one_pass_gives_the_bits_of_several)
{
    static float x[COUNT], p[COUNT], scaled[COUNT], sent[COUNT], residual[COUNT];
    gw_codec *fused = open_ef(specs[_i]), *alone = unit_open(specs[_i], COUNT, 1, 4);
    const struct gw_codec_row *row = alone->core->row;
    double w = row->info.traits & GW_UNBIASED ? row->variance(alone->core) : 0;
    float scale = w >= 1 ? (float)(1 / (1 + w)) : 1.0f;
    memset(residual, 0, sizeof residual);
    for (uint64_t run = 0; run < 5; run++) {
        fill_gaussian(x, COUNT, 100 + run);
        for (int i = 0; i < COUNT; i++) {
            p[i] = x[i] + residual[i];
            scaled[i] = p[i] * scale;
        }
        struct payload expected = run_once(alone, scaled, sent);
        for (int i = 0; i < COUNT; i++)
            residual[i] = p[i] - sent[i];
        struct payload got = unit_encode(fused, x);
        ck_assert_msg(got.size == expected.size && memcmp(got.bytes, expected.bytes, got.size) == 0,
                      "%s: run %d: payloads differ", fused->spec, (int)run);
        ck_assert_msg(memcmp(residual, fused->state, sizeof residual) == 0,
                      "%s: run %d: residuals differ", fused->spec, (int)run);
        free(expected.bytes);
        free(got.bytes);
    }
    gw_codec_close(fused);
    gw_codec_close(alone);
}
END_TEST

/* Ranges in any order give what the whole gives: values and residuals. */
START_TEST(ranges_are_the_whole_in_parts)
{
    static float x[COUNT], whole[COUNT], part[COUNT];
    if (strncmp(specs[_i], "topk", 4) == 0)
        return; /* its part of the elements is counted per range */
    gw_codec *a = open_ef(specs[_i]), *b = open_ef(specs[_i]);
    for (uint64_t run = 0; run < 3; run++) {
        fill_gaussian(x, COUNT, run);
        struct payload p = run_once(a, x, whole);
        free(p.bytes);
        ck_assert_int_eq(gw_codec_prepare(b, x, NULL), GW_OK);
        static const size_t cuts[] = { 2048, COUNT, 512, 2048, 0, 512 };
        for (int i = 0; i < 6; i += 2) {
            size_t first = cuts[i], count = cuts[i + 1] - first;
            p = unit_encode_range(b, first, count);
            unit_decode(b, first, count, p, part + first);
            free(p.bytes);
        }
        gw_codec_commit(b);
        ck_assert_msg(memcmp(whole, part, sizeof whole) == 0, "%s: run %d", a->spec, (int)run);
        ck_assert_msg(memcmp(a->state, b->state, sizeof whole) == 0, "%s: run %d: residuals",
                      a->spec, (int)run);
    }
    gw_codec_close(a);
    gw_codec_close(b);
}
END_TEST

/* A run that failed leaves no trace; a saved state goes on as if nothing had been. */
START_TEST(rollback_and_reload_leave_no_trace)
{
    static float x[COUNT];
    char spec[128];
    snprintf(spec, sizeof spec, "momentum:beta=0.5+ef+%s", specs[_i]);
    gw_codec *a = unit_open(spec, COUNT, 0, 4), *b = unit_open(spec, COUNT, 0, 4);
    for (uint64_t run = 0; run < 4; run++) {
        fill_gaussian(x, COUNT, 50 + run);
        struct payload p = unit_encode(a, x);
        fail_once(b, x);
        if (run == 2) {
            float *saved = malloc(gw_codec_state_count(b) * sizeof *saved);
            uint64_t runs = b->run;
            ck_assert_ptr_nonnull(saved);
            gw_codec_state_save(b, saved);
            gw_codec_close(b);
            b = unit_open(spec, COUNT, 0, 4);
            b->run = runs;
            gw_codec_state_load(b, saved);
            free(saved);
        }
        struct payload q = unit_encode(b, x);
        ck_assert_msg(p.size == q.size && memcmp(p.bytes, q.bytes, p.size) == 0, "%s: run %d", spec,
                      (int)run);
        free(p.bytes);
        free(q.bytes);
    }
    gw_codec_close(a);
    gw_codec_close(b);
}
END_TEST

START_TEST(momentum_is_a_running_mean)
{
    float x[4] = { 1, -2, 3, 0 }, y[4];
    gw_codec *c = unit_open("momentum:beta=0.75+raw", 4, 0, 1);
    static const float expected[3] = { 0.25f, 0.4375f, 0.578125f };
    for (int run = 0; run < 3; run++) {
        struct payload p = unit_encode(c, x);
        unit_decode(c, 0, 4, p, y);
        for (int i = 0; i < 4; i++)
            ck_assert_msg(y[i] == expected[run] * x[i], "run %d, element %d: %g, expected %g", run,
                          i, (double)y[i], (double)(expected[run] * x[i]));
        free(p.bytes);
    }
    gw_codec_close(c);
}
END_TEST

START_TEST(clip_bounds_magnitudes)
{
    static float x[COUNT], y[COUNT];
    fill_gaussian(x, COUNT, 5);
    x[7] = 100;
    x[8] = -100;
    gw_codec *c = unit_open("clip:sigma=2+raw", COUNT, 0, 1);
    struct payload p = run_once(c, x, y);
    double energy = 0;
    for (int i = 0; i < COUNT; i++)
        energy += (double)x[i] * (double)x[i];
    float bound = (float)(2 * sqrt(energy / COUNT));
    ck_assert_double_eq_tol((double)y[7], (double)bound, 1e-6);
    ck_assert(y[8] == -y[7]);
    for (int i = 0; i < COUNT; i++)
        ck_assert(fabsf(x[i]) < y[7] ? y[i] == x[i] : fabsf(y[i]) == y[7]);
    free(p.bytes);
    gw_codec_close(c);
    /* One element is its own deviation, and stays. */
    float one = 3;
    c = unit_open("clip+raw", 1, 0, 1);
    p = unit_encode(c, &one);
    unit_decode(c, 0, 1, p, y);
    ck_assert(y[0] == 3);
    free(p.bytes);
    gw_codec_close(c);
}
END_TEST

START_TEST(only_residuals_are_scaled_and_measured)
{
    static float x[COUNT];
    fill_gaussian(x, COUNT, 6);
    gw_codec *c = unit_open("momentum+ef+topk", COUNT, 0, 1);
    struct payload p = unit_encode(c, x);
    float v = c->state[1], e = c->inner->state[1];
    double energy = gw_codec_residual_energy(c), expected = 0;
    for (int i = 0; i < COUNT; i++)
        expected += (double)c->inner->state[i] * (double)c->inner->state[i];
    ck_assert_double_eq_tol(energy, expected, expected * 1e-12);
    gw_codec_scale_residual(c, 0.5f);
    ck_assert(c->state[1] == v && c->inner->state[1] == e * 0.5f);
    ck_assert_double_eq_tol(gw_codec_residual_energy(c), expected / 4, expected * 1e-6);
    ck_assert_uint_eq(gw_codec_state_count(c), 2 * COUNT);
    ck_assert(gw_codec_has_state(c));
    free(p.bytes);
    gw_codec_close(c);
    c = unit_open("clip+qsgd", COUNT, 0, 1);
    ck_assert(!gw_codec_has_state(c));
    gw_codec_close(c);
}
END_TEST

/* An unbiased codec with w >= 1 would let the residual grow without bound. */
START_TEST(residuals_stay_bounded)
{
    static float x[COUNT];
    gw_codec *c = open_ef("qsgd:bits=2,bucket=4096,norm=l2");
    double energy = 0, given = 0;
    for (uint64_t run = 0; run < 300; run++) {
        fill_gaussian(x, COUNT, run);
        struct payload p = unit_encode(c, x);
        free(p.bytes);
    }
    energy = gw_codec_residual_energy(c);
    for (int i = 0; i < COUNT; i++)
        given += (double)x[i] * (double)x[i];
    ck_assert_msg(isfinite(energy) && energy < 1e5 * given, "residual energy %g of %g", energy,
                  given);
    gw_codec_close(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wrappers");
    TCase *tcase = tcase_create("wrappers");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, conservation_is_exact_on_a_grid, 0, 5);
    tcase_add_loop_test(tcase, conservation_holds, 0, SPECS);
    tcase_add_loop_test(tcase, one_pass_gives_the_bits_of_several, 0, SPECS - 1);
    tcase_add_loop_test(tcase, ranges_are_the_whole_in_parts, 0, SPECS);
    tcase_add_loop_test(tcase, rollback_and_reload_leave_no_trace, 0, SPECS);
    tcase_add_test(tcase, momentum_is_a_running_mean);
    tcase_add_test(tcase, clip_bounds_magnitudes);
    tcase_add_test(tcase, only_residuals_are_scaled_and_measured);
    tcase_add_test(tcase, residuals_stay_bounded);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
