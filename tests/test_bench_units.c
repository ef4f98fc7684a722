/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The bench's arithmetic and inputs. */
#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench_input.h"
#include "tools/bench_units.h"
#include "tools/numbers.h"

static const struct {
    const char *text;
    size_t bytes; /* 0: refused */
} sizes[] = {
    { "1", 1 },           { "4096", 4096 },    { "64K", 65536 },
    { "64k", 65536 },     { "1.5M", 1572864 }, { "2G", 2147483648u },
    { "0.5K", 512 },      { "0", 0 },          { "", 0 },
    { "K", 0 },           { "-4", 0 },         { " 4", 0 },
    { "4 K", 0 },         { "4KB", 0 },        { "4Q", 0 },
    { "nan", 0 },         { "inf", 0 },        { "1e400", 0 },
    { "9999999999G", 0 }, { "0.1", 0 },
};

START_TEST(sizes_are_read)
{
    size_t bytes = 77, expected = sizes[_i].bytes;
    int result = bench_parse_size(&bytes, sizes[_i].text);
    ck_assert_msg(result == (expected ? 0 : -1), "'%s': result %d", sizes[_i].text, result);
    ck_assert_msg(bytes == (expected ? expected : 77), "'%s': got %zu, expected %zu",
                  sizes[_i].text, bytes, expected);
}
END_TEST

START_TEST(numbers_are_read)
{
    double number = 7;
    int count = 7;
    enum bench_op op = BENCH_BROADCAST;
    ck_assert_int_eq(bench_parse_number(&number, "1.25", 1), 0);
    ck_assert(number == 1.25);
    ck_assert_int_eq(bench_parse_number(&number, "1", 1), -1);
    ck_assert_int_eq(bench_parse_number(&number, "2x", 1), -1);
    ck_assert(number == 1.25);
    ck_assert_int_eq(tool_parse_int(&count, "20", 1, INT_MAX), 0);
    ck_assert_int_eq(count, 20);
    ck_assert_int_eq(tool_parse_int(&count, "0", 1, INT_MAX), -1);
    ck_assert_int_eq(tool_parse_int(&count, "1.5", 1, INT_MAX), -1);
    ck_assert_int_eq(tool_parse_int(&count, "99999999999", 1, INT_MAX), -1);
    ck_assert_int_eq(tool_parse_int(&count, "", 0, INT_MAX), -1);
    ck_assert_int_eq(count, 20);
    ck_assert_int_eq(bench_parse_op(&op, "reduce_scatter"), 0);
    ck_assert_int_eq(op, BENCH_REDUCE_SCATTER);
    ck_assert_int_eq(bench_parse_op(&op, "reduce"), -1);
}
END_TEST

START_TEST(words_have_places)
{
    static const char *const words[] = { "caller", "thread", NULL };
    int place = 7;
    ck_assert_int_eq(bench_parse_word(&place, "thread", words), 0);
    ck_assert_int_eq(place, 1);
    ck_assert_int_eq(bench_parse_word(&place, "threads", words), -1);
    ck_assert_int_eq(place, 1);
}
END_TEST

START_TEST(overlap_is_a_share_of_the_collective)
{
    static const double cases[][4] = { /* pure, compute, overall, percent */
                                       { 10, 10, 10, 100 }, { 10, 10, 20, 0 }, { 10, 10, 15, 50 },
                                       { 10, 40, 41, 90 },  { 10, 10, 25, 0 }, { 10, 10, 9, 100 }
    };
    double got = bench_overlap_share(cases[_i][0], cases[_i][1], cases[_i][2]);
    ck_assert_msg(fabs(got - cases[_i][3]) < 1e-9, "case %d: got %g, expected %g", _i, got,
                  cases[_i][3]);
}
END_TEST

START_TEST(sizes_grow)
{
    ck_assert_uint_eq(bench_next_size(65536, 4), 262144);
    ck_assert_uint_eq(bench_next_size(4, 1.01), 8);
    ck_assert_uint_eq(bench_size_count(65536, BENCH_ALLREDUCE, 3), 16384);
    ck_assert_uint_eq(bench_size_count(65536, BENCH_ALLGATHER, 3), 16383);
    ck_assert_uint_eq(bench_size_count(1, BENCH_REDUCE_SCATTER, 5), 5);
    ck_assert_uint_eq(bench_size_count(1, BENCH_BROADCAST, 5), 1);
}
END_TEST

START_TEST(times_are_summarized)
{
    double seconds[200];
    for (int i = 0; i < 200; i++)
        seconds[i] = 200 - i;
    struct bench_times times = bench_summarize(seconds, 200);
    ck_assert(times.min == 1 && times.max == 200);
    ck_assert_msg(times.p50 == 100, "p50 %g, expected 100", times.p50);
    ck_assert_msg(times.p99 == 198, "p99 %g, expected 198", times.p99);
    ck_assert_msg(times.avg == 100.5, "avg %g, expected 100.5", times.avg);
    double one = 3;
    times = bench_summarize(&one, 1);
    ck_assert(times.min == 3 && times.p50 == 3 && times.avg == 3 && times.p99 == 3);
}
END_TEST

START_TEST(bus_factors_are_those_of_nccl_tests)
{
    ck_assert(bench_bus_factor(BENCH_ALLREDUCE, 4) == 1.5);
    ck_assert(bench_bus_factor(BENCH_REDUCE_SCATTER, 4) == 0.75);
    ck_assert(bench_bus_factor(BENCH_ALLGATHER, 4) == 0.75);
    ck_assert(bench_bus_factor(BENCH_BROADCAST, 4) == 1);
    ck_assert(bench_bus_factor(BENCH_ALLREDUCE, 1) == 0);
}
END_TEST

START_TEST(errors_are_measured)
{
    const double exact[] = { 1, -2, 3, 0 }, tolerance[] = { 0.05, 1, 1, 1 };
    const float shrunk[] = { 0.5f, -1, 1.5f, 0 }, same[] = { 1, -2, 3, 0 };
    struct bench_errors errors = { 0 };
    bench_errors_add(&errors, shrunk, exact, tolerance, 4);
    ck_assert(fabs(bench_nmse(&errors) - 0.25) < 1e-12);
    ck_assert(fabs(bench_cosine(&errors) - 1) < 1e-12);
    ck_assert(fabs(bench_bias(&errors) + 0.5) < 1e-12);
    ck_assert_msg(errors.wrong == 2, "wrong %g, expected 2 (the first and the third)",
                  errors.wrong);
    errors = (struct bench_errors){ 0 };
    bench_errors_add(&errors, same, exact, tolerance, 4);
    ck_assert(bench_nmse(&errors) == 0 && bench_bias(&errors) == 0 && errors.wrong == 0);
    const float broken[] = { NAN };
    bench_errors_add(&errors, broken, exact, tolerance, 1);
    ck_assert(errors.wrong == 1);
    errors = (struct bench_errors){ 0 };
    ck_assert(bench_nmse(&errors) == 0 && bench_cosine(&errors) == 1);
}
END_TEST

START_TEST(digests_see_every_bit)
{
    unsigned char data[21] = { 0 };
    for (size_t bytes = 1; bytes <= sizeof data; bytes++) {
        uint64_t before = bench_digest(data, bytes);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            data[bit / 8] ^= (unsigned char)(1u << bit % 8);
            ck_assert_msg(bench_digest(data, bytes) != before, "%zu bytes, bit %zu", bytes, bit);
            data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        ck_assert(bench_digest(data, bytes) == before);
        ck_assert(bench_digest(data, bytes) != bench_digest(data, bytes - 1));
    }
}
END_TEST

enum { MANY = 100000 };

static struct bench_input *open_input(const char *dist)
{
    char error[256] = "";
    struct bench_input *input = bench_input_open(dist, 7, error, sizeof error);
    ck_assert_msg(input != NULL, "%s: %s", dist, error);
    return input;
}

static int same(const void *a, const void *b, size_t bytes)
{
    return memcmp(a, b, bytes) == 0;
}

START_TEST(inputs_are_functions_of_rank_and_element)
{
    static const char *const dists[] = { "normal", "laplace", "sparse" };
    struct bench_input *input = open_input(dists[_i]);
    float *whole = malloc(MANY * sizeof *whole), part[101], other[101];
    ck_assert_ptr_nonnull(whole);
    bench_input_fill(input, 2, MANY, 0, MANY, whole);
    bench_input_fill(input, 2, MANY, 333, 101, part);
    bench_input_fill(input, 3, MANY, 333, 101, other);
    ck_assert_msg(same(part, whole + 333, sizeof part), "%s: parts differ", dists[_i]);
    ck_assert_msg(_i == 2 || !same(part, other, sizeof part), "%s: ranks agree", dists[_i]);
    double sum = 0, square = 0;
    size_t zeros = 0;
    for (size_t i = 0; i < MANY; i++) {
        sum += whole[i];
        square += (double)whole[i] * whole[i];
        zeros += whole[i] == 0;
    }
    /* Standard deviations of these at 1e5 elements: 0.003, at most 0.007; of the share 3e-4. */
    double variance = _i == 2 ? 0.01 : 1;
    ck_assert_msg(fabs(sum / MANY) < 0.02, "%s: mean %g, seed 7", dists[_i], sum / MANY);
    ck_assert_msg(fabs(square / MANY / variance - 1) < (_i == 2 ? 0.3 : 0.04),
                  "%s: variance %g, expected %g, seed 7", dists[_i], square / MANY, variance);
    double share = (double)zeros / MANY;
    ck_assert_msg(_i == 2 ? fabs(share - 0.99) < 0.002 : share == 0, "%s: zeros %g", dists[_i],
                  share);
    free(whole);
    bench_input_close(input);
}
END_TEST

START_TEST(files_are_read_around)
{
    char path[] = "/tmp/gradwire-bench-XXXXXX", dist[64];
    const float stored[] = { 1, 2, 3, 4, 5 };
    float got[4];
    int fd = mkstemp(path);
    ck_assert(fd >= 0 && write(fd, stored, sizeof stored) == (ssize_t)sizeof stored);
    close(fd);
    snprintf(dist, sizeof dist, "file:%s", path);
    struct bench_input *input = open_input(dist);
    unlink(path);
    bench_input_fill(input, 1, 3, 0, 4, got);
    const float expected[] = { 4, 5, 1, 2 };
    ck_assert_msg(same(got, expected, sizeof got), "got %g %g %g %g", got[0], got[1], got[2],
                  got[3]);
    bench_input_close(input);
}
END_TEST

START_TEST(unknown_inputs_are_refused)
{
    static const char *const dists[] = { "uniform", "", "file:", "file:/nowhere/x",
                                         "file:/dev/null" };
    char error[256] = "";
    ck_assert_ptr_null(bench_input_open(dists[_i], 1, error, sizeof error));
    ck_assert_msg(error[0] != '\0', "'%s': no words", dists[_i]);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("units");
    tcase_add_loop_test(cases, sizes_are_read, 0, sizeof sizes / sizeof sizes[0]);
    tcase_add_test(cases, numbers_are_read);
    tcase_add_test(cases, words_have_places);
    tcase_add_loop_test(cases, overlap_is_a_share_of_the_collective, 0, 6);
    tcase_add_test(cases, sizes_grow);
    tcase_add_test(cases, times_are_summarized);
    tcase_add_test(cases, bus_factors_are_those_of_nccl_tests);
    tcase_add_test(cases, errors_are_measured);
    tcase_add_test(cases, digests_see_every_bit);
    tcase_add_loop_test(cases, inputs_are_functions_of_rank_and_element, 0, 3);
    tcase_add_test(cases, files_are_read_around);
    tcase_add_loop_test(cases, unknown_inputs_are_refused, 0, 5);
    Suite *suite = suite_create("bench_units");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
