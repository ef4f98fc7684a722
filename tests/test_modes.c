/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Modes as text: what is taken, what it means in full, and the words for what is not. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/policy.h"

static const struct good {
    const char *spec, *full;
    struct gw_mode mode;
} good[] = {
    { "sync", "sync", { .kind = GW_MODE_SYNC } },
    { "sync:", "sync", { .kind = GW_MODE_SYNC } },
    { "async", "async", { .kind = GW_MODE_ASYNC } },
    { "ssp", "ssp:s=1", { .kind = GW_MODE_SSP, .staleness = 1 } },
    { "ssp:s=0", "ssp:s=0", { .kind = GW_MODE_SSP } },
    { "ssp:s=-0", "ssp:s=0", { .kind = GW_MODE_SSP } },
    { "ssp:s=1e6", "ssp:s=1000000", { .kind = GW_MODE_SSP, .staleness = 1000000 } },
    { "quorum", "quorum:k=2,grace=0us,late=fold", { .kind = GW_MODE_QUORUM, .quorum = 2 } },
    { "quorum:k=3,late=drop",
      "quorum:k=3,grace=0us,late=drop",
      { .kind = GW_MODE_QUORUM, .quorum = 3, .drop_late = true } },
    { "quorum:late=fold,grace=2ms,k=0x10",
      "quorum:k=16,grace=2000us,late=fold",
      { .kind = GW_MODE_QUORUM, .quorum = 16, .grace_ns = 2000000 } },
    { "quorum:grace=0.5",
      "quorum:k=2,grace=500000us,late=fold",
      { .kind = GW_MODE_QUORUM, .quorum = 2, .grace_ns = 500000000 } },
    { "quorum:grace=7ns",
      "quorum:k=2,grace=0.007us,late=fold",
      { .kind = GW_MODE_QUORUM, .quorum = 2, .grace_ns = 7 } },
    { "quorum:grace=-0s",
      "quorum:k=2,grace=0us,late=fold",
      { .kind = GW_MODE_QUORUM, .quorum = 2 } },
    /* Not "never", which is what 0 means. */
    { "quorum:grace=0.01ns",
      "quorum:k=2,grace=0.001us,late=fold",
      { .kind = GW_MODE_QUORUM, .quorum = 2, .grace_ns = 1 } },
    /* The text keeps nine digits, and the mode is what the text says. */
    { "quorum:grace=1234.567890123s",
      "quorum:k=2,grace=1.23456789e+09us,late=fold",
      { .kind = GW_MODE_QUORUM, .quorum = 2, .grace_ns = 1234567890000 } },
    { "quorum:grace=86400s",
      "quorum:k=2,grace=8.64e+10us,late=fold",
      { .kind = GW_MODE_QUORUM, .quorum = 2, .grace_ns = 86400000000000 } },
};

static void check_mode(const char *spec, const struct good *row)
{
    struct gw_mode mode;
    struct gw_error error = { 0 };
    char full[256] = "";
    gw_status s = gw_mode_parse(&mode, spec, full, sizeof full, &error);
    ck_assert_msg(s == GW_OK, "'%s': %s", spec, error.text);
    ck_assert_msg(strcmp(full, row->full) == 0, "'%s': expected '%s', got '%s'", spec, row->full,
                  full);
    ck_assert_int_eq(mode.kind, row->mode.kind);
    ck_assert_int_eq(mode.quorum, row->mode.quorum);
    ck_assert_int_eq(mode.grace_ns, row->mode.grace_ns);
    ck_assert_int_eq(mode.drop_late, row->mode.drop_late);
    ck_assert_uint_eq(mode.staleness, row->mode.staleness);
}

START_TEST(taken)
{
    check_mode(good[_i].spec, &good[_i]);
    check_mode(good[_i].full, &good[_i]);
}
END_TEST

static const struct bad {
    const char *spec, *words;
} bad[] = {
    { NULL, "valid: sync, quorum, async, ssp" },
    { "", "valid: sync, quorum, async, ssp" },
    { ":", "valid: sync, quorum, async, ssp" },
    { "snyc", "did you mean 'sync'?" },
    { "Sync", "did you mean 'sync'?" },
    { "sync ", "there is no mode" },
    { "sync:k=2", "sync takes no parameters" },
    { "quorum:n=2", "valid: k, grace, late" },
    { "quorum:k=0", "out of range: 1 to 1000000" },
    { "quorum:k=-1", "out of range" },
    { "quorum:k=1.5", "not a whole number" },
    { "quorum:k=nan", "not a whole number" },
    { "quorum:k=2,k=2", "given twice" },
    { "quorum:k", "needs a value" },
    { "quorum:k=2,", "nothing after the last comma" },
    { "quorum:late=keep", "valid: fold|drop" },
    { "quorum:grace=1h", "is not a time" },
    { "quorum:grace=86401", "out of range: 0 to 86400" },
    { "quorum:grace=-1ms", "out of range" },
    { "ssp:s=1000001", "out of range" },
    { "ssp:t=1", "did you mean 's'?" },
};

START_TEST(refused)
{
    const struct bad *row = &bad[_i];
    struct gw_mode mode = { .quorum = 77 };
    struct gw_error error = { 0 };
    char full[256] = "as it was";
    gw_status s = gw_mode_parse(&mode, row->spec, full, sizeof full, &error);
    ck_assert_msg(s == GW_ESPEC, "'%s': expected GW_ESPEC, got %s", row->spec, gw_status_name(s));
    ck_assert_msg(strstr(error.text, row->words) != NULL, "'%s': expected '%s' in '%s'", row->spec,
                  row->words, error.text);
    ck_assert_int_eq(mode.quorum, 77);
    ck_assert_str_eq(full, "as it was");
}
END_TEST

START_TEST(little_room)
{
    struct gw_mode mode;
    char full[8];
    ck_assert_int_eq(gw_mode_parse(&mode, "ssp", full, sizeof full, NULL), GW_OK);
    ck_assert_str_eq(full, "ssp:s=1");
    ck_assert_int_eq(gw_mode_parse(&mode, "ssp:s=10", full, sizeof full, NULL), GW_ECAPACITY);
    ck_assert_int_eq(gw_mode_parse(&mode, "ssp:s=10", NULL, 0, NULL), GW_OK);
}
END_TEST

/* Whatever the number, the full form is its own full form, and means the same. */
START_TEST(fixed_point)
{
    for (int i = 0; i < 20000; i++) {
        static const char *const units[] = { "ns", "us", "ms", "s" };
        char spec[64], full[256], again[256];
        struct gw_mode a, b;
        double value = (double)((unsigned)i * 2654435761u % 86400000u) * 0.001001001001;
        (void)snprintf(spec, sizeof spec, "quorum:grace=%.17g%s", value, units[i % 4]);
        gw_status s = gw_mode_parse(&a, spec, full, sizeof full, NULL);
        if (s)
            continue; /* out of range */
        ck_assert_int_eq(gw_mode_parse(&b, full, again, sizeof again, NULL), GW_OK);
        ck_assert_msg(strcmp(full, again) == 0 && a.grace_ns == b.grace_ns,
                      "'%s': '%s' (%lld ns), then '%s' (%lld ns)", spec, full,
                      (long long)a.grace_ns, again, (long long)b.grace_ns);
    }
}
END_TEST

START_TEST(table)
{
    int rows = 0;
    for (const struct gw_mode_info *row = gw_modes; row->name; row++, rows++) {
        struct gw_mode mode;
        ck_assert_ptr_nonnull(row->sentence);
        ck_assert_ptr_nonnull(row->paper);
        ck_assert_ptr_nonnull(row->params);
        ck_assert_int_eq(gw_mode_parse(&mode, row->name, NULL, 0, NULL), GW_OK);
        ck_assert_int_eq(mode.kind, row->kind);
    }
    ck_assert_int_eq(rows, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("modes");
    TCase *t = tcase_create("text");
    tcase_add_loop_test(t, taken, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(t, refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(t, little_room);
    tcase_add_test(t, fixed_point);
    tcase_add_test(t, table);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
