/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The scalar kernels, to which all others are held, against the words of their headers; and which
 * set is taken. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "compress/kernels/table.h"

/* The layout in the words of kernels.h, element by element. */
START_TEST(layout)
{
    unsigned bits = (unsigned)_i;
    uint8_t codes[GW_GROUP], packed[GW_GROUP];
    for (size_t i = 0; i < GW_GROUP; i++)
        codes[i] = (uint8_t)(gw_mix64(i + 1) & ((1u << bits) - 1));
    gw_kernels_scalar.pack(codes, GW_GROUP, bits, packed);
    for (unsigned e = 0; e < GW_GROUP; e++) {
        unsigned got = 0, done = 0;
        const uint8_t *section = packed;
        for (unsigned w = 8; w; w /= 2) {
            if (!(bits & w))
                continue;
            unsigned row = e / (16 * (32 / w)), lane = e % 16, at = e / 16 % (32 / w) * w;
            got |= (gw_get_u32(section + 64 * row + 4 * lane) >> at & ((1u << w) - 1)) << done;
            done += w;
            section += 64 * w;
        }
        ck_assert_msg(got == codes[e], "bits %u: element %u is %u, expected %u", bits, e, got,
                      codes[e]);
    }
}
END_TEST

/* All 65,536 halves decode and encode to themselves; NaN stays NaN. */
START_TEST(half_round_trip)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float x = gw_fp16_to_float((uint16_t)h);
        int good = (h & 0x7fff) > 0x7c00 ? isnan(x) : gw_float_to_fp16(x) == h;
        if (!good)
            ck_abort_msg("half %04x decodes to %g, which encodes to %04x", h, (double)x,
                         gw_float_to_fp16(x));
    }
    ck_assert_uint_eq(gw_float_to_fp16(1.0f + 0x1p-11f), 0x3c00);
    ck_assert_uint_eq(gw_float_to_fp16(1.0f + 0x1.8p-10f), 0x3c02);
    ck_assert_uint_eq(gw_float_to_fp16(0x1p-25f), 0);
    ck_assert_uint_eq(gw_float_to_fp16(0x1.8p-24f), 2);
    ck_assert_uint_eq(gw_float_to_fp16(FLT_MAX), 0x7bff);
    ck_assert_uint_eq(gw_float_to_bf16(-FLT_MAX), 0xff7f);
    ck_assert_uint_eq(gw_float_to_bf16(1.0f + 0x1p-8f), 0x3f80);
}
END_TEST

START_TEST(choice)
{
    const struct gw_kernels *row = NULL;
    struct gw_error error;
    for (size_t i = 0; gw_kernel_rows[i]; i++) {
        setenv("GRADWIRE_KERNELS", gw_kernel_rows[i]->name, 1);
        gw_status s = gw_kernels_choose(&row, &error);
        if (gw_kernel_rows[i]->usable())
            ck_assert(s == GW_OK && row == gw_kernel_rows[i]);
        else
            ck_assert_int_eq(s, GW_ESPEC);
    }
    setenv("GRADWIRE_KERNELS", "abacus", 1);
    ck_assert_int_eq(gw_kernels_choose(&row, &error), GW_ESPEC);
    ck_assert_msg(strstr(error.text, "scalar"), "words name no usable set: %s", error.text);
    unsetenv("GRADWIRE_KERNELS");
    ck_assert_int_eq(gw_kernels_choose(&row, &error), GW_OK);
    ck_assert(row->usable());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scalar");
    TCase *tcase = tcase_create("scalar");
    tcase_add_loop_test(tcase, layout, 1, 9);
    tcase_add_test(tcase, half_round_trip);
    tcase_add_test(tcase, choice);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
