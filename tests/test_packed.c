/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* fp16, bf16, qsgd, terngrad, sign and onebit: error on Gaussian values, vectors worked out by
 * hand, ranges, feedback, extreme input and hostile bytes.
 * Repeat one part with CK_RUN_CASE=NAME tests/test_packed. */
#include <float.h>
#include <stdio.h>
#include <string.h>

#include "compress/codec.h"
#include "compress/kernels/table.h"
#include "tests/samples.h"

enum { COUNT = 1 << 20, SEED = 11 };

#define TWO_PI_PART .363380 /* 1 - 2/pi */

static const struct {
    const char *spec;
    double nmse, tolerance;
} table[] = {
    { "sign:bucket=0", .36338, .005 },
    { "sign:bucket=0,scale=rms", .40423, .005 },
    { "sign:bucket=2048", TWO_PI_PART *(1 - 1 / 2048.), .005 },
    { "sign:bucket=16", TWO_PI_PART *(1 - 1 / 16.), .01 },
    { "onebit:bucket=0", TWO_PI_PART, .005 },
    { "onebit:bucket=64", TWO_PI_PART *(1 - 2 / 64.), .01 },
    { "terngrad", 1.0095, .01 },
    { "fp16", 4.3e-8, .01 },
    { "bf16", 2.75e-6, .01 },
};

START_TEST(gaussian)
{
    check_near(table[_i].spec, gauss_nmse(table[_i].spec, COUNT, 1, SEED, NULL), table[_i].nmse,
               table[_i].tolerance, SEED);
}
END_TEST

START_TEST(onebit_vector)
{
    static const float x[5] = { -1, -3, 2, 4, 0 }, expected[5] = { -2, -2, 2, 2, 2 };
    for (int whole = 0; whole < 2; whole++) {
        float y[5];
        gw_codec *codec = codec_of(whole ? "onebit:bucket=0" : "onebit:bucket=16", 5, NULL);
        round_trip(codec, x, 5, y);
        ck_assert_mem_eq(y, expected, sizeof y);
        gw_codec_close(codec);
    }
}
END_TEST

START_TEST(sign_vector)
{
    static const float x[4] = { 1, -2, -0.0f, 5 };
    for (int whole = 0; whole < 2; whole++) {
        float y[4];
        gw_codec *codec = codec_of(whole ? "sign:bucket=0" : "sign:bucket=16", 4, NULL);
        round_trip(codec, x, 4, y);
        ck_assert(y[0] == 2 && y[1] == -2 && y[2] == -2 && y[3] == 2);
        gw_codec_close(codec);
    }
}
END_TEST

/* On heavy tails too sign contracts, |C(x) - x|^2 <= (1 - 1/d) |x|^2, and onebit errs no more. */
START_TEST(contraction)
{
    enum { D = 64, TURNS = 1000 };
    float x[D], y[D];
    gw_codec *sign = codec_of("sign:bucket=64", D, NULL);
    gw_codec *onebit = codec_of("onebit:bucket=64", D, NULL);
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        for (uint64_t i = 0; i < D; i++) /* Student's t with 2 degrees of freedom */
            x[i] = (float)(sample_gauss(turn, i) / sqrt(-log(sample_uniform(turn + TURNS, i))));
        round_trip(sign, x, D, y);
        double error = squared_distance(x, y, D), energy = sum_squares_of(x, D);
        round_trip(onebit, x, D, y);
        double less = squared_distance(x, y, D);
        if (error > (1 - 1. / D) * energy * (1 + 1e-6) || less > error * (1 + 1e-6))
            ck_abort_msg("seed %d: sign's error %g, onebit's %g, of %g", (int)turn, error, less,
                         energy);
    }
    gw_codec_close(sign);
    gw_codec_close(onebit);
}
END_TEST

/* ---- properties of all ---- */

static const char *const specs[] = {
    "fp16",
    "bf16",
    "qsgd:bits=1,bucket=16",
    "qsgd:bits=2,bucket=64",
    "qsgd",
    "qsgd:bits=7,bucket=4096",
    "qsgd:levels=5,bucket=512,rounding=nearest",
    "qsgd:bits=8,norm=l2,bucket=128",
    "qsgd:levels=32,norm=l2,bucket=1024,coding=elias",
    "qsgd:levels=32,norm=l2,bucket=1024,coding=elias-dense",
    "qsgd:bits=4,rounding=nearest,coding=elias-compact",
    "terngrad",
    "sign",
    "sign:scale=rms,bucket=16",
    "sign:bucket=0",
    "onebit",
    "onebit:bucket=0",
    "ef+qsgd",
    "ef+qsgd:bits=2,bucket=8192,rounding=nearest",
    "ef+sign:bucket=64",
    "ef+onebit:bucket=1024",
};

enum { SPECS = sizeof specs / sizeof specs[0] };

/* Encoded in parts, cut anywhere and in any order, every element decodes to the same bits; twice,
 * so that residuals count too. */
START_TEST(ranges)
{
    enum { N = 9001 };
    static const size_t cuts[] = { 0, 1, 33, 500, 512, 1012, 4096, 5632, 9000, N };
    enum { PARTS = sizeof cuts / sizeof cuts[0] - 1 };
    float *x = sample_gauss_vector(SEED, N), *whole = malloc(sizeof(float[N]));
    float *parts = malloc(sizeof(float[N]));
    ck_assert(whole && parts);
    gw_codec *a = codec_of(specs[_i], N, NULL), *b = codec_of(specs[_i], N, NULL);
    size_t capacity = gw_encode_bound(b, 0, N) + 64, bytes;
    uint8_t *payload = malloc(capacity);
    ck_assert_ptr_nonnull(payload);
    for (int run = 0; run < 2; run++) {
        round_trip(a, x, N, whole);
        ck_assert_int_eq(gw_encode_begin(b, x), GW_OK);
        for (int p = PARTS - 1; p >= 0; p--) {
            size_t first = cuts[p], count = cuts[p + 1] - first;
            gw_status s = gw_encode_range(b, first, count, payload, capacity, &bytes);
            ck_assert_msg(!s, "%s: %s", specs[_i], gw_codec_error(b));
            ck_assert_uint_le(bytes, gw_encode_bound(b, first, count));
            s = gw_decode(b, first, count, payload, bytes, parts + first);
            ck_assert_msg(!s, "%s: %s", specs[_i], gw_codec_error(b));
        }
        ck_assert_int_eq(gw_encode_end(b, 1), GW_OK);
        for (size_t i = 0; i < N; i++)
            if (gw_float_bits(whole[i]) != gw_float_bits(parts[i]))
                ck_abort_msg("%s, run %d: element %zu is %a in parts, expected %a; seed %d",
                             specs[_i], run, i, (double)parts[i], (double)whole[i], SEED);
    }
    gw_codec_close(a);
    gw_codec_close(b);
    free(payload);
    free(whole);
    free(parts);
    free(x);
}
END_TEST

/* A tensor of one's own address, off alignment, gives the same payload. */
START_TEST(unaligned)
{
    enum { N = 3000 };
    float *x = sample_gauss_vector(SEED, N);
    uint8_t *moved = malloc(4 * N + 1), *back = malloc(4 * N + 1);
    float y[N];
    size_t bytes, bytes_moved;
    ck_assert(moved && back);
    memcpy(moved + 1, x, 4 * N);
    gw_codec *a = codec_of(specs[_i], N, NULL), *b = codec_of(specs[_i], N, NULL);
    uint8_t *p = payload_of(a, x, N, &bytes), *q = payload_of(b, moved + 1, N, &bytes_moved);
    ck_assert_uint_eq(bytes, bytes_moved);
    ck_assert_mem_eq(p, q, bytes);
    decode_to(a, N, p, bytes, y);
    decode_to(b, N, q, bytes, back + 1);
    ck_assert_mem_eq(y, back + 1, sizeof y);
    gw_codec_close(a);
    gw_codec_close(b);
    free(p);
    free(q);
    free(moved);
    free(back);
    free(x);
}
END_TEST

/* Every kernel set gives the same payloads, and the same sums of them. */
START_TEST(kernel_sets)
{
    enum { N = 9001 };
    float *x = sample_gauss_vector(SEED, N), sums[2][N];
    uint8_t *payloads[2] = { NULL, NULL };
    size_t bytes[2];
    for (size_t r = 0; gw_kernel_rows[r]; r++) {
        if (!gw_kernel_rows[r]->usable())
            continue;
        size_t k = r > 0;
        setenv("GRADWIRE_KERNELS", gw_kernel_rows[r]->name, 1);
        gw_codec *codec = codec_of(specs[_i], N, NULL);
        ck_assert_str_eq(codec->kernels->name, gw_kernel_rows[r]->name);
        free(payloads[k]);
        payloads[k] = payload_of(codec, x, N, &bytes[k]);
        memcpy(sums[k], x, sizeof sums[k]);
        ck_assert_int_eq(gw_decode_add(codec, 0, N, payloads[k], bytes[k], .7f, sums[k]), GW_OK);
        gw_codec_close(codec);
        ck_assert_ptr_nonnull(payloads[0]);
        ck_assert_uint_eq(bytes[k], bytes[0]);
        ck_assert_mem_eq(payloads[k], payloads[0], bytes[0]);
        ck_assert_mem_eq(sums[k], sums[0], sizeof sums[0]);
    }
    unsetenv("GRADWIRE_KERNELS");
    free(payloads[0]);
    free(payloads[1]);
    free(x);
}
END_TEST

/* The fused feedback of run k is the bare codec on x + residual, and what it keeps is what that
 * did not say. */
START_TEST(feedback)
{
    enum { N = 9001, RUNS = 3 };
    const char *bare = specs[_i] + strlen("ef+");
    float *x = sample_gauss_vector(SEED, N), *residual = calloc(N, sizeof(float));
    float *y = malloc(sizeof(float[N]));
    ck_assert(residual && y);
    gw_codec *ef = codec_of(specs[_i], N, NULL), *codec = codec_of(bare, N, NULL);
    for (int run = 0; run < RUNS; run++) {
        size_t bytes, bytes_bare;
        uint8_t *sent = payload_of(ef, x, N, &bytes);
        for (int i = 0; i < N; i++)
            residual[i] += x[i];
        uint8_t *expected = payload_of(codec, residual, N, &bytes_bare);
        ck_assert_uint_eq(bytes, bytes_bare);
        ck_assert_mem_eq(sent + GW_HEADER_BYTES, expected + GW_HEADER_BYTES,
                         bytes - GW_HEADER_BYTES);
        decode_to(codec, N, expected, bytes, y);
        for (int i = 0; i < N; i++)
            residual[i] -= y[i];
        ck_assert_mem_eq(ef->state, residual, sizeof(float[N]));
        free(sent);
        free(expected);
    }
    gw_codec_close(ef);
    gw_codec_close(codec);
    free(residual);
    free(x);
    free(y);
}
END_TEST

static void all_finite(const char *spec, const char *what, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!gw_is_finite(y[i]))
            ck_abort_msg("%s, %s: element %zu of %zu is %g", spec, what, i, count, (double)y[i]);
}

/* Zeros stay zeros; the largest floats, the smallest, and counts of 0 and 1 give finite floats,
 * also when a residual comes on top. */
START_TEST(extremes)
{
    static const float values[] = { 0.0f, -0.0f, FLT_MAX, -FLT_MAX, FLT_MIN, 0x1p-149f, -1e-40f };
    static const size_t counts[] = { 0, 1, 2, 16, 511, 513, 1300 };
    float x[1300], y[1300];
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        gw_codec *codec = codec_of(specs[_i], counts[k], NULL);
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            for (size_t i = 0; i < counts[k]; i++)
                x[i] = v == 3 && i % 3 ? FLT_MAX : values[v];
            for (int run = 0; run < 3; run++) {
                round_trip(codec, x, counts[k], y);
                all_finite(specs[_i], "extreme input", y, counts[k]);
            }
        }
        gw_codec_close(codec);
        codec = codec_of(specs[_i], counts[k], NULL);
        memset(x, 0, sizeof x);
        round_trip(codec, x, counts[k], y);
        for (size_t i = 0; i < counts[k]; i++)
            ck_assert_msg(y[i] == 0, "%s: zero decodes to %g", specs[_i], (double)y[i]);
        gw_codec_close(codec);
    }
}
END_TEST

/* FLT_MAX comes back as large as the format and the level allow. */
START_TEST(largest)
{
    static const struct {
        const char *spec;
        double least;
    } cases[] = { { "fp16", 65504 },
                  { "bf16", 3.38e38 },
                  { "qsgd:bits=4,rounding=nearest", 3.4e38 },
                  { "qsgd:bits=8,norm=l2,bucket=16", 3.4e38 },
                  { "sign", 3.4e38 },
                  { "onebit", 3.4e38 },
                  { "terngrad", 3.4e38 } };
    float x[16], y[16];
    for (int i = 0; i < 16; i++)
        x[i] = i % 2 ? FLT_MAX : -FLT_MAX;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        gw_codec *codec = codec_of(cases[k].spec, 16, NULL);
        round_trip(codec, x, 16, y);
        for (int i = 0; i < 16; i++)
            ck_assert_msg(fabs((double)y[i]) >= cases[k].least,
                          "%s: FLT_MAX decodes to %g, expected %g", cases[k].spec, (double)y[i],
                          cases[k].least);
        gw_codec_close(codec);
    }
}
END_TEST

/* nonfinite=pass: the bucket that holds one may be lost, the others are not. */
START_TEST(nonfinite_pass)
{
    static const char *const bucketed[] = { "qsgd:bucket=512",
                                            "sign:bucket=512",
                                            "onebit:bucket=512",
                                            "qsgd:bucket=512,coding=elias",
                                            "ef+qsgd:bucket=512",
                                            "fp16",
                                            "bf16",
                                            "terngrad",
                                            "sign:bucket=0" };
    const gw_codec_options options = { .nonfinite = GW_NONFINITE_PASS };
    for (size_t k = 0; k < sizeof bucketed / sizeof bucketed[0]; k++) {
        float x[1536], y[1536];
        for (int i = 0; i < 1536; i++)
            x[i] = (float)sample_gauss(SEED, (uint64_t)i);
        x[600] = NAN;
        x[700] = INFINITY;
        x[701] = -INFINITY;
        gw_codec *codec = codec_of(bucketed[k], 1536, &options);
        round_trip(codec, x, 1536, y);
        if (k < 7) {
            all_finite(bucketed[k], "first bucket", y, 512);
            all_finite(bucketed[k], "last bucket", y + 1024, 512);
            ck_assert_msg(isnan(y[600]), "%s: NaN became %g", bucketed[k], (double)y[600]);
        }
        gw_codec_close(codec);
    }
}
END_TEST

/* Any body is refused, or decodes to finite floats: bodies with bits flipped, cut, or noise. */
START_TEST(hostile_bytes)
{
    enum { N = 1100, TURNS = 3000 };
    const gw_codec_options options = { .ranks = 5 };
    float *x = sample_gauss_vector(SEED, N), *y = malloc(sizeof(float[N]));
    gw_codec *codec = codec_of(specs[_i], N, &options);
    const struct gw_codec *core = codec->core;
    size_t bytes;
    uint8_t *payload = payload_of(codec, x, N, &bytes);
    size_t body_bytes = bytes - GW_HEADER_BYTES;
    struct gw_error error;
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t r = gw_mix64((uint64_t)turn + 1);
        size_t length = turn % 8 == 7 ? r % (body_bytes + 1) : body_bytes;
        uint8_t *body = malloc(length + 1);
        ck_assert_ptr_nonnull(body);
        memcpy(body, payload + GW_HEADER_BYTES, length);
        for (int flips = turn % 5; flips && length; flips--, r = gw_mix64(r))
            body[turn % 2 ? r % length : r % gw_min_size(length, 32)] ^= (uint8_t)(r >> 40);
        for (size_t i = 0; turn % 16 == 9 && i < length; i++)
            body[i] = (uint8_t)gw_mix64(r + i);
        struct gw_body b = { body, length, turn % 3 == 2 && core->row->merge ? 1 : 0 };
        if (!core->row->check(core, 0, N, b, &error)) {
            core->row->decode(core, 0, N, b, y);
            all_finite(specs[_i], "hostile bytes", y, N);
            core->row->decode_add(core, 0, N, b, 0.0f, y);
            all_finite(specs[_i], "hostile bytes added", y, N);
        }
        free(body);
    }
    gw_codec_close(codec);
    free(payload);
    free(x);
    free(y);
}
END_TEST

START_TEST(refusals)
{
    static const char *const wrong[][2] = {
        { "qsgd:bits=9", "1 to 8" },
        { "qsgd:bit=4", "bits" },
        { "qsgd:bucket=100", "power of two" },
        { "qsgd:levels=128", "127" },
        { "qsgd:norm=l3", "l2" },
        { "sign:bucket=8", "power of two" },
        { "sign:scale=l2", "rms" },
        { "onebit:bucket=17", "power of two" },
        { "terngrad:clip=-1", "clip" },
        { "fp16:bits=3", "fp16" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        gw_codec *codec = NULL;
        ck_assert_int_eq(gw_codec_open(&codec, wrong[i][0], 10, NULL), GW_ESPEC);
        ck_assert_msg(strstr(gw_codec_error(NULL), wrong[i][1]), "%s: '%s' does not name '%s'",
                      wrong[i][0], gw_codec_error(NULL), wrong[i][1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packed");
    TCase *values = tcase_create("values"), *all = tcase_create("all");
    tcase_add_loop_test(values, gaussian, 0, sizeof table / sizeof table[0]);
    tcase_add_test(values, onebit_vector);
    tcase_add_test(values, sign_vector);
    tcase_add_test(values, contraction);
    tcase_add_test(values, largest);
    tcase_add_test(values, nonfinite_pass);
    tcase_add_test(values, refusals);
    tcase_add_loop_test(all, ranges, 0, SPECS);
    tcase_add_loop_test(all, unaligned, 0, SPECS);
    tcase_add_loop_test(all, kernel_sets, 0, SPECS);
    tcase_add_loop_test(all, feedback, SPECS - 4, SPECS);
    tcase_add_loop_test(all, extremes, 0, SPECS);
    tcase_add_loop_test(all, hostile_bytes, 0, SPECS);
    tcase_set_timeout(values, 60);
    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, values);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
