/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Headers of frames: their bytes are pinned, and no change of them is taken for a header. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/random.h"
#include "base/types.h"
#include "session/frame.h"

enum { BITS = 8 * GW_FRAME_HEADER };

static uint64_t seed;

/* The n-th number of a test's own sequence. */
static uint64_t number(uint64_t n)
{
    return gw_mix64(n * 0x9e3779b97f4a7c15u ^ gw_mix64(seed + 1));
}

static const struct gw_frame sample = {
    .version = 1,
    .type = 17,
    .flags = 0x80,
    .job = 0x1122334455667788u,
    .worker = 0xa1a2a3a4u,
    .epoch = 7,
    .sequence = 0x0102030405060708u,
    .tensor = 42,
    .length = 5,
    .spec = 0xfedcba9876543210u,
    .checksum = 0x0fedcba987654321u,
};

static void flip(uint8_t *bytes, size_t bit)
{
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* The header is refused with words, and the frame stays as it was. */
static void expect_refused(const uint8_t *header, const char *what, uint64_t which)
{
    struct gw_frame frame, untouched;
    struct gw_error error = { GW_OK, "" };
    memset(&frame, 0x5a, sizeof frame);
    memset(&untouched, 0x5a, sizeof untouched);
    gw_status status = gw_frame_read(&frame, header, &error);
    ck_assert_msg(status == GW_EPAYLOAD && error.status == GW_EPAYLOAD && error.text[0],
                  "%s %llu (seed %llu): expected GW_EPAYLOAD with words, got %s \"%s\"; repeat: "
                  "GW_TEST_SEED=%llu tests/test_frame",
                  what, (unsigned long long)which, (unsigned long long)seed, gw_status_name(status),
                  error.text, (unsigned long long)seed);
    ck_assert_msg(memcmp(&frame, &untouched, sizeof frame) == 0, "%s %llu: the frame was written",
                  what, (unsigned long long)which);
    ck_assert(!gw_frame_begins(header, GW_FRAME_HEADER));
}

static void expect_equal(const struct gw_frame *a, const struct gw_frame *b)
{
    ck_assert_uint_eq(a->version, b->version);
    ck_assert_uint_eq(a->type, b->type);
    ck_assert_uint_eq(a->flags, b->flags);
    ck_assert_uint_eq(a->job, b->job);
    ck_assert_uint_eq(a->worker, b->worker);
    ck_assert_uint_eq(a->epoch, b->epoch);
    ck_assert_uint_eq(a->sequence, b->sequence);
    ck_assert_uint_eq(a->tensor, b->tensor);
    ck_assert_uint_eq(a->length, b->length);
    ck_assert_uint_eq(a->spec, b->spec);
    ck_assert_uint_eq(a->checksum, b->checksum);
}

/* What other builds and later versions have to read. */
START_TEST(golden_bytes)
{
    static const uint8_t golden[GW_FRAME_HEADER] = {
        0x9d, 0x47, 0x57, 0x1a, 0x01, 0x00, 0x11, 0x80, 0x88, 0x77, 0x66, 0x55, 0x44,
        0x33, 0x22, 0x11, 0xa4, 0xa3, 0xa2, 0xa1, 0x07, 0x00, 0x00, 0x00, 0x08, 0x07,
        0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x2a, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00,
        0x00, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x21, 0x43, 0x65, 0x87,
        0xa9, 0xcb, 0xed, 0x0f, 0x09, 0xdf, 0xb4, 0x72, 0x31, 0x3b, 0x1f, 0xe3
    };
    uint8_t header[GW_FRAME_HEADER];
    gw_frame_write(header, &sample);
    for (int i = 0; i < GW_FRAME_HEADER; i++)
        ck_assert_msg(header[i] == golden[i], "byte %d: expected %02x, got %02x", i, golden[i],
                      header[i]);
    struct gw_frame frame;
    ck_assert_int_eq(gw_frame_read(&frame, golden, NULL), GW_OK);
    expect_equal(&frame, &sample);
    /* XXH3-64 of nothing and of five letters. */
    ck_assert_uint_eq(gw_frame_checksum(NULL, 0), 0x2d06800538d394c2u);
    ck_assert_uint_eq(gw_frame_checksum("frame", 5), 0xb09e8f1262c87736u);
}
END_TEST

START_TEST(any_fields_come_back)
{
    for (uint64_t i = 0; i < 20000; i++) {
        struct gw_frame in, out;
        uint8_t header[GW_FRAME_HEADER + 1], *at = header + i % 2;
        uint64_t few = number(8 * i + 5), more = number(8 * i + 6);
        in = (struct gw_frame){ .version = GW_PROTOCOL_NEWEST,
                                .type = (uint8_t)few,
                                .flags = (uint8_t)(few >> 8),
                                .job = number(8 * i),
                                .worker = (uint32_t)(few >> 32),
                                .epoch = (uint32_t)more,
                                .sequence = number(8 * i + 1),
                                .tensor = (uint32_t)(more >> 32),
                                .length = (uint32_t)number(8 * i + 2),
                                .spec = number(8 * i + 3),
                                .checksum = number(8 * i + 4) };
        gw_frame_write(at, &in);
        ck_assert_int_eq(gw_frame_read(&out, at, NULL), GW_OK);
        expect_equal(&in, &out);
    }
}
END_TEST

START_TEST(one_and_two_flipped_bits)
{
    uint8_t header[GW_FRAME_HEADER];
    gw_frame_write(header, &sample);
    for (size_t a = 0; a < BITS; a++) {
        flip(header, a);
        expect_refused(header, "bit", a);
        for (size_t b = a + 1; b < BITS; b++) {
            flip(header, b);
            ck_assert_msg(gw_frame_read(&(struct gw_frame){ 0 }, header, NULL) == GW_EPAYLOAD,
                          "bits %zu and %zu flipped and not found", a, b);
            flip(header, b);
        }
        flip(header, a);
    }
    ck_assert_int_eq(gw_frame_read(&(struct gw_frame){ 0 }, header, NULL), GW_OK);
}
END_TEST

START_TEST(three_flipped_bits)
{
    for (uint64_t i = 0; i < 100000; i++) {
        uint8_t header[GW_FRAME_HEADER];
        gw_frame_write(header, &sample);
        uint64_t n = number(i);
        size_t a = n % BITS, b = (n >> 16) % BITS, c = (n >> 32) % BITS;
        if (a == b || b == c || a == c)
            continue;
        flip(header, a);
        flip(header, b);
        flip(header, c);
        expect_refused(header, "triple", i);
    }
}
END_TEST

/* Up to 64 bits in a row become others. */
START_TEST(bursts)
{
    for (uint64_t i = 0; i < 50000; i++) {
        uint8_t header[GW_FRAME_HEADER], before[GW_FRAME_HEADER];
        gw_frame_write(header, &sample);
        memcpy(before, header, sizeof header);
        uint64_t n = number(2 * i), pattern = number(2 * i + 1);
        size_t length = 1 + n % 64, first = (n >> 8) % (BITS - length + 1);
        for (size_t bit = 0; bit < length; bit++)
            if (pattern >> bit & 1)
                flip(header, first + bit);
        if (memcmp(before, header, sizeof header) != 0)
            expect_refused(header, "burst", i);
    }
}
END_TEST

START_TEST(noise_is_no_header)
{
    for (uint64_t i = 0; i < 20000; i++) {
        uint8_t header[GW_FRAME_HEADER];
        for (size_t at = 0; at < sizeof header; at += 8)
            gw_put_u64(header + at, number(8 * i + at / 8));
        if (i % 2) /* past the first look */
            memcpy(header, (const uint8_t[]){ 0x9d, 0x47, 0x57, 0x1a, 1, 0 }, 6);
        expect_refused(header, "noise", i);
    }
}
END_TEST

START_TEST(flipped_payloads)
{
    static const size_t lengths[] = { 1, 3, 4, 8, 9, 16, 17, 64, 128, 129, 240, 241, 1024, 1500 };
    uint8_t payload[1500];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)number(i);
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        size_t length = lengths[k], bits = 8 * length;
        uint64_t whole = gw_frame_checksum(payload, length);
        ck_assert_uint_eq(whole, XXH3_64bits(payload, length));
        ck_assert(whole != gw_frame_checksum(payload, length - 1));
        for (size_t bit = 0; bit < bits; bit++) {
            size_t second = number(bit) % bits;
            flip(payload, bit);
            ck_assert_msg(gw_frame_checksum(payload, length) != whole,
                          "bit %zu of %zu bytes flipped and not found", bit, length);
            flip(payload, second);
            ck_assert(second == bit || gw_frame_checksum(payload, length) != whole);
            flip(payload, second);
            flip(payload, bit);
        }
    }
}
END_TEST

START_TEST(beginnings)
{
    uint8_t header[GW_FRAME_HEADER];
    gw_frame_write(header, &sample);
    for (size_t bytes = 1; bytes <= GW_FRAME_HEADER; bytes++) {
        ck_assert_msg(gw_frame_begins(header, bytes), "the first %zu bytes are refused", bytes);
        for (size_t wrong = 0; wrong < 4 && wrong < bytes; wrong++) {
            header[wrong] ^= 1;
            ck_assert_msg(!gw_frame_begins(header, bytes), "byte %zu of %zu is wrong", wrong,
                          bytes);
            header[wrong] ^= 1;
        }
    }
    /* No text begins as a frame does, nor does TLS. */
    static const char *const others[] = { "GET / HTTP/1.1\r\n", "SSH-2.0-", "\x16\x03\x01", "{",
                                          "\n" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert(!gw_frame_begins((const uint8_t *)others[i], 1));
}
END_TEST

START_TEST(other_versions)
{
    static const uint16_t versions[] = { 0, GW_PROTOCOL_NEWEST + 1, 0x100, 0xffff };
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct gw_frame frame = sample;
        struct gw_error error;
        uint8_t header[GW_FRAME_HEADER];
        char number_text[16];
        frame.version = versions[i];
        gw_frame_write(header, &frame);
        ck_assert_int_eq(gw_frame_read(&frame, header, &error), GW_EPAYLOAD);
        snprintf(number_text, sizeof number_text, "version %u", versions[i]);
        ck_assert_msg(strstr(error.text, number_text) && strstr(error.text, "1 to 1"),
                      "the words do not name both sides: %s", error.text);
    }
}
END_TEST

START_TEST(type_names)
{
    for (unsigned type = 0; type < 256; type++) {
        char text[16];
        snprintf(text, sizeof text, "type %u", type);
        if (type == 0 || type > GW_FRAME_BYE)
            ck_assert_str_eq(gw_frame_type_name((uint8_t)type), text);
        else
            ck_assert_str_ne(gw_frame_type_name((uint8_t)type), text);
    }
    ck_assert_str_eq(gw_frame_type_name(GW_FRAME_HELLO), "HELLO");
    ck_assert_str_eq(gw_frame_type_name(GW_FRAME_BYE), "BYE");
}
END_TEST

int main(void)
{
    const char *given = getenv("GW_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : 1;
    Suite *suite = suite_create("frame");
    TCase *t = tcase_create("header");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, golden_bytes);
    tcase_add_test(t, any_fields_come_back);
    tcase_add_test(t, one_and_two_flipped_bits);
    tcase_add_test(t, three_flipped_bits);
    tcase_add_test(t, bursts);
    tcase_add_test(t, noise_is_no_header);
    tcase_add_test(t, flipped_payloads);
    tcase_add_test(t, beginnings);
    tcase_add_test(t, other_versions);
    tcase_add_test(t, type_names);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
