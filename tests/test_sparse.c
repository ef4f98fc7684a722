/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* topk and randomk: which elements, how good, how many bits. */
#include "tests/units.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MILLION = 1 << 20 };

static float *floats(size_t count)
{
    float *x = malloc(count * sizeof *x);
    ck_assert_ptr_nonnull(x);
    return x;
}

static const struct {
    double ratio, nmse;
} topk_table[] = { { 0.5, 0.0713 },    { 0.25, 0.2764 },  { 0.1, 0.5607 },
                   { 0.0625, 0.6753 }, { 0.05, 0.7209 },  { 0.025, 0.8299 },
                   { 0.01, 0.9155 },   { 0.004, 0.9595 }, { 0.001, 0.9873 } };

START_TEST(topk_error_is_that_of_theory)
{
    float *x = floats(MILLION), *y = floats(MILLION);
    char spec[32];
    snprintf(spec, sizeof spec, "topk:ratio=%g", topk_table[_i].ratio);
    fill_gaussian(x, MILLION, 1);
    gw_codec *c = unit_open(spec, MILLION, 0, 1);
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, MILLION, p, y);
    double nmse = nmse_of(x, y, MILLION), expected = topk_table[_i].nmse;
    ck_assert_msg(fabs(nmse / expected - 1) < 0.01, "%s: NMSE %g, expected %g", spec, nmse,
                  expected);
    size_t kept = 0, k = (size_t)ceil(topk_table[_i].ratio * MILLION);
    for (int i = 0; i < MILLION; i++)
        kept += y[i] != 0;
    ck_assert_uint_eq(kept, k);
    free(p.bytes);
    gw_codec_close(c);
    free(x);
    free(y);
}
END_TEST

static const struct {
    const char *spec;
    double bits;
} rice_table[] = { { "topk:ratio=0.1", 4.76 },
                   { "topk:ratio=0.01", 8.11 },
                   { "topk:ratio=0.001", 11.50 } };

START_TEST(positions_cost_what_rice_codes_do)
{
    float *x = floats(MILLION);
    double bits = 0, kept = 0;
    gw_codec *c = unit_open(rice_table[_i].spec, MILLION, 0, 1);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        fill_gaussian(x, MILLION, seed);
        struct payload p = unit_encode(c, x);
        double k = (double)gw_get_u64(p.bytes + GW_HEADER_BYTES);
        bits += 8 * (double)(p.size - GW_HEADER_BYTES - 9) - 32 * k;
        kept += k;
        free(p.bytes);
    }
    ck_assert_msg(fabs(bits / kept / rice_table[_i].bits - 1) < 0.02,
                  "%s: %.3f bits per position, expected %.2f", rice_table[_i].spec, bits / kept,
                  rice_table[_i].bits);
    gw_codec_close(c);
    free(x);
}
END_TEST

/* Against a choice one by one: the largest, ties to the lowest index. */
START_TEST(topk_is_exact)
{
    enum { SMALL = 200 };
    float x[SMALL], y[SMALL], expected[SMALL];
    uint64_t state = 5;
    for (int round = 0; round < 300; round++) {
        size_t count = 1 + next_random(&state) % SMALL;
        unsigned values = 1 + (unsigned)(next_random(&state) % 30);
        unsigned middle = values / 2;
        for (size_t i = 0; i < count; i++)
            x[i] = (float)(next_random(&state) % values) - (float)middle;
        double ratio = (double)(1 + next_random(&state) % 100) / 100;
        size_t k = gw_max_size((size_t)ceil(ratio * (double)count - 1e-9), 1);
        memset(expected, 0, sizeof expected);
        char taken[SMALL] = { 0 };
        for (size_t j = 0; j < k; j++) {
            size_t best = SMALL;
            for (size_t i = 0; i < count; i++)
                if (!taken[i] && (best == SMALL || fabsf(x[i]) > fabsf(x[best])))
                    best = i;
            taken[best] = 1;
            expected[best] = x[best];
        }
        char spec[32];
        snprintf(spec, sizeof spec, "topk:ratio=%g", ratio);
        gw_codec *c = unit_open(spec, count, 0, 1);
        struct payload p = unit_encode(c, x);
        ck_assert_uint_eq(gw_get_u64(p.bytes + GW_HEADER_BYTES), k);
        unit_decode(c, 0, count, p, y);
        for (size_t i = 0; i < count; i++)
            ck_assert_msg(y[i] == expected[i], "%s of %zu, round %d: element %zu: %g, expected %g",
                          spec, count, round, i, (double)y[i], (double)expected[i]);
        free(p.bytes);
        gw_codec_close(c);
    }
}
END_TEST

static const float *compared;

/* Larger magnitudes first, then lower indices. */
static int by_rank(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    uint32_t m = gw_float_bits(compared[i]) & 0x7fffffffu;
    uint32_t n = gw_float_bits(compared[j]) & 0x7fffffffu;
    if (m != n)
        return m > n ? -1 : 1;
    return i < j ? -1 : 1;
}

enum { SHAPES = 8 };

/* Inputs that a sampled threshold finds easy, hard, or misleading. */
static void fill_shape(float *x, size_t count, int shape, uint64_t seed)
{
    fill_gaussian(x, count, seed);
    for (size_t i = 0; i < count; i++) {
        static const float two[2] = { -1, 1 };
        size_t from_end = count - i;
        float ordered = (float)from_end;
        switch (shape) {
        case 1: /* ties only */
            x[i] = two[x[i] > 0];
            break;
        case 2: /* few values */
            x[i] = (float)lrintf(x[i] * 2);
            break;
        case 3: /* most are zero, fewer than k are not */
            x[i] = i % 211 == 5 ? x[i] : 0;
            break;
        case 4: /* nothing but zeros */
            x[i] = i % 2 ? 0.0f : -0.0f;
            break;
        case 5: /* sorted */
            x[i] = ordered;
            break;
        case 6: /* all large ones in one place, which the sample hardly sees */
            x[i] *= i / 300 == 17 ? 1e6f : 1e-3f;
            break;
        case 7: /* many ties at the threshold, few above */
            x[i] = fabsf(x[i]) > 2.9f ? x[i] : x[i] > 0 ? 2.5f : 0.5f;
            break;
        default:
            break;
        }
    }
}

/* The same against a sort, of ranges large enough to be sampled. */
START_TEST(topk_of_many_is_exact)
{
    enum { COUNT = 50000 };
    static const char *const specs[] = { "topk:ratio=0.00002", "topk:ratio=0.001",
                                         "topk:ratio=0.01", "topk:ratio=0.1", "topk:ratio=0.6" };
    static const double ratios[] = { 0.00002, 0.001, 0.01, 0.1, 0.6 };
    float *x = floats(COUNT), *y = floats(COUNT), *expected = floats(COUNT);
    uint32_t *order = malloc(COUNT * sizeof *order);
    ck_assert_ptr_nonnull(order);
    fill_shape(x, COUNT, _i, 40);
    for (uint32_t i = 0; i < COUNT; i++)
        order[i] = i;
    compared = x;
    qsort(order, COUNT, sizeof *order, by_rank);
    for (int r = 0; r < 5; r++) {
        size_t k = (size_t)ceil(ratios[r] * COUNT - 1e-6);
        memset(expected, 0, COUNT * sizeof *expected);
        for (size_t i = 0; i < k; i++)
            expected[order[i]] = x[order[i]];
        gw_codec *c = unit_open(specs[r], COUNT, 0, 1);
        struct payload p = unit_encode(c, x);
        ck_assert_uint_eq(gw_get_u64(p.bytes + GW_HEADER_BYTES), k);
        unit_decode(c, 0, COUNT, p, y);
        for (size_t i = 0; i < COUNT; i++)
            ck_assert_msg(gw_float_bits(y[i]) == gw_float_bits(expected[i]),
                          "%s, shape %d: element %zu is %a, expected %a; seed 40", specs[r], _i, i,
                          (double)y[i], (double)expected[i]);
        free(p.bytes);
        gw_codec_close(c);
    }
    free(order);
    free(expected);
    free(x);
    free(y);
}
END_TEST

START_TEST(randomk_error_is_that_of_theory)
{
    float *x = floats(MILLION), *y = floats(MILLION);
    static const double ratios[] = { 1, 0.5, 0.1, 0.01 };
    fill_gaussian(x, MILLION, 2);
    for (int i = 0; i < 4; i++) {
        char spec[48];
        snprintf(spec, sizeof spec, "randomk:ratio=%g", ratios[i]);
        gw_codec *c = unit_open(spec, MILLION, 0, 1);
        struct payload p = unit_encode(c, x);
        unit_decode(c, 0, MILLION, p, y);
        double nmse = nmse_of(x, y, MILLION);
        ck_assert_msg(fabs(nmse - (1 - ratios[i])) < 0.005, "%s: NMSE %g, expected %g", spec, nmse,
                      1 - ratios[i]);
        free(p.bytes);
        gw_codec_close(c);
    }
    free(x);
    free(y);
}
END_TEST

/* All ranks pick the same elements; another run picks others; sums go through as they are. */
START_TEST(randomk_adds_up)
{
    enum { COUNT = 5000, RANKS = 3 };
    static float x[RANKS][COUNT], y[RANKS][COUNT], sum[COUNT];
    gw_codec *c[RANKS];
    struct payload p[RANKS];
    size_t again = 0;
    char before[COUNT] = { 0 };
    for (int r = 0; r < RANKS; r++)
        c[r] = unit_open("randomk:ratio=0.1", COUNT, r, RANKS);
    for (uint64_t run = 0; run < 2; run++) {
        for (int r = 0; r < RANKS; r++) {
            fill_gaussian(x[r], COUNT, run * 10 + (uint64_t)r);
            p[r] = unit_encode(c[r], x[r]);
            unit_decode(c[r], 0, COUNT, p[r], y[r]);
        }
        struct payload merged = unit_merge(c[0], p, RANKS);
        unit_decode(c[1], 0, COUNT, merged, sum);
        for (int i = 0; i < COUNT; i++) {
            ck_assert((y[0][i] != 0) == (y[1][i] != 0));
            ck_assert(sum[i] == y[0][i] + y[1][i] + y[2][i]);
            again += run == 1 && before[i] && sum[i] != 0;
            before[i] = sum[i] != 0;
        }
        for (int r = 0; r < RANKS; r++)
            free(p[r].bytes);
        free(merged.bytes);
    }
    ck_assert_msg(again > 10 && again < 110, "%zu of 500 picked twice, expected about 50", again);
    for (int r = 0; r < RANKS; r++)
        gw_codec_close(c[r]);
}
END_TEST

/* Sum of errors over its deviation, plain and in the direction of x; 1e8 decisions. */
START_TEST(randomk_is_unbiased)
{
    enum { RUNS = 100 };
    float *x = floats(MILLION), *y = floats(MILLION);
    double sum = 0, along = 0, squares = 0, picks = 0;
    fill_gaussian(x, MILLION, 3);
    gw_codec *c = unit_open("randomk:ratio=0.25,scale=unbiased", MILLION, 0, 1);
    for (int run = 0; run < RUNS; run++) {
        struct payload p = unit_encode(c, x);
        unit_decode(c, 0, MILLION, p, y);
        for (int i = 0; i < MILLION; i++) {
            double d = (double)y[i] - (double)x[i];
            sum += d;
            along += x[i] < 0 ? -d : d;
            squares += d * d;
            picks += y[i] != 0;
        }
        free(p.bytes);
    }
    double z = sum / sqrt(squares), z_along = along / sqrt(squares);
    ck_assert_msg(fabs(z) < 4.5 && fabs(z_along) < 4.5, "z %g, along x %g", z, z_along);
    ck_assert_double_eq(picks, RUNS * MILLION / 4.0);
    gw_codec_close(c);
    free(x);
    free(y);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sparse");
    TCase *tcase = tcase_create("sparse");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, topk_error_is_that_of_theory, 0, 9);
    tcase_add_loop_test(tcase, positions_cost_what_rice_codes_do, 0, 3);
    tcase_add_test(tcase, topk_is_exact);
    tcase_add_loop_test(tcase, topk_of_many_is_exact, 0, SHAPES);
    tcase_add_test(tcase, randomk_error_is_that_of_theory);
    tcase_add_test(tcase, randomk_adds_up);
    tcase_add_test(tcase, randomk_is_unbiased);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
