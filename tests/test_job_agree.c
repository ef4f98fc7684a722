/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a server and a worker make of each other's terms: each line with both sides silent, one
 * side, both alike and both unlike. */
#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/job.h"

/* Lines of a job, as a table of what may stand in them; the layout is the last one. */
static const struct line {
    const char *name, *one, *other;
    bool may_be_silent;
} lines[] = {
    { "job", "first", "second", false },
    { "servers", "2", "3", false },
    { "server", "0", "1", false },
    { "part", "1024", "2048", false },
    { "workers", "4", "5", true },
    { "seed", "1", "2", true },
    { "mode", "sync", "async", true },
    { "aggregator", "mean", "median", true },
    { "optimizer", "sgd", "adam", true },
    { "pull", "raw", "fp16", true },
    { "feedback", "shared", "worker", true },
    { "tensor", "10 raw w", "11 raw w", true },
};
enum { LINES = sizeof lines / sizeof *lines, SERVERS = 1, PART = 3, TENSOR = LINES - 1 };

enum says { NOTHING, ONE, OTHER };

/* A job in which line i says what `says` holds for it. */
static struct gw_job *job_of(const enum says *says)
{
    char text[1024] = "";
    size_t used = 0;
    for (int i = 0; i < LINES; i++)
        if (says[i] != NOTHING)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s: %s\n", lines[i].name,
                                     says[i] == ONE ? lines[i].one : lines[i].other);
    struct gw_job *job = NULL;
    struct gw_error error = { 0 };
    gw_status s = gw_job_read(&job, text, used, &error);
    ck_assert_msg(s == GW_OK, "%s in\n%s", error.text, text);
    return job;
}

static void expect_same(const struct gw_job *job, const char *text, const char *what, int line)
{
    char *got = gw_job_write(job);
    ck_assert_msg(strcmp(got, text) == 0, "line '%s', %s: expected\n%s\ngot\n%s", lines[line].name,
                  what, text, got);
    free(got);
}

static void check_words(const struct gw_error *error, int line)
{
    char name[32], words[200];
    /* A form in full begins as it was written. */
    (void)snprintf(name, sizeof name, "%s%s", lines[line].name,
                   strcmp(lines[line].name, "tensor") == 0 ? " 1" : "");
    (void)snprintf(words, sizeof words, "the server says %s: %s", name, lines[line].one);
    ck_assert_msg(strncmp(error->text, words, strlen(words)) == 0, "expected '%s...', got '%s'",
                  words, error->text);
    (void)snprintf(words, sizeof words, ", worker 3 says %s: %s", name, lines[line].other);
    ck_assert_msg(strstr(error->text, words) != NULL, "expected '%s' in '%s'", words, error->text);
}

/* Line _i with each of three by three sayings; the others all said, or all open where they may. */
START_TEST(matrix)
{
    for (int k = 0; k < 18; k++) {
        enum says ours[LINES], theirs[LINES], after[LINES];
        for (int i = 0; i < LINES; i++) {
            ours[i] = k / 9 && lines[i].may_be_silent ? NOTHING : ONE;
            theirs[i] = after[i] = ONE;
        }
        ours[_i] = (enum says)(k % 9 / 3);
        theirs[_i] = (enum says)(k % 3);
        if (!lines[_i].may_be_silent && (ours[_i] == NOTHING || theirs[_i] == NOTHING))
            continue;
        /* How a layout is cut is open to whom has none. */
        bool open = ours[_i] == NOTHING || (_i >= SERVERS && _i <= PART && ours[TENSOR] == NOTHING);
        bool fits = open || theirs[_i] == NOTHING || ours[_i] == theirs[_i];
        after[_i] = open ? theirs[_i] : ours[_i];
        struct gw_job *a = job_of(ours), *b = job_of(theirs), *c = job_of(fits ? after : ours);
        char *wanted = gw_job_write(c), *kept = gw_job_write(b);
        struct gw_error error = { 0 };
        gw_status s = gw_job_agree(a, b, 3, &error);
        ck_assert_msg(s == (fits ? GW_OK : GW_EMISMATCH), "line '%s': ours %d, theirs %d: %s, '%s'",
                      lines[_i].name, ours[_i], theirs[_i], gw_status_name(s), error.text);
        if (!fits && ours[_i] == ONE)
            check_words(&error, _i);
        expect_same(a, wanted, "the server's", _i);
        expect_same(b, kept, "the worker's", _i);
        free(wanted);
        free(kept);
        gw_job_close(a);
        gw_job_close(b);
        gw_job_close(c);
    }
}
END_TEST

static gw_status agree(const char *ours, const char *theirs, struct gw_error *error)
{
    static const char head[] = "job: j\nservers: 1\nserver: 0\npart: 1024\n";
    char text[8192];
    struct gw_job *a = NULL, *b = NULL;
    int n = snprintf(text, sizeof text, "%s%s", head, ours);
    ck_assert_int_eq(gw_job_read(&a, text, (size_t)n, error), GW_OK);
    n = snprintf(text, sizeof text, "%s%s", head, theirs);
    ck_assert_int_eq(gw_job_read(&b, text, (size_t)n, error), GW_OK);
    gw_status s = gw_job_agree(a, b, 3, error);
    gw_job_close(a);
    gw_job_close(b);
    return s;
}

START_TEST(words)
{
    struct gw_error error = { 0 };
    ck_assert_int_eq(agree("mode: sync\n", "mode: async\n", &error), GW_EMISMATCH);
    ck_assert_str_eq(error.text, "the server says mode: sync, worker 3 says mode: async");
    ck_assert_int_eq(agree("tensor: 1 raw a\ntensor: 2 raw b\n", "tensor: 1 raw a\n", &error),
                     GW_EMISMATCH);
    ck_assert_str_eq(error.text, "the server says tensor 2: 2 raw b, worker 3 says tensor 2: none");
    ck_assert_int_eq(agree("tensor: 1 raw a\n", "tensor: 1 raw b\n", &error), GW_EMISMATCH);
    ck_assert_str_eq(error.text,
                     "the server says tensor 1: 1 raw a, worker 3 says tensor 1: 1 raw b");
}
END_TEST

/* Two names that are alike for longer than an error has room. */
START_TEST(long_values)
{
    char a[400], b[400], name[251];
    struct gw_error error = { 0 };
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(a, sizeof a, "tensor: 1 raw %sLEFT\n", name);
    (void)snprintf(b, sizeof b, "tensor: 1 raw %sRITE\n", name);
    ck_assert_int_eq(agree(a, b, &error), GW_EMISMATCH);
    ck_assert_msg(strstr(error.text, "LEFT") && strstr(error.text, "RITE"), "%s", error.text);
    ck_assert_uint_lt(strlen(error.text), GW_ERROR_TEXT - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job_agree");
    TCase *t = tcase_create("agree");
    tcase_add_loop_test(t, matrix, 0, LINES);
    tcase_add_test(t, words);
    tcase_add_test(t, long_values);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
