/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Chains: specs to instances and back, and the words of what is wrong with a spec. */
#include "compress/codec.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const struct gw_codec_site site = { .tensor = "w", .count = 10, .ranks = 1 };

static const char *refusal(const char *spec)
{
    static struct gw_error error;
    gw_codec *c = NULL;
    gw_error_clear(&error);
    gw_status s = gw_codec_open_site(&c, spec, &site, &error);
    ck_assert_msg(s == GW_ESPEC || s == GW_ENOTSUP, "spec '%s': got %s, expected a refusal", spec,
                  gw_status_name(s));
    ck_assert_ptr_null(c);
    return error.text;
}

static void expect_words(const char *spec, const char *words)
{
    const char *text = refusal(spec);
    ck_assert_msg(strstr(text, words) != NULL, "spec '%s': got '%s', expected '%s' in it", spec,
                  text, words);
}

START_TEST(every_row_opens_with_its_defaults)
{
    const struct gw_codec_row *row = gw_codec_rows[_i];
    char spec[64], canonical[512], again[512];
    int wrapper = (row->info.traits & GW_WRAPPER) != 0;
    snprintf(spec, sizeof spec, "%s%s", row->info.name, wrapper ? "+raw" : "");
    const struct gw_codec_row *core = NULL;
    struct gw_error error = { 0 };
    ck_assert_msg(!gw_codec_canonical(spec, canonical, sizeof canonical, &core, &error), "%s: %s",
                  spec, error.text);
    ck_assert_str_eq(core->info.name, wrapper ? "raw" : row->info.name);
    /* The canonical form is its own canonical form. */
    ck_assert_int_eq(gw_codec_canonical(canonical, again, sizeof again, NULL, &error), GW_OK);
    ck_assert_str_eq(canonical, again);
}
END_TEST

START_TEST(rows_are_described)
{
    const gw_codec_info *info = gw_info_codec((size_t)_i);
    const struct gw_codec_row *row = gw_codec_rows[_i];
    ck_assert_ptr_eq(info, &row->info);
    ck_assert(*info->name && *info->sentence && info->paper && info->params);
    for (const gw_param *p = info->params; p->key; p++)
        ck_assert_msg(*p->key && p->standard && p->unit && *p->sentence, "%s: parameter %s",
                      info->name, p->key);
    for (int i = 0; gw_codec_rows[i]; i++)
        if (i != _i && row->wire_id)
            ck_assert_uint_ne(gw_codec_rows[i]->wire_id, row->wire_id);
}
END_TEST

START_TEST(wrong_specs_are_explained)
{
    expect_words("rav", "did you mean 'raw'");
    expect_words("nonsense", "valid: raw");
    expect_words("", "name is missing");
    expect_words("raw+", "cannot stand before '+'");
    expect_words("raw:bits=4", "raw takes no parameters");
    expect_words("ef", "stands in front of a codec");
    expect_words("ef+", "name is missing");
    expect_words("raw+ef", "raw cannot stand before '+'; these can: ");
    expect_words("ef+ef+sign", "ef is given twice");
    expect_words("momentum:beta=2+raw", "0 to");
    expect_words("momentum:bet=0.9+raw", "did you mean 'beta'");
    expect_words("qsgd:bit=4", "did you mean 'bits'");
    expect_words("qsgd:bits=9", "1 to 8");
    expect_words("ef+vote", "vote");
}
END_TEST

START_TEST(canonical_spec_is_complete)
{
    char out[256];
    struct gw_error error = { 0 };
    ck_assert_int_eq(
        gw_codec_canonical("clip+momentum:beta=0.5+ef+topk", out, sizeof out, NULL, &error), GW_OK);
    ck_assert_str_eq(out, "clip:sigma=2.5+momentum:beta=0.5+ef+topk:ratio=0.01");
    ck_assert_int_eq(gw_codec_canonical("raw", out, 3, NULL, &error), GW_ECAPACITY);
    ck_assert_int_eq(gw_codec_canonical("raw", out, 4, NULL, &error), GW_OK);
}
END_TEST

START_TEST(only_raw_takes_other_types)
{
    struct gw_codec_site other = site;
    struct gw_error error = { 0 };
    gw_codec *c = NULL;
    other.type = GW_I32;
    ck_assert_int_eq(gw_codec_open_site(&c, "topk", &other, &error), GW_ENOTSUP);
    ck_assert_int_eq(gw_codec_open_site(&c, "ef+raw", &other, &error), GW_ENOTSUP);
    ck_assert_int_eq(gw_codec_open_site(&c, "raw", &other, &error), GW_OK);
    gw_codec_close(c);
    other = site;
    other.operation = GW_MAX;
    ck_assert_int_eq(gw_codec_open_site(&c, "topk", &other, &error), GW_ENOTSUP);
    gw_codec_close(NULL);
}
END_TEST

START_TEST(public_open_reports)
{
    gw_codec *c = NULL;
    ck_assert_int_eq(gw_codec_open(&c, "rav", 1, NULL), GW_ESPEC);
    ck_assert_ptr_nonnull(strstr(gw_codec_error(NULL), "raw"));
    gw_codec_options options = { .ranks = -1 };
    ck_assert_int_eq(gw_codec_open(&c, "raw", 1, &options), GW_EINVAL);
    ck_assert_int_eq(gw_codec_open(&c, "raw", 1, NULL), GW_OK);
    ck_assert_str_eq(gw_codec_spec(c), "raw");
    gw_codec_close(c);
}
END_TEST

int main(void)
{
    int rows = 0;
    while (gw_codec_rows[rows])
        rows++;
    Suite *suite = suite_create("chain");
    TCase *tcase = tcase_create("chain");
    tcase_add_loop_test(tcase, every_row_opens_with_its_defaults, 0, rows);
    tcase_add_loop_test(tcase, rows_are_described, 0, rows);
    tcase_add_test(tcase, wrong_specs_are_explained);
    tcase_add_test(tcase, canonical_spec_is_complete);
    tcase_add_test(tcase, only_raw_takes_other_types);
    tcase_add_test(tcase, public_open_reports);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
