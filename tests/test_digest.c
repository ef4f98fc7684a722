/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The rows of gw_digest give xxHash's own number, for every length around its limits and at every
 * alignment. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/digest.h"

enum { BYTES = 70000 };

static const size_t lengths[] = { 0,   1,   3,   4,    8,    9,    16,   17,    128,   129,
                                  240, 241, 256, 1023, 1024, 1025, 4096, 16385, 65536, 69900 };

START_TEST(rows_agree)
{
    static uint8_t data[BYTES];
    size_t bytes = lengths[_i];
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    for (size_t shift = 0; shift < 65; shift++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint64_t wanted = XXH3_64bits_withSeed(data + shift, bytes, seed * 0x9e3779b97f4a7c15u);
            const uint64_t got[] = {
                gw_digest(data + shift, bytes, seed * 0x9e3779b97f4a7c15u),
                gw_digest_any(data + shift, bytes, seed * 0x9e3779b97f4a7c15u),
#ifdef GW_X86
                __builtin_cpu_supports("avx2")
                    ? gw_digest_avx2(data + shift, bytes, seed * 0x9e3779b97f4a7c15u)
                    : wanted,
#endif
            };
            for (size_t row = 0; row < sizeof got / sizeof got[0]; row++)
                ck_assert_msg(got[row] == wanted,
                              "row %zu, %zu bytes at %zu, seed %d: expected %016llx, got %016llx",
                              row, bytes, shift, (int)seed, (unsigned long long)wanted,
                              (unsigned long long)got[row]);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *rows = tcase_create("rows");
    tcase_add_loop_test(rows, rows_agree, 0, sizeof lengths / sizeof lengths[0]);
    suite_add_tcase(suite, rows);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
