/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Codecs that find scales, and values that are not finite, in the pass that packs: every bad value
 * is found wherever it stands, and none where values are only large; and units too large for the
 * caches, which are written past them, say what small ones do.
 * Repeat one part with CK_RUN_CASE=one_pass tests/test_one_pass. */
#include "tests/units.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/stream.h"
#include "compress/kernels/table.h"

static const char *const specs[] = {
    "sign",
    "sign:bucket=512",
    "sign:bucket=16",
    "sign:bucket=8192",
    "sign:bucket=0",
    "sign:scale=rms",
    "onebit",
    "onebit:bucket=0",
    "onebit:bucket=64",
    "vote",
    "terngrad",
    "int",
    "int:bits=16",
    "ef+sign",
    "ef+sign:bucket=16",
    "ef+sign:bucket=0",
    "ef+onebit",
    "ef+onebit:bucket=8192",
    "momentum+vote",
    "clip+sign",
};

enum { SPECS = sizeof specs / sizeof specs[0], COUNT = 9001 };

static const size_t places[] = { 0, 511, 512, 4999, 8192, COUNT - 1 };

static void expect_status(const char *spec, const char *kernels, size_t place, float value,
                          gw_status expected)
{
    static float x[COUNT];
    static uint8_t payload[8 * COUNT + 4096];
    size_t bytes = 0;
    gw_codec *c = NULL;
    setenv("GRADWIRE_KERNELS", kernels, 1);
    ck_assert_int_eq(gw_codec_open(&c, spec, COUNT, NULL), GW_OK);
    unsetenv("GRADWIRE_KERNELS");
    fill_gaussian(x, COUNT, 3);
    x[place] = value;
    gw_status s = gw_encode(c, x, payload, sizeof payload, &bytes);
    ck_assert_msg(s == expected, "%s, %s: %g at %zu gives %d, expected %d (%s)", spec, kernels,
                  (double)value, place, s, expected, gw_codec_error(c));
    gw_codec_close(c);
}

START_TEST(bad_values_are_found)
{
    for (size_t r = 0; gw_kernel_rows[r]; r++) {
        if (!gw_kernel_rows[r]->usable())
            continue;
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            const char *kernels = gw_kernel_rows[r]->name;
            expect_status(specs[_i], kernels, places[p], NAN, GW_ENONFINITE);
            expect_status(specs[_i], kernels, places[p], -INFINITY, GW_ENONFINITE);
            expect_status(specs[_i], kernels, places[p], -FLT_MAX, GW_OK);
        }
    }
}
END_TEST

/* All as large as can be: sums overflow floats, and x + residual does. */
START_TEST(large_values_are_not_bad)
{
    float x[COUNT], y[COUNT];
    gw_codec *c = unit_open(specs[_i], COUNT, 0, 1);
    for (int i = 0; i < COUNT; i++)
        x[i] = i % 3 ? FLT_MAX : -FLT_MAX;
    for (int run = 0; run < 3; run++) {
        ck_assert_int_eq(gw_codec_prepare(c, x, NULL), GW_OK);
        struct payload p = unit_encode_range(c, 0, COUNT);
        gw_codec_commit(c);
        unit_decode(c, 0, COUNT, p, y);
        free(p.bytes);
        for (int i = 0; i < COUNT; i++)
            if (!isfinite(y[i]))
                ck_abort_msg("%s: element %d is %g", specs[_i], i, (double)y[i]);
    }
    gw_codec_close(c);
}
END_TEST

static const char *const large_specs[] = { "sign", "sign:bucket=0", "onebit",
                                           "vote", "ef+sign",       "ef+onebit" };

/* What is decoded into place is what is added to zero, and the residual is what was not sent. */
START_TEST(large_units)
{
    const size_t count = GW_STREAM_BYTES / sizeof(float) + 4096 + 77;
    float *x = malloc(count * sizeof *x), *y = malloc((count + 1) * sizeof *y);
    float *sum = calloc(count, sizeof *sum);
    ck_assert(x && y && sum);
    fill_gaussian(x, count, 11);
    gw_codec *c = unit_open(large_specs[_i], count, 0, 1);
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, count, p, y + 1); /* off the alignment of lines */
    gw_payload_decode_add(c, 0, count, p.bytes, p.size, 1.0f, sum);
    for (size_t i = 0; i < count; i++)
        if (sum[i] != y[i + 1])
            ck_abort_msg("%s: element %zu is %a, added %a", large_specs[_i], i, (double)y[i + 1],
                         (double)sum[i]);
    for (size_t i = 0; c->state && i < count; i++)
        if (c->state[i] != x[i] - sum[i])
            ck_abort_msg("%s: residual %zu is %a, expected %a", large_specs[_i], i,
                         (double)c->state[i], (double)(x[i] - sum[i]));
    free(p.bytes);
    gw_codec_close(c);
    free(x);
    free(y);
    free(sum);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("one_pass");
    TCase *tcase = tcase_create("one_pass");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, bad_values_are_found, 0, SPECS);
    tcase_add_loop_test(tcase, large_values_are_not_bad, 0, SPECS);
    tcase_add_loop_test(tcase, large_units, 0, sizeof large_specs / sizeof large_specs[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
