/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* qsgd against theory: its error on Gaussian values, that its expectation is the input, the lengths
 * of its Elias codes, and the bits of a vector worked out by hand.
 * Repeat one part with CK_RUN_CASE=NAME tests/test_qsgd. */
#include <stdio.h>
#include <string.h>

#include "compress/codec.h"
#include "compress/elias.h"
#include "tests/samples.h"

enum { COUNT = 1 << 20, SEED = 7 };

/* NMSE of N(0,1): closed forms for l2, Monte-Carlo tables good to 0.3 % for max. */
static const struct {
    const char *spec;
    double nmse, tolerance;
} table[] = {
    { "qsgd:norm=l2,levels=1,bucket=64", 5.38, .02 },
    { "qsgd:norm=l2,levels=1,bucket=128", 8.03, .02 },
    { "qsgd:norm=l2,levels=1,bucket=256", 11.77, .02 },
    { "qsgd:norm=l2,levels=1,bucket=512", 17.05, .02 },
    { "qsgd:norm=l2,levels=4,bucket=128", 1.265, .01 },
    { "qsgd:norm=l2,bits=4,bucket=128", .435, .01 },
    { "qsgd:norm=l2,bits=5,bucket=128", .0948, .01 },
    { "qsgd:norm=l2,levels=16,bucket=128", .0833, .01 },
    { "qsgd:norm=l2,levels=2,bucket=512", 8.03, .02 },
    { "qsgd:norm=l2,bits=3,bucket=512", 5.02, .02 },
    { "qsgd:norm=l2,levels=4,bucket=512", 3.51, .01 },
    { "qsgd:norm=l2,bits=4,bucket=512", 1.58, .01 },
    { "qsgd:norm=l2,levels=8,bucket=512", 1.265, .01 },
    { "qsgd:norm=l2,levels=15,bucket=512", .379, .01 },
    { "qsgd:norm=l2,levels=16,bucket=512", .3333, .01 },
    { "qsgd:norm=l2,levels=64,bucket=512", .02083, .01 },
    { "qsgd:norm=l2,bits=8,bucket=512", .005291, .01 },
    { "qsgd:norm=l2,levels=15,bucket=8192", 3.81, .02 },
    { "qsgd:norm=l2,levels=255,bucket=8192,coding=elias", .0210, .02 },
    { "qsgd:bits=1,bucket=64", 1.0829, .01 },
    { "qsgd:bits=2,bucket=64", 1.0829, .01 },
    { "qsgd:bits=3,bucket=64", .12614, .01 },
    { "qsgd:bits=4,bucket=64", .023157, .01 },
    { "qsgd:bits=5,bucket=64", .0050419, .01 },
    { "qsgd:bits=8,bucket=64", 7.034e-5, .01 },
    { "qsgd:bits=2,bucket=256", 1.4325, .01 },
    { "qsgd:bits=3,bucket=256", .17364, .01 },
    { "qsgd:bits=4,bucket=256", .031881, .01 },
    { "qsgd:bits=8,bucket=256", 9.683e-5, .01 },
    { "qsgd:bits=4,bucket=512", .036249, .01 },
    { "qsgd:bits=8,bucket=1024", 1.2344e-4, .01 },
    { "qsgd:bits=4,bucket=8192", .05399, .02 },
    { "qsgd:bits=2,bucket=64,rounding=nearest", .5149, .01 },
    { "qsgd:bits=3,bucket=128,rounding=nearest", .07496, .01 },
    { "qsgd:bits=4,bucket=256,rounding=nearest", .015941, .01 },
    { "qsgd:bits=5,bucket=512,rounding=nearest", .0039488, .01 },
    { "qsgd:bits=8,bucket=64,rounding=nearest", 3.517e-5, .01 },
    { "qsgd:bits=4,bucket=256,coding=elias-compact", .031881, .01 },
};

START_TEST(nmse)
{
    int runs = strstr(table[_i].spec, "elias") || strstr(table[_i].spec, "nearest") ? 1 : 4;
    double got = gauss_nmse(table[_i].spec, COUNT, runs, SEED, NULL);
    check_near(table[_i].spec, got, table[_i].nmse, table[_i].tolerance, SEED);
}
END_TEST

/* Bits per element of one l2 bucket after the other at s = sqrt(n), without the scales. */
static const struct {
    const char *coding;
    double bits;
} lengths[] = { { "elias", 2.756 }, { "elias-dense", 3.311 }, { "elias-compact", 2.942 } };

START_TEST(elias_lengths)
{
    char spec[96];
    size_t bytes = 0, bucket = 1024;
    snprintf(spec, sizeof spec, "qsgd:norm=l2,levels=32,bucket=%zu,coding=%s", bucket,
             lengths[_i].coding);
    double error = gauss_nmse(spec, COUNT, 1, SEED, &bytes);
    double bits = 8 * ((double)bytes - GW_HEADER_BYTES - 4.0 * COUNT / (double)bucket) / COUNT;
    check_near(spec, bits, lengths[_i].bits, .01, SEED);
    check_near(spec, error, 1.0 / 6, .01, SEED);
}
END_TEST

/* v = (3, 0, -4, 0, 0, 12) has norm 13; with 13 levels nothing is random. */
static const struct {
    const char *coding, *bits;
} vectors[] = { { "elias", "00110100110100011001111000" },
                { "elias-dense", "0101000001101010000001111010" },
                { "elias-compact", "1010000010101010011110100" } };

START_TEST(elias_vector)
{
    const float v[6] = { 3, 0, -4, 0, 0, 12 };
    float back[6];
    char spec[96], got[65] = "";
    size_t bytes, sparse = _i == 0 ? 8 : 0;
    snprintf(spec, sizeof spec, "qsgd:norm=l2,levels=13,bucket=16,coding=%s", vectors[_i].coding);
    gw_codec *codec = codec_of(spec, 6, NULL);
    uint8_t *payload = payload_of(codec, v, 6, &bytes), *body = payload + GW_HEADER_BYTES;
    ck_assert_msg(gw_get_f32(body) == 1.0f, "scale %g, expected 1", (double)gw_get_f32(body));
    if (sparse)
        ck_assert_uint_eq(gw_get_u64(body + 4), 3);
    ck_assert_uint_eq(bytes, GW_HEADER_BYTES + 4 + sparse + (strlen(vectors[_i].bits) + 7) / 8);
    for (size_t i = 0; i < strlen(vectors[_i].bits); i++)
        got[i] = body[4 + sparse + i / 8] >> (7 - i % 8) & 1 ? '1' : '0';
    ck_assert_str_eq(got, vectors[_i].bits);
    decode_to(codec, 6, payload, bytes, back);
    ck_assert_mem_eq(v, back, sizeof v);
    free(payload);
    gw_codec_close(codec);
}
END_TEST

START_TEST(omega_lengths)
{
    static const struct {
        uint64_t k;
        unsigned bits;
    } known[] = { { 1, 1 },    { 2, 3 },     { 3, 3 },      { 4, 6 },     { 7, 6 },
                  { 8, 7 },    { 15, 7 },    { 16, 11 },    { 32, 12 },   { 100, 13 },
                  { 256, 16 }, { 1000, 17 }, { 65535, 23 }, { 65536, 28 } };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        ck_assert_uint_eq(gw_omega_bits(known[i].k), known[i].bits);
}
END_TEST

/* ---- expectation ---- */

static const struct {
    const char *spec;
    size_t count;
    int runs;
} unbiased[] = {
    { "qsgd:bits=2,bucket=64", 1 << 16, 1600 },
    { "qsgd:bits=4,bucket=256", 1 << 16, 1600 },
    { "qsgd:bits=8,bucket=512", 1 << 16, 1600 },
    { "qsgd:bits=4,norm=l2,bucket=128", 1 << 16, 1600 },
    { "qsgd:levels=32,norm=l2,bucket=1024,coding=elias", 1 << 14, 200 },
    { "terngrad:clip=0", 1 << 16, 1600 },
};

/* The two neighbours of x on the grid of step `step` differ by it: the variance of a rounding. */
static double rounding_variance(double x, double step)
{
    double f = fabs(x) / step - floor(fabs(x) / step);
    return step * step * f * (1 - f);
}

/* The step of the bucket of element i, from the decoded values' payload. */
static double step_of(const uint8_t *payload, size_t bucket, size_t i)
{
    return (double)gw_get_f32(payload + GW_HEADER_BYTES + 4 * (bucket ? i / bucket : 0));
}

/* Sums of C(x) - x over runs and elements, with three sets of signs: none, the input's, random.
 * Each over its standard deviation is N(0,1) if C is unbiased. And of the elements' own sums the
 * squares over their variances average 1 if runs are independent. */
START_TEST(expectation)
{
    const char *spec = unbiased[_i].spec;
    size_t count = unbiased[_i].count, bytes, bucket = 0, used = 0;
    int runs = unbiased[_i].runs;
    if (strstr(spec, "bucket="))
        bucket = (size_t)strtoul(strstr(spec, "bucket=") + 7, NULL, 10);
    float *x = sample_gauss_vector(SEED, count), *y = malloc(count * sizeof *y);
    double *sum = calloc(count, sizeof *sum), t[3] = { 0 }, variance = 0, chi = 0;
    ck_assert(y && sum);
    gw_codec *codec = codec_of(spec, count, NULL);
    uint8_t *payload = payload_of(codec, x, count, &bytes);
    for (int r = 0; r < runs; r++) {
        round_trip(codec, x, count, y);
        for (size_t i = 0; i < count; i++)
            sum[i] += (double)y[i];
    }
    for (size_t i = 0; i < count; i++) {
        double v = runs * rounding_variance((double)x[i], step_of(payload, bucket, i));
        double e = sum[i] - runs * (double)x[i];
        t[0] += e;
        t[1] += x[i] < 0 ? -e : e;
        t[2] += gw_mix64(i) & 1 ? -e : e;
        variance += v;
        if (v < .05 * runs * pow(step_of(payload, bucket, i), 2))
            continue;
        chi += e * e / v - 1;
        used++;
    }
    for (int k = 0; k < 3; k++)
        ck_assert_msg(fabs(t[k]) < 4.5 * sqrt(variance),
                      "%s: z%d = %.2f, expected |z| < 4.5; "
                      "seed %d, %.3g roundings",
                      spec, k, t[k] / sqrt(variance), SEED, (double)count * runs);
    double z = chi / sqrt(2.0 * (double)used);
    ck_assert_msg(used && fabs(z) < 4.5, "%s: z of the squares = %.2f, expected |z| < 4.5; seed %d",
                  spec, z, SEED);
    gw_codec_close(codec);
    free(payload);
    free(sum);
    free(x);
    free(y);
}
END_TEST

/* The bound that ef+ scales by holds for the worst input of the max norm, and for l2's. */
START_TEST(variance_bound)
{
    enum { D = 256, RUNS = 4000 };
    float x[D], y[D];
    gw_codec *codec =
        codec_of(_i ? "qsgd:bits=4,bucket=256,norm=l2" : "qsgd:bits=4,bucket=256", D, NULL);
    double w = codec->row->variance(codec), s = 7, k = (D - 1) / (s * s), error = 0;
    double f = (sqrt(1 + k) - 1) / k; /* of the first step: where the error is most */
    for (int i = 0; i < D; i++)
        x[i] = _i ? 1.0f : (float)(i ? f / s : 1);
    for (int r = 0; r < RUNS; r++) {
        round_trip(codec, x, D, y);
        error += squared_distance(x, y, D);
    }
    double got = error / RUNS / sum_squares_of(x, D);
    ck_assert_msg(got <= w * 1.01, "variance factor %.4f, the bound is %.4f", got, w);
    if (!_i)
        check_near("variance factor of the worst input", got, w, .01, 1);
    gw_codec_close(codec);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("qsgd");
    TCase *errors = tcase_create("nmse"), *elias = tcase_create("elias");
    TCase *expect = tcase_create("expectation");
    tcase_add_loop_test(errors, nmse, 0, sizeof table / sizeof table[0]);
    tcase_add_loop_test(elias, elias_lengths, 0, 3);
    tcase_add_loop_test(elias, elias_vector, 0, 3);
    tcase_add_test(elias, omega_lengths);
    tcase_add_loop_test(expect, expectation, 0, sizeof unbiased / sizeof unbiased[0]);
    tcase_add_loop_test(expect, variance_bound, 0, 2);
    tcase_set_timeout(errors, 60);
    tcase_set_timeout(elias, 60);
    tcase_set_timeout(expect, 60);
    suite_add_tcase(suite, errors);
    suite_add_tcase(suite, elias);
    suite_add_tcase(suite, expect);
    return run_suite(suite);
}
