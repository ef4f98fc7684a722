/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every allocation of opening and running a codec fails once: GW_ENOMEM comes back, nothing leaks,
 * and a run that failed for it can be repeated. */
#include <gradwire/codec.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scarce_memory.h"

enum { COUNT = 100 };

static const char *const specs[] = { "clip+momentum+ef+qsgd", "ef+int:bucket=10",
                                     "momentum+vote:ties=previous", "ef+topk" };

/* Returns 1 once nothing failed any more. */
static int attempt(const char *spec, long site)
{
    static float x[COUNT], out[COUNT];
    static char payload[4096];
    const gw_codec_options options = { .nonfinite = GW_NONFINITE_ZERO };
    size_t written;
    gw_codec *c = NULL;
    x[3] = NAN;
    long before = scarce_alive();
    scarce_at(site);
    gw_status opened = gw_codec_open(&c, spec, COUNT, &options);
    if (opened) {
        long failed = scarce_end(), left = scarce_alive() - before;
        ck_assert_msg(opened == GW_ENOMEM && failed == 1, "%s, site %ld: %s: %s", spec, site,
                      gw_status_name(opened), gw_codec_error(NULL));
        ck_assert_msg(left == 0, "%s, site %ld: %ld leaked", spec, site, left);
        return 0;
    }
    gw_status ran = gw_encode(c, x, payload, sizeof payload, &written);
    long failed = scarce_end();
    ck_assert_msg(ran == (failed ? GW_ENOMEM : GW_OK), "%s, site %ld: %s: %s", spec, site,
                  gw_status_name(ran), gw_codec_error(c));
    if (ran)
        ck_assert_int_eq(gw_encode(c, x, payload, sizeof payload, &written), GW_OK);
    ck_assert_int_eq(gw_decode(c, 0, COUNT, payload, written, out), GW_OK);
    gw_codec_close(c);
    long left = scarce_alive() - before;
    ck_assert_msg(left == 0, "%s, site %ld: %ld leaked", spec, site, left);
    return failed == 0;
}

START_TEST(every_allocation_may_fail)
{
    long site = 0;
    while (!attempt(specs[_i], site))
        site++;
    ck_assert_msg(site >= 6, "%s: only %ld allocations were walked", specs[_i], site);
}
END_TEST

/* The list of topk only saves time: without the memory for it the bytes are the same. */
START_TEST(topk_needs_no_memory)
{
    enum { MANY = 20000 };
    static float x[MANY];
    static uint8_t with[MANY], without[MANY];
    size_t bytes[2];
    gw_codec *c = NULL;
    for (int i = 0; i < MANY; i++)
        x[i] = (float)((unsigned)i * 2654435761u % 100000) - 50000.0f;
    ck_assert_int_eq(gw_codec_open(&c, "topk", MANY, NULL), GW_OK);
    ck_assert_int_eq(gw_encode(c, x, with, sizeof with, &bytes[0]), GW_OK);
    long before = scarce_alive();
    scarce_from(0);
    gw_status s = gw_encode(c, x, without, sizeof without, &bytes[1]);
    long failed = scarce_end(), left = scarce_alive() - before;
    ck_assert_int_eq(s, GW_OK);
    ck_assert_msg(failed > 0, "the encoder asked for no memory");
    ck_assert_int_eq(left, 0);
    ck_assert_uint_eq(bytes[0], bytes[1]);
    ck_assert_mem_eq(with, without, bytes[0]);
    gw_codec_close(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_memory");
    TCase *tcase = tcase_create("codec_memory");
    tcase_add_loop_test(tcase, every_allocation_may_fail, 0, 4);
    tcase_add_test(tcase, topk_needs_no_memory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
