/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Runs without the core, between runs with it: nothing is lost whatever their order, wrappers keep
 * acting, and a run that fails leaves no trace. */
#include "compress/rows.h"
#include "tests/units.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 1500, RUNS = 80 };

static const char *const specs[] = { "ef+topk:ratio=0.1", "ef+qsgd:bits=4,bucket=64", "ef+sign",
                                     "ef+terngrad", "ef+randomk:ratio=0.25,scale=unbiased" };
enum { SPECS = sizeof specs / sizeof *specs };

static void fill_grid(float *x, uint64_t seed)
{
    for (size_t i = 0; i < COUNT; i++)
        x[i] = ((float)(next_random(&seed) % 17) - 8) / 8;
}

/* What this run delivers, by the way that its number draws. */
static void run_once(gw_codec *c, const float *x, int run, float *sent)
{
    const void *y;
    uint64_t draw = (uint64_t)run + 99;
    unsigned way = (unsigned)(next_random(&draw) % 4);
    if (way == 0) { /* a failure first */
        ck_assert_int_eq(gw_codec_wrap(c, x, &y, NULL), GW_OK);
        gw_codec_rollback(c);
    }
    if (way < 2) {
        ck_assert_int_eq(gw_codec_wrap(c, x, &y, NULL), GW_OK);
        memcpy(sent, y, COUNT * sizeof *sent);
        gw_codec_commit(c);
        ck_assert_msg(gw_codec_residual_energy(c) == 0, "%s run %d: a residual is left", c->spec,
                      run);
        return;
    }
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, COUNT, p, sent);
    free(p.bytes);
}

START_TEST(nothing_is_lost_on_the_way_to_raw_and_back)
{
    static float x[COUNT], sent[COUNT];
    static double given[COUNT], got[COUNT];
    memset(given, 0, sizeof given);
    memset(got, 0, sizeof got);
    gw_codec *c = unit_open(specs[_i], COUNT, 1, 4);
    for (int run = 0; run < RUNS; run++) {
        fill_grid(x, (uint64_t)run);
        run_once(c, x, run, sent);
        ck_assert_uint_eq(c->run, (uint64_t)run + 1);
        for (int i = 0; i < COUNT; i++) {
            given[i] += (double)x[i];
            got[i] += (double)sent[i];
        }
    }
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(fabs(given[i] - got[i] - (double)c->state[i]) <= 1e-3,
                      "%s element %d: given %.9g, sent %.9g + residual %.9g", specs[_i], i,
                      given[i], got[i], (double)c->state[i]);
    gw_codec_close(c);
}
END_TEST

/* Also after a load, which must find out whether there is a residual. */
START_TEST(a_loaded_residual_is_sent)
{
    static float x[COUNT], state[COUNT];
    const void *y;
    gw_codec *c = unit_open("ef+sign", COUNT, 0, 2);
    fill_grid(x, 1);
    ck_assert_int_eq(gw_codec_wrap(c, x, &y, NULL), GW_OK);
    ck_assert_ptr_eq(y, x); /* nothing to add: not even a copy */
    gw_codec_commit(c);
    state[COUNT - 1] = 0.5f;
    gw_codec_state_load(c, state);
    ck_assert_int_eq(gw_codec_wrap(c, x, &y, NULL), GW_OK);
    float last;
    memcpy(&last, (const float *)y + COUNT - 1, sizeof last);
    ck_assert(last == x[COUNT - 1] + 0.5f);
    gw_codec_commit(c);
    ck_assert(c->state[COUNT - 1] == 0);
    gw_codec_close(c);
}
END_TEST

START_TEST(wrappers_keep_acting)
{
    static float x[COUNT], before[COUNT];
    const void *y;
    gw_codec *a = unit_open("clip:sigma=1+momentum:beta=0.5+ef+qsgd", COUNT, 0, 2);
    gw_codec *b = unit_open("clip:sigma=1+momentum:beta=0.5+ef+raw", COUNT, 0, 2);
    for (int run = 0; run < 4; run++) {
        fill_gaussian(x, COUNT, (uint64_t)run);
        struct payload p = unit_encode(b, x);
        unit_decode(b, 0, COUNT, p, before);
        free(p.bytes);
        ck_assert_int_eq(gw_codec_wrap(a, x, &y, NULL), GW_OK);
        ck_assert_msg(memcmp(y, before, sizeof before) == 0, "run %d differs from %s", run,
                      b->spec);
        gw_codec_commit(a);
    }
    x[3] = NAN;
    ck_assert_int_eq(gw_codec_wrap(a, x, &y, NULL), GW_ENONFINITE);
    gw_codec_rollback(a);
    gw_codec_close(a);
    gw_codec_close(b);
}
END_TEST

START_TEST(an_owners_residual_moves)
{
    const struct gw_codec_site site = {
        .tensor = "w", .ranks = 2, .first = 1000, .count = 300, .stage = 1
    };
    static float state[COUNT];
    gw_codec *c = unit_open("momentum+ef+sign", COUNT, 0, 2), *owner;
    ck_assert_int_eq(gw_codec_open_site(&owner, "ef+sign", &site, NULL), GW_OK);
    for (size_t i = 0; i < site.count; i++)
        state[i] = (float)i;
    gw_codec_state_load(owner, state);
    gw_codec_take_residual(c, owner, 2);
    for (size_t i = 0; i < COUNT; i++) {
        float expected = i < 1000 || i >= 1300 ? 0 : 2 * (float)(i - 1000);
        ck_assert_msg(c->inner->state[i] == expected && c->state[i] == 0,
                      "element %zu: %g, expected %g", i, (double)c->inner->state[i],
                      (double)expected);
    }
    ck_assert(gw_codec_residual_energy(owner) == 0);
    gw_codec_close(c);
    gw_codec_close(owner);
}
END_TEST

START_TEST(which_chains_can_do_without_their_core)
{
    static const struct {
        const char *spec;
        bool can;
    } cases[] = { { "qsgd", true },           { "ef+sign", true },
                  { "clip+ef+qsgd", true },   { "momentum+ef+topk", true },
                  { "momentum+vote", false }, { "ef+clip+qsgd", false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gw_codec *c = unit_open(cases[i].spec, 64, 0, 2);
        ck_assert_msg(gw_codec_can_wrap(c) == cases[i].can, "%s", cases[i].spec);
        gw_codec_close(c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wrap");
    TCase *tcase = tcase_create("wrap");
    tcase_add_loop_test(tcase, nothing_is_lost_on_the_way_to_raw_and_back, 0, SPECS);
    tcase_add_test(tcase, a_loaded_residual_is_sent);
    tcase_add_test(tcase, wrappers_keep_acting);
    tcase_add_test(tcase, an_owners_residual_moves);
    tcase_add_test(tcase, which_chains_can_do_without_their_core);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
