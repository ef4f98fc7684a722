/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Aggregators against slow oracles in double, and what they promise: no minority of liars moves the
 * median, the trimmed mean or the vote beyond the honest; nothing overflows. */
#include "server/aggregate.h"
#include "tests/samples.h"

#include "compress/codec.h"

#include <float.h>

enum { COUNT = 300, MOST = 33 };

struct aggregator {
    const struct gw_aggregator *row;
    struct gw_values values;
};

static struct aggregator parse(const char *spec)
{
    struct aggregator a;
    struct gw_error error;
    gw_status s = gw_aggregator_parse(&a.row, &a.values, spec, NULL, 0, &error);
    ck_assert_msg(!s, "%s: %s", spec, error.text);
    return a;
}

/* As a server adds them up: the first, then each. */
static void add(const struct aggregator *a, float x[][COUNT], size_t n, float *out)
{
    memcpy(out, x[0], sizeof x[0]);
    for (size_t r = 1; r < n; r++)
        for (size_t i = 0; i < COUNT; i++)
            out[i] += x[r][i];
    a->row->finish(&a->values, n, out, COUNT);
}

static void combine(const char *spec, float x[][COUNT], size_t n, float *out)
{
    struct aggregator a = parse(spec);
    const float *rows[MOST];
    if (a.row->linear) {
        add(&a, x, n, out);
        return;
    }
    for (size_t r = 0; r < n; r++)
        rows[r] = x[r];
    float *scratch = malloc((a.row->scratch_count(&a.values, n, COUNT) + 1) * sizeof *scratch);
    ck_assert_ptr_nonnull(scratch);
    a.row->combine(&a.values, rows, n, out, COUNT, scratch);
    free(scratch);
}

static void fill(float x[][COUNT], size_t n, uint64_t seed)
{
    for (size_t r = 0; r < n; r++)
        for (uint64_t i = 0; i < COUNT; i++)
            x[r][i] = (float)sample_gauss(seed * 100 + r, i);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One element's n values, in order. */
static void column(float x[][COUNT], size_t n, size_t i, double *out)
{
    for (size_t r = 0; r < n; r++)
        out[r] = (double)x[r][i];
    qsort(out, n, sizeof *out, compare);
}

static double mean_of(const double *sorted, size_t n, size_t cut)
{
    double sum = 0;
    for (size_t r = cut; r < n - cut; r++)
        sum += sorted[r];
    return sum / (double)(n - 2 * cut);
}

static void expect_near(const char *what, size_t n, size_t i, double got, double expected)
{
    ck_assert_msg(fabs(got - expected) <= 1e-6 * (1 + fabs(expected)),
                  "%s of %zu, element %zu: %.9g, expected %.9g: tests/test_aggregators", what, n, i,
                  got, expected);
}

START_TEST(all_are_their_definitions)
{
    static float x[MOST][COUNT], mean[COUNT], sum[COUNT], median[COUNT], trimmed[COUNT];
    size_t n = (size_t)_i, cut = (size_t)(_i * 3 / 10);
    fill(x, n, n);
    combine("mean", x, n, mean);
    combine("sum", x, n, sum);
    combine("median", x, n, median);
    combine("trimmed:cut=0.3", x, n, trimmed);
    for (size_t i = 0; i < COUNT; i++) {
        double sorted[MOST];
        float in_order = x[0][i];
        column(x, n, i, sorted);
        for (size_t r = 1; r < n; r++)
            in_order += x[r][i];
        ck_assert(sum[i] == in_order && mean[i] == in_order / (float)n);
        expect_near("mean", n, i, (double)mean[i], mean_of(sorted, n, 0));
        expect_near("trimmed", n, i, (double)trimmed[i], mean_of(sorted, n, cut));
        ck_assert(median[i] == (float)((sorted[(n - 1) / 2] + sorted[n / 2]) / 2));
    }
}
END_TEST

/* v <- v + 1/n sum min(1, tau / |x - v|) (x - v), from the median. */
static void clip_slowly(float x[][COUNT], size_t n, double tau, int iterations, double *v)
{
    for (size_t i = 0; i < COUNT; i++) {
        double sorted[MOST];
        column(x, n, i, sorted);
        v[i] = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    }
    for (int k = 0; k < iterations; k++) {
        double move[COUNT] = { 0 };
        for (size_t r = 0; r < n; r++) {
            double squares = 0;
            for (size_t i = 0; i < COUNT; i++)
                squares += ((double)x[r][i] - v[i]) * ((double)x[r][i] - v[i]);
            double scale = fmin(1, tau / sqrt(squares));
            for (size_t i = 0; i < COUNT; i++)
                move[i] += scale * ((double)x[r][i] - v[i]) / (double)n;
        }
        for (size_t i = 0; i < COUNT; i++)
            v[i] += move[i];
    }
}

START_TEST(clipping_is_its_definition)
{
    static float x[MOST][COUNT], got[COUNT];
    size_t n = (size_t)_i;
    double v[COUNT];
    fill(x, n, 50 + n);
    for (size_t i = 0; i < COUNT; i++)
        x[0][i] *= 1000;
    combine("clip:tau=16.5,iterations=3", x, n, got);
    clip_slowly(x, n, 16.5, 3, v);
    for (size_t i = 0; i < COUNT; i++)
        expect_near("clip", n, i, (double)got[i], v[i]);
}
END_TEST

START_TEST(order_of_rows_does_not_matter_where_they_are_sorted)
{
    static const char *const specs[] = { "median", "trimmed:cut=0.2" };
    static float x[MOST][COUNT], y[MOST][COUNT], a[COUNT], b[COUNT];
    size_t n = (size_t)_i;
    fill(x, n, 7);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < COUNT; i += 3) /* ties, and zeros of both signs */
            x[r][i] = r % 2 ? 0.0f : -0.0f;
    for (size_t r = 0; r < n; r++)
        memcpy(y[r], x[(r * 5 + 3) % n], sizeof y[r]);
    for (int s = 0; s < 2; s++) {
        combine(specs[s], x, n, a);
        combine(specs[s], n % 5 ? y : x, n, b);
        ck_assert_msg(memcmp(a, b, sizeof a) == 0, "%s of %zu", specs[s], n);
    }
}
END_TEST

/* Whatever fewer than half (or than the cut) say, the result is between two honest values. */
START_TEST(liars_do_not_leave_the_range_of_the_honest)
{
    static const char *const specs[] = { "median", "trimmed:cut=0.34" };
    static float x[MOST][COUNT], out[COUNT];
    size_t n = (size_t)_i;
    for (int s = 0; s < 2; s++) {
        size_t liars = s == 0 ? (n - 1) / 2 : n * 34 / 100;
        fill(x, n, 90 + n);
        for (size_t r = 0; r < liars; r++)
            for (size_t i = 0; i < COUNT; i++)
                x[r][i] = i % 3 == 0 ? FLT_MAX : i % 3 == 1 ? -1e10f : x[r][i] + (float)i;
        combine(specs[s], x, n, out);
        for (size_t i = 0; i < COUNT; i++) {
            double sorted[MOST];
            column(x + liars, n - liars, i, sorted);
            ck_assert_msg((double)out[i] >= sorted[0] && (double)out[i] <= sorted[n - liars - 1],
                          "%s of %zu with %zu liars: element %zu is %g, honest are %g to %g",
                          specs[s], n, liars, i, (double)out[i], sorted[0], sorted[n - liars - 1]);
        }
    }
}
END_TEST

/* The votes of `n`, whose first `liars` vote against what all others say. */
static void vote(size_t n, size_t liars, float *out)
{
    struct aggregator a = parse("vote");
    const struct gw_codec_site site = { .tensor = "w", .count = COUNT, .ranks = 1 };
    gw_codec *c;
    uint8_t payloads[MOST][128], merged[256];
    const void *pointers[MOST];
    size_t sizes[MOST], size;
    ck_assert_int_eq(gw_codec_open_site(&c, a.row->codec(&a.values), &site, NULL), GW_OK);
    for (size_t r = 0; r < n; r++) {
        float x[COUNT];
        for (uint64_t i = 0; i < COUNT; i++)
            x[i] = (float)((r < liars ? -1 : 1) * sample_gauss(1, i));
        ck_assert_int_eq(gw_codec_prepare(c, x, NULL), GW_OK);
        ck_assert_int_eq(
            gw_payload_encode(c, 0, COUNT, payloads[r], sizeof payloads[r], &sizes[r], NULL),
            GW_OK);
        pointers[r] = payloads[r];
        gw_codec_rollback(c);
    }
    ck_assert_int_eq(
        gw_payload_merge(c, 0, COUNT, pointers, sizes, (int)n, merged, sizeof merged, &size, NULL),
        GW_OK);
    gw_payload_decode(c, 0, COUNT, merged, size, out);
    gw_codec_close(c);
}

START_TEST(a_minority_does_not_change_a_vote)
{
    float honest[COUNT], out[COUNT];
    size_t n = (size_t)_i;
    vote(n, 0, honest);
    for (size_t liars = 1; 2 * liars < n; liars++) {
        vote(n, liars, out);
        ck_assert_msg(memcmp(out, honest, sizeof out) == 0, "%zu liars of %zu", liars, n);
    }
}
END_TEST

START_TEST(what_overflows_becomes_the_largest)
{
    static const char *const specs[] = { "mean",   "sum",
                                         "median", "trimmed:cut=0.2",
                                         "clip",   "clip:tau=1e30,iterations=9" };
    static float x[MOST][COUNT], out[COUNT];
    for (size_t n = 1; n <= 6; n++) {
        for (size_t r = 0; r < n; r++)
            for (size_t i = 0; i < COUNT; i++)
                x[r][i] = (gw_mix64(r * COUNT + i) % 4 ? 1 : -1) * FLT_MAX;
        for (int s = 0; s < 6; s++) {
            combine(specs[s], x, n, out);
            for (size_t i = 0; i < COUNT; i++)
                ck_assert_msg(gw_is_finite(out[i]), "%s of %zu: element %zu is %g", specs[s], n, i,
                              (double)out[i]);
        }
    }
    for (size_t i = 0; i < COUNT; i++)
        x[0][i] = x[1][i] = -FLT_MAX;
    combine("sum", x, 2, out);
    ck_assert(out[0] == -FLT_MAX && out[COUNT - 1] == -FLT_MAX);
}
END_TEST

START_TEST(specs_are_canonical_or_refused)
{
    const struct gw_aggregator *row;
    struct gw_values values;
    struct gw_error error;
    char text[64];
    ck_assert_int_eq(gw_aggregator_parse(&row, &values, "trimmed", text, sizeof text, &error),
                     GW_OK);
    ck_assert_str_eq(text, "trimmed:cut=0.1");
    ck_assert_int_eq(
        gw_aggregator_parse(&row, &values, "clip:iterations=3", text, sizeof text, &error), GW_OK);
    ck_assert_str_eq(text, "clip:tau=10,iterations=3");
    ck_assert_int_eq(gw_aggregator_parse(&row, &values, "clip", text, 8, &error), GW_ECAPACITY);
    static const char *const wrong[] = { "", "medain", "trimmed:cut=0.7", "mean:x=1",
                                         "vote:ties=previous" };
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(gw_aggregator_parse(&row, &values, wrong[i], text, sizeof text, &error),
                         GW_ESPEC);
    (void)gw_aggregator_parse(&row, &values, "medien", NULL, 0, &error);
    ck_assert_ptr_nonnull(strstr(error.text, "did you mean 'median'"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aggregators");
    TCase *tests = tcase_create("aggregators");
    tcase_add_loop_test(tests, all_are_their_definitions, 1, MOST);
    tcase_add_loop_test(tests, clipping_is_its_definition, 1, 12);
    tcase_add_loop_test(tests, order_of_rows_does_not_matter_where_they_are_sorted, 1, 20);
    tcase_add_loop_test(tests, liars_do_not_leave_the_range_of_the_honest, 3, 16);
    tcase_add_loop_test(tests, a_minority_does_not_change_a_vote, 3, 16);
    tcase_add_test(tests, what_overflows_becomes_the_largest);
    tcase_add_test(tests, specs_are_canonical_or_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
