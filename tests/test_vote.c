/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The majority vote equals a naive count for 1 to 33 voters under every rule for ties, wherever a
 * range starts. */
#include "tests/units.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1700, VOTERS = 33 };

static const char *const rules[] = { "coin", "plus", "zero", "previous" };
enum { COIN, PLUS, ZERO, PREVIOUS };

/* Sums of signs, by the IEEE sign bit. */
static void count_naively(float x[][COUNT], int n, int *sums)
{
    for (int i = 0; i < COUNT; i++) {
        sums[i] = 0;
        for (int r = 0; r < n; r++)
            sums[i] += signbit(x[r][i]) ? -1 : 1;
    }
}

static void expect_vote(int rule, int n, int sum, float got, float previous, int i)
{
    float expected = sum > 0 ? 1 : -1;
    if (sum == 0 && rule == COIN)
        expected = got < 0 ? -1 : 1;
    if (sum == 0 && rule == PLUS)
        expected = 1;
    if (sum == 0 && rule == ZERO)
        expected = 0;
    if (sum == 0 && rule == PREVIOUS)
        expected = previous < 0 ? -1 : 1;
    ck_assert_msg(got == expected, "ties=%s, %d voters, element %d: sum %d, got %g, expected %g",
                  rules[rule], n, i, sum, (double)got, (double)expected);
}

static void vote_once(gw_codec *owner, float x[][COUNT], int n, float *out)
{
    struct payload payloads[VOTERS];
    for (int r = 0; r < n; r++) {
        gw_codec *c = unit_open("vote", COUNT, r, n);
        payloads[r] = unit_encode(c, x[r]);
        gw_codec_close(c);
    }
    ck_assert_int_eq(gw_codec_prepare(owner, x[0], NULL), GW_OK);
    struct payload merged = unit_merge(owner, payloads, n);
    gw_codec_commit(owner);
    unit_decode(owner, 0, COUNT, merged, out);
    float sum[COUNT] = { 0 };
    gw_payload_decode_add(owner, 0, COUNT, merged.bytes, merged.size, 2.0f, sum);
    for (int i = 0; i < COUNT; i++)
        ck_assert(sum[i] == 2 * out[i]);
    for (int r = 0; r < n; r++)
        free(payloads[r].bytes);
    free(merged.bytes);
}

START_TEST(vote_is_a_naive_count)
{
    static float x[VOTERS][COUNT], got[COUNT], last[COUNT];
    int sums[COUNT], n = _i / 4 + 1, rule = _i % 4;
    char spec[32];
    snprintf(spec, sizeof spec, "vote:ties=%s", rules[rule]);
    gw_codec *owner = unit_open(spec, COUNT, 0, n);
    memset(last, 0, sizeof last);
    for (uint64_t run = 0; run < 3; run++) {
        for (int r = 0; r < n; r++)
            fill_gaussian(x[r], COUNT, run * 100 + (uint64_t)r);
        count_naively(x, n, sums);
        vote_once(owner, x, n, got);
        for (int i = 0; i < COUNT; i++)
            expect_vote(rule, n, sums[i], got[i], last[i], i);
        memcpy(last, got, sizeof last);
    }
    gw_codec_close(owner);
}
END_TEST

/* Two voters that never agree: all coins, none of which depends on where a range starts. */
START_TEST(coins_are_fair_and_belong_to_elements)
{
    enum { LONG = 20000 };
    static const size_t cuts[] = { 0, 13, 1037, 1549, 7000, 7001, LONG };
    float *x = malloc(LONG * sizeof *x), *whole = calloc(LONG, sizeof *x);
    float *part = malloc(LONG * sizeof *x);
    ck_assert(x && whole && part);
    gw_codec *c = unit_open("vote", LONG, 0, 2);
    struct payload p[2], merged;
    for (int run = 0; run < 2; run++) {
        fill_gaussian(x, LONG, 9);
        p[0] = unit_encode(c, x);
        for (int i = 0; i < LONG; i++)
            x[i] = -x[i];
        c->run--;
        p[1] = unit_encode(c, x);
        c->run--;
        merged = unit_merge(c, p, 2);
        memcpy(part, whole, LONG * sizeof *x);
        unit_decode(c, 0, LONG, merged, whole);
        int heads = 0, same = 0;
        for (int i = 0; i < LONG; i++) {
            heads += whole[i] > 0;
            same += whole[i] == part[i];
        }
        ck_assert_msg(abs(2 * heads - LONG) < 5 * 142, "%d of %d coins are heads", heads, LONG);
        ck_assert_msg(run == 0 || abs(2 * same - LONG) < 5 * 142, "%d of %d coins as before", same,
                      LONG);
        free(p[0].bytes);
        free(p[1].bytes);
        free(merged.bytes);
        c->run++;
    }
    c->run--;
    for (int i = 0; i < 6; i++) {
        size_t first = cuts[i], count = cuts[i + 1] - first, size;
        uint8_t bytes[4096];
        const void *both[2];
        ck_assert_int_eq(gw_codec_prepare(c, x, NULL), GW_OK);
        p[0] = unit_encode_range(c, first, count);
        for (int k = 0; k < LONG; k++)
            x[k] = -x[k];
        p[1] = unit_encode_range(c, first, count);
        both[0] = p[0].bytes;
        both[1] = p[1].bytes;
        ck_assert_int_eq(gw_payload_merge(c, first, count, both, (size_t[]){ p[0].size, p[1].size },
                                          2, bytes, sizeof bytes, &size, NULL),
                         GW_OK);
        unit_decode(c, first, count, (struct payload){ bytes, size }, part + first);
        free(p[0].bytes);
        free(p[1].bytes);
    }
    for (int i = 0; i < LONG; i++)
        ck_assert_msg(part[i] == whole[i], "element %d: %g alone, %g in the whole", i,
                      (double)part[i], (double)whole[i]);
    free(x);
    free(whole);
    free(part);
    gw_codec_close(c);
}
END_TEST

/* What one rank sends, unmerged, is +1 or -1 too. */
START_TEST(a_single_vote_decodes)
{
    float x[5] = { 1, -1, 0.0f, -0.0f, -1e-40f }, y[5];
    static const float expected[5] = { 1, -1, 1, -1, -1 };
    gw_codec *c = unit_open("vote", 5, 0, 1);
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, 5, p, y);
    ck_assert(memcmp(y, expected, sizeof y) == 0);
    free(p.bytes);
    gw_codec_close(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vote");
    TCase *tcase = tcase_create("vote");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, vote_is_a_naive_count, 0, 4 * VOTERS);
    tcase_add_test(tcase, coins_are_fair_and_belong_to_elements);
    tcase_add_test(tcase, a_single_vote_decodes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
