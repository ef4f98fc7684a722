/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Payloads: what is sealed checks, whatever is changed does not; the public calls around them; all
 * types of raw. */
#include "compress/elements.h"
#include "tests/units.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { COUNT = 1000 };

/* A chain per core of the table, wrapped where the loop's second half says so. */
static int core_count(void)
{
    int n = 0;
    for (int i = 0; gw_codec_rows[i]; i++)
        n += !(gw_codec_rows[i]->info.traits & GW_WRAPPER);
    return n;
}

static const char *core_name(int index)
{
    for (int i = 0;; i++)
        if (!(gw_codec_rows[i]->info.traits & GW_WRAPPER) && index-- == 0)
            return gw_codec_rows[i]->info.name;
}

START_TEST(every_flipped_bit_is_found)
{
    float x[COUNT], y[COUNT];
    fill_gaussian(x, COUNT, 1);
    gw_codec *c = unit_open(core_name(_i), COUNT, 0, 1);
    struct payload p = unit_encode(c, x);
    for (size_t bit = 0; bit < p.size * 8; bit += bit < 512 ? 1 : 37) {
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_msg(gw_payload_check(c, 0, COUNT, p.bytes, p.size, NULL) == GW_EPAYLOAD,
                      "%s: bit %zu flipped and not found", c->spec, bit);
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < p.size; size += size < 40 ? 1 : 29)
        ck_assert_int_eq(gw_payload_check(c, 0, COUNT, p.bytes, size, NULL), GW_EPAYLOAD);
    ck_assert_int_eq(gw_payload_check(c, 0, COUNT - 1, p.bytes, p.size, NULL), GW_EPAYLOAD);
    ck_assert_int_eq(gw_payload_check(c, 1, COUNT, p.bytes, p.size, NULL), GW_EINVAL);
    unit_decode(c, 0, COUNT, p, y);
    free(p.bytes);
    gw_codec_close(c);
}
END_TEST

/* Counts around everything that has a size, at addresses that no type would choose. */
START_TEST(odd_counts_and_addresses)
{
    static const size_t counts[] = { 0, 1, 2, 3, 15, 17, 64, 511, 512, 513, 1000, 1025, 4097 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t count = counts[i];
        char *x = malloc(4 * count + 5), *y = malloc(4 * count + 5);
        float *aligned = malloc(4 * count + 4);
        ck_assert(x && y && aligned);
        fill_gaussian(aligned, count, i);
        memcpy(x + 1, aligned, 4 * count);
        gw_codec *c = unit_open(core_name(_i), count, 0, 1);
        gw_codec *again = unit_open(core_name(_i), count, 0, 1);
        struct payload p = unit_encode(c, (const void *)(x + 1));
        struct payload q = unit_encode(again, aligned);
        ck_assert_msg(p.size == q.size && memcmp(p.bytes, q.bytes, p.size) == 0,
                      "%s, %zu elements: other bytes at another address", c->spec, count);
        unit_decode(c, 0, count, p, (void *)(y + 1));
        unit_decode(c, 0, count, p, aligned);
        ck_assert(memcmp(y + 1, aligned, 4 * count) == 0);
        if (c->core->row->info.traits & GW_FIXED_SIZE)
            ck_assert_uint_eq(p.size, gw_payload_bound(c, 0, count));
        free(p.bytes);
        free(q.bytes);
        gw_codec_close(c);
        gw_codec_close(again);
        free(x);
        free(y);
        free(aligned);
    }
}
END_TEST

/* decode_add(w) is decode, times w rounded, added. */
START_TEST(adding_is_decoding_then_adding)
{
    float x[COUNT], y[COUNT], sum[COUNT], expected[COUNT];
    fill_gaussian(x, COUNT, 3);
    fill_gaussian(sum, COUNT, 4);
    gw_codec *c = unit_open(core_name(_i), COUNT, 0, 1);
    struct payload p = unit_encode(c, x);
    unit_decode(c, 0, COUNT, p, y);
    for (int i = 0; i < COUNT; i++)
        expected[i] = sum[i] + 0.3f * y[i];
    gw_payload_decode_add(c, 0, COUNT, p.bytes, p.size, 0.3f, sum);
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(sum[i] == expected[i], "%s: element %d is %.9g, expected %.9g", c->spec, i,
                      (double)sum[i], (double)expected[i]);
    free(p.bytes);
    gw_codec_close(c);
}
END_TEST

/* Values that are hard on scales. */
START_TEST(extreme_values_decode_finite)
{
    static const float values[] = { FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, -0.0f, 0, 1, -1e-38f };
    float x[COUNT], y[COUNT];
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < COUNT; i++) {
            x[i] = values[i % 8];
            if (kind == 1)
                x[i] = 0;
            if (kind == 2)
                x[i] = 1e-44f;
            if (kind == 3)
                x[i] = FLT_MAX;
        }
        gw_codec *c = unit_open(core_name(_i), COUNT, 0, 1);
        struct payload p = unit_encode(c, x);
        unit_decode(c, 0, COUNT, p, y);
        for (int i = 0; i < COUNT; i++)
            ck_assert_msg(gw_is_finite(y[i]), "%s: kind %d, element %d: %g", c->spec, kind, i,
                          (double)y[i]);
        free(p.bytes);
        gw_codec_close(c);
    }
}
END_TEST

START_TEST(nonfinite_policies)
{
    float x[8] = { 1, 2, NAN, 4, INFINITY, 6, 7, 8 }, y[8];
    gw_codec_options options = { .tensor = "layer1" };
    uint8_t bytes[256];
    size_t size = 99;
    gw_codec *c;
    ck_assert_int_eq(gw_codec_open(&c, "raw", 8, &options), GW_OK);
    ck_assert_int_eq(gw_encode(c, x, bytes, sizeof bytes, &size), GW_ENONFINITE);
    ck_assert_ptr_nonnull(strstr(gw_codec_error(c), "layer1"));
    ck_assert_ptr_nonnull(strstr(gw_codec_error(c), "2 of 8"));
    ck_assert_ptr_nonnull(strstr(gw_codec_error(c), "element 2"));
    ck_assert_uint_eq(size, 99);
    gw_codec_close(c);
    options.nonfinite = GW_NONFINITE_ZERO;
    ck_assert_int_eq(gw_codec_open(&c, "raw", 8, &options), GW_OK);
    ck_assert_int_eq(gw_encode(c, x, bytes, sizeof bytes, &size), GW_OK);
    ck_assert_int_eq(gw_decode(c, 0, 8, bytes, size, y), GW_OK);
    ck_assert(y[2] == 0 && y[4] == 0 && y[3] == 4 && isnan(x[2]));
    gw_codec_close(c);
    options.nonfinite = GW_NONFINITE_PASS;
    ck_assert_int_eq(gw_codec_open(&c, "raw", 8, &options), GW_OK);
    ck_assert_int_eq(gw_encode(c, x, bytes, sizeof bytes, &size), GW_OK);
    ck_assert_int_eq(gw_decode(c, 0, 8, bytes, size, y), GW_OK);
    ck_assert(isnan(y[2]) && isinf(y[4]));
    gw_codec_close(c);
}
END_TEST

START_TEST(public_calls_keep_their_order)
{
    float x[10] = { 0 };
    uint8_t bytes[256];
    size_t size;
    gw_codec *c;
    ck_assert_int_eq(gw_codec_open(&c, "ef+raw", 10, NULL), GW_OK);
    ck_assert_int_eq(gw_encode_range(c, 0, 10, bytes, sizeof bytes, &size), GW_ESTATE);
    ck_assert_int_eq(gw_encode_end(c, 1), GW_ESTATE);
    ck_assert_int_eq(gw_encode_begin(c, NULL), GW_EINVAL);
    ck_assert_int_eq(gw_encode_begin(c, x), GW_OK);
    ck_assert_int_eq(gw_encode_begin(c, x), GW_ESTATE);
    ck_assert_int_eq(gw_encode_range(c, 5, 6, bytes, sizeof bytes, &size), GW_EINVAL);
    ck_assert_int_eq(gw_encode_range(c, 5, 5, bytes, 51, &size), GW_ECAPACITY);
    ck_assert_int_eq(gw_encode_range(c, 5, 5, bytes, 52, &size), GW_OK);
    ck_assert_int_eq(gw_encode_end(c, 1), GW_ESTATE);
    ck_assert_int_eq(gw_encode_range(c, 0, 5, bytes, sizeof bytes, &size), GW_OK);
    ck_assert_int_eq(gw_encode_end(c, 1), GW_OK);
    ck_assert_uint_eq(c->run, 1);
    gw_codec_close(c);
}
END_TEST

START_TEST(abort_messages)
{
    uint8_t bytes[128];
    char words[GW_ERROR_TEXT];
    gw_status status = GW_OK;
    size_t size = gw_payload_abort(bytes, sizeof bytes, GW_ENONFINITE, "tensor 'w' has a NaN\n");
    ck_assert_uint_gt(size, GW_HEADER_BYTES);
    ck_assert(gw_payload_is_abort(bytes, size, &status, words));
    ck_assert_int_eq(status, GW_ENONFINITE);
    ck_assert_str_eq(words, "tensor 'w' has a NaN?");
    gw_codec *c = unit_open("raw", 1, 0, 1);
    ck_assert_int_eq(gw_payload_check(c, 0, 0, bytes, size, NULL), GW_EPAYLOAD);
    bytes[40] ^= 1;
    ck_assert(!gw_payload_is_abort(bytes, size, &status, words));
    ck_assert(!gw_payload_is_abort(bytes, 3, &status, words));
    ck_assert_uint_eq(gw_payload_abort(bytes, 20, GW_ENOMEM, ""), 0);
    gw_codec_close(c);
}
END_TEST

/* ---- raw's types ----------------------------------------------------------------------------- */

static void expect_combined(gw_type type, gw_operation operation, const void *a, const void *b,
                            const void *expected)
{
    uint8_t sum[8];
    const struct gw_kernels *kernels;
    size_t bytes = gw_type_bytes(type);
    ck_assert_int_eq(gw_kernels_choose(&kernels, NULL), GW_OK);
    memcpy(sum, a, bytes);
    gw_elements_combine(kernels, type, operation, sum, b, 1, 1.0f);
    ck_assert_msg(memcmp(sum, expected, bytes) == 0, "type %d, operation %d", type, operation);
}

START_TEST(element_types)
{
    const double d[] = { 1.5, -2.25, -0.75 };
    expect_combined(GW_F64, GW_SUM, &d[0], &d[1], &d[2]);
    expect_combined(GW_F64, GW_MIN, &d[0], &d[1], &d[1]);
    expect_combined(GW_F64, GW_MAX, &d[0], &d[1], &d[0]);
    const int32_t i[] = { 5, -7, -2 };
    expect_combined(GW_I32, GW_SUM, &i[0], &i[1], &i[2]);
    expect_combined(GW_I32, GW_MIN, &i[0], &i[1], &i[1]);
    expect_combined(GW_I32, GW_MAX, &i[0], &i[1], &i[0]);
    /* 1, 2^-11 (rounds away), 1.5, 2.5 */
    const uint16_t half[] = { 0x3c00, 0x1000, 0x3e00, 0x4100 };
    expect_combined(GW_F16, GW_SUM, &half[0], &half[1], &half[0]);
    expect_combined(GW_F16, GW_SUM, &half[0], &half[2], &half[3]);
    const uint16_t brain[] = { 0x3f80, 0xbf80, 0x0000, 0x4000 };
    expect_combined(GW_BF16, GW_SUM, &brain[0], &brain[1], &brain[2]);
    expect_combined(GW_BF16, GW_SUM, &brain[0], &brain[0], &brain[3]);
    expect_combined(GW_BF16, GW_MIN, &brain[0], &brain[1], &brain[1]);
    size_t first = 9;
    const uint16_t infinite[] = { 0x3c00, 0x7c00, 0xfe00 };
    ck_assert_uint_eq(gw_elements_count_nonfinite(NULL, GW_F16, infinite, 3, &first), 2);
    ck_assert_uint_eq(first, 1);
    double halved = 3;
    gw_elements_divide(GW_F64, &halved, 1, 2);
    ck_assert(halved == 1.5);
}
END_TEST

/* Quotients as one division at a time gives them, at any address, whatever the divisor. */
START_TEST(divided_as_one_by_one)
{
    enum { NUMBERS = 259 };
    static const uint32_t odd[] = { 0,          0x80000000, 1,          0x807fffff, 0x00800000,
                                    0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00001 };
    static const int divisors[] = { 1, 2, 3, 4, 5, 7, 8, 24, 64, 1000, 65537, 1 << 24 };
    uint8_t room[8 * NUMBERS + 1], *at = room + 1;
    for (size_t k = 0; k < sizeof divisors / sizeof *divisors; k++) {
        int n = divisors[k];
        uint32_t seed = 12345;
        float x[NUMBERS];
        double y[NUMBERS];
        for (int i = 0; i < NUMBERS; i++) {
            seed = seed * 1664525 + 1013904223;
            x[i] = gw_bits_float(i % 3 ? seed : odd[i / 3 % (int)(sizeof odd / sizeof *odd)]);
            y[i] = (double)x[i] * (i % 5 ? 1 : 0x1p-1000);
        }
        memcpy(at, x, sizeof x);
        gw_elements_divide(GW_F32, at, NUMBERS, n);
        for (int i = 0; i < NUMBERS; i++) {
            volatile float expected = x[i] / (float)n;
            ck_assert_msg(memcmp(at + 4 * i, (float[]){ expected }, 4) == 0,
                          "float %d, %a / %d: expected %a", i, (double)x[i], n, (double)expected);
        }
        memcpy(at, y, sizeof y);
        gw_elements_divide(GW_F64, at, NUMBERS, n);
        for (int i = 0; i < NUMBERS; i++) {
            volatile double expected = y[i] / n;
            ck_assert_msg(memcmp(at + 8 * i, (double[]){ expected }, 8) == 0,
                          "double %d, %a / %d: expected %a", i, y[i], n, expected);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("payload");
    TCase *tcase = tcase_create("payload");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_flipped_bit_is_found, 0, core_count());
    tcase_add_loop_test(tcase, odd_counts_and_addresses, 0, core_count());
    tcase_add_loop_test(tcase, adding_is_decoding_then_adding, 0, core_count());
    tcase_add_loop_test(tcase, extreme_values_decode_finite, 0, core_count());
    tcase_add_test(tcase, nonfinite_policies);
    tcase_add_test(tcase, public_calls_keep_their_order);
    tcase_add_test(tcase, abort_messages);
    tcase_add_test(tcase, element_types);
    tcase_add_test(tcase, divided_as_one_by_one);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
