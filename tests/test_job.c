/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A job's terms as text: there and back, one form for what means the same, and any bytes refused
 * with the line and a reason, in time that grows with the text alone. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/job.h"

#define HEAD "job: j\nservers: 2\nserver: 1\npart: 1024\n"

static struct gw_job *open_job(void)
{
    struct gw_job *job = NULL;
    struct gw_error error = { 0 };
    const gw_tensor tensors[] = { { "layer1.weight", 1000 },
                                  { "layer1.bias", 10 },
                                  { "a name with blanks ", (size_t)1 << 33 } };
    const gw_rule rules[] = { { "*.bias", "raw" }, { "layer*", "ef+qsgd:bits=4" } };
    ck_assert_int_eq(gw_job_open(&job, "night-run_3.b", &error), GW_OK);
    ck_assert_int_eq(gw_job_set(job, GW_TERM_MODE, "quorum:k=3", &error), GW_OK);
    ck_assert_int_eq(gw_job_set(job, GW_TERM_SEED, "18446744073709551615", &error), GW_OK);
    gw_status s = gw_job_set_layout(job, tensors, 3, "sign", rules, 2, &error);
    ck_assert_msg(s == GW_OK, "%s", error.text);
    return job;
}

static struct gw_job *read_job(const char *text, size_t length)
{
    struct gw_job *job = NULL;
    struct gw_error error = { 0 };
    gw_status s = gw_job_read(&job, text, length, &error);
    ck_assert_msg(s == GW_OK, "%s", error.text);
    return job;
}

START_TEST(there_and_back)
{
    struct gw_job *job = open_job();
    job->servers = 5;
    job->server = 4;
    job->part_count = 4096;
    char *text = gw_job_write(job);
    struct gw_job *again = read_job(text, strlen(text));
    char *text_again = gw_job_write(again);
    ck_assert_str_eq(text, text_again);
    ck_assert_str_eq(again->name, "night-run_3.b");
    ck_assert_uint_eq(again->id, job->id);
    ck_assert_int_eq(again->servers, 5);
    ck_assert_int_eq(again->server, 4);
    ck_assert_uint_eq(again->part_count, 4096);
    ck_assert_ptr_null(again->term[GW_TERM_OPTIMIZER]);
    ck_assert_str_eq(again->term[GW_TERM_MODE], "quorum:k=3,grace=0us,late=fold");
    ck_assert_uint_eq(again->tensors, 3);
    ck_assert_str_eq(again->tensor[2].name, "a name with blanks ");
    ck_assert_uint_eq(again->tensor[2].count, (size_t)1 << 33);
    ck_assert_ptr_nonnull(strstr(again->tensor[0].push, "ef+qsgd:bits=4,"));
    ck_assert_str_eq(again->tensor[1].push, "raw");
    ck_assert_int_eq(strncmp(again->tensor[2].push, "sign", 4), 0);
    free(text);
    free(text_again);
    gw_job_close(job);
    gw_job_close(again);
    gw_job_close(NULL);
}
END_TEST

/* ---- terms ----------------------------------------------------------------------------------- */

static const struct same {
    enum gw_term term;
    const char *a, *b;
} same[] = {
    { GW_TERM_WORKERS, "4", "004" },
    { GW_TERM_SEED, "0", "00" },
    { GW_TERM_MODE, "ssp", "ssp:s=1" },
    { GW_TERM_MODE, "quorum:grace=1ms", "quorum:late=fold,grace=1000us,k=2" },
    { GW_TERM_FEEDBACK, "worker", "worker" },
    { GW_TERM_PULL, "qsgd:bits=4", "qsgd:norm=max,bits=4.0" },
    { GW_TERM_PULL, "int8", "qsgd:rounding=nearest,bits=8" },
    { GW_TERM_OPTIMIZER, "sgd", "sgd:lr=0.1" },
    { GW_TERM_OPTIMIZER, "adam:lr=0.0010", "adam:lr=1e-3" },
    { GW_TERM_AGGREGATOR, "mean", "mean:" },
    { GW_TERM_AGGREGATOR, "trimmed", "trimmed:cut=0.1" },
};

START_TEST(one_form)
{
    const struct same *row = &same[_i];
    struct gw_job *job = open_job();
    struct gw_error error = { 0 };
    ck_assert_msg(gw_job_set(job, row->term, row->a, &error) == GW_OK, "%s", error.text);
    char *first = strdup(job->term[row->term]);
    ck_assert_msg(gw_job_set(job, row->term, row->b, &error) == GW_OK, "%s", error.text);
    ck_assert_str_eq(job->term[row->term], first);
    ck_assert_msg(gw_job_set(job, row->term, first, &error) == GW_OK, "%s", error.text);
    ck_assert_str_eq(job->term[row->term], first);
    ck_assert_int_eq(gw_job_set(job, row->term, "", &error), GW_OK);
    ck_assert_ptr_null(job->term[row->term]);
    ck_assert_int_eq(gw_job_set(job, row->term, NULL, &error), GW_OK);
    free(first);
    gw_job_close(job);
}
END_TEST

static const struct {
    enum gw_term term;
    const char *value, *words;
} wrong[] = {
    { GW_TERM_WORKERS, "0", "workers: '0' is not a whole number from 1 to 1000000" },
    { GW_TERM_WORKERS, "1000001", "whole number" },
    { GW_TERM_WORKERS, "-1", "whole number" },
    { GW_TERM_WORKERS, "4 ", "blanks" },
    { GW_TERM_SEED, "18446744073709551616", "whole number" },
    { GW_TERM_SEED, "000000000000000000001", "whole number" },
    { GW_TERM_MODE, "snyc", "did you mean 'sync'?" },
    { GW_TERM_FEEDBACK, "shard", "did you mean 'shared'?" },
    { GW_TERM_FEEDBACK, "both", "valid: shared, worker" },
    { GW_TERM_PULL, "ef+sign", "cannot be pulled" },
    { GW_TERM_PULL, "vote", "cannot be pulled" },
    { GW_TERM_OPTIMIZER, "adan", "did you mean 'adam'?" },
    { GW_TERM_AGGREGATOR, "maen", "did you mean 'mean'?" },
    { GW_TERM_OPTIMIZER, "sgd\nmode: async", "blanks" },
    { GW_TERM_AGGREGATOR, "mean x", "blanks" },
    { GW_TERM_PULL, "raw\x80", "printable" },
};

START_TEST(wrong_terms)
{
    struct gw_job *job = open_job();
    struct gw_error error = { 0 };
    const char *standard = gw_term_standard(wrong[_i].term);
    ck_assert_int_eq(gw_job_set(job, wrong[_i].term, standard, NULL), GW_OK);
    char *before = strdup(job->term[wrong[_i].term]);
    ck_assert_int_eq(gw_job_set(job, wrong[_i].term, wrong[_i].value, &error), GW_ESPEC);
    ck_assert_msg(strstr(error.text, wrong[_i].words) != NULL, "expected '%s' in '%s'",
                  wrong[_i].words, error.text);
    ck_assert_str_eq(job->term[wrong[_i].term], before);
    free(before);
    gw_job_close(job);
}
END_TEST

START_TEST(standard_terms)
{
    struct gw_job *job = open_job();
    for (int i = 0; i < GW_TERMS; i++) {
        struct gw_error error = { 0 };
        gw_status s = gw_job_set(job, (enum gw_term)i, gw_term_standard((enum gw_term)i), &error);
        ck_assert_msg(s == GW_OK, "%s: %s", gw_term_name((enum gw_term)i), error.text);
    }
    gw_job_close(job);
}
END_TEST

START_TEST(names_of_jobs)
{
    static const char *const bad[] = { "", "a b", "a/b", "\xc3\xa9", "a\n", "a:b" };
    struct gw_job *job = NULL;
    char name[GW_JOB_NAME_MAX + 2] = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(gw_job_open(&job, bad[i], NULL), GW_EINVAL);
    ck_assert_int_eq(gw_job_open(&job, NULL, NULL), GW_EINVAL);
    memset(name, 'x', GW_JOB_NAME_MAX + 1);
    ck_assert_int_eq(gw_job_open(&job, name, NULL), GW_EINVAL);
    ck_assert_ptr_null(job);
    name[GW_JOB_NAME_MAX] = '\0';
    ck_assert_int_eq(gw_job_open(&job, name, NULL), GW_OK);
    ck_assert_uint_ne(job->id, 0);
    gw_job_close(job);
}
END_TEST

START_TEST(wrong_layouts)
{
    char name[GW_TENSOR_NAME_MAX + 2] = { 0 };
    memset(name, 'n', GW_TENSOR_NAME_MAX + 1);
    const struct {
        gw_tensor tensors[2];
        size_t count;
        const char *codec, *words;
        gw_status status;
    } rows[] = {
        { { { "a", 1 } }, 0, "raw", "at least one", GW_EINVAL },
        { { { "a", 0 } }, 1, "raw", "0 elements", GW_EINVAL },
        { { { "a", ((size_t)1 << 40) + 1 } }, 1, "raw", "expected 1 to 2^40", GW_EINVAL },
        { { { "a", 1 }, { "a", 2 } }, 2, "raw", "tensors 1 and 2", GW_EINVAL },
        { { { "", 1 } }, 1, "raw", "no name", GW_EINVAL },
        { { { NULL, 1 } }, 1, "raw", "no name", GW_EINVAL },
        { { { name, 1 } }, 1, "raw", "256 characters", GW_EINVAL },
        { { { "tab\t", 1 } }, 1, "raw", "character 4", GW_EINVAL },
        { { { "a", 1 } }, 1, "sgin", "did you mean 'sign'?", GW_ESPEC },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gw_job *job = open_job();
        struct gw_error error = { 0 };
        gw_status s =
            gw_job_set_layout(job, rows[i].tensors, rows[i].count, rows[i].codec, NULL, 0, &error);
        ck_assert_msg(s == rows[i].status && strstr(error.text, rows[i].words),
                      "row %zu: expected %s and '%s', got %s and '%s'", i,
                      gw_status_name(rows[i].status), rows[i].words, gw_status_name(s), error.text);
        ck_assert_uint_eq(job->tensors, 3);
        gw_job_close(job);
    }
}
END_TEST

/* ---- any bytes ------------------------------------------------------------------------------- */

static const struct {
    const char *text, *words;
    gw_status status;
} hostile[] = {
    { "", "line 0 of the job: the text ends", GW_EPAYLOAD },
    { "job: j", "line 1 of the job: the line does not end", GW_EPAYLOAD },
    { "job: j\n", "not all there", GW_EPAYLOAD },
    { "servers: 2\n", "line 1 of the job: the first line, and no other", GW_EPAYLOAD },
    { "job: j j\n", "letters, digits", GW_EPAYLOAD },
    { "job: \n", "line 1 of the job: a job needs a name", GW_EPAYLOAD },
    { HEAD "job: j\n", "line 5 of the job: the first line, and no other", GW_EPAYLOAD },
    { HEAD "mode: sync\nmode: sync\n", "line 6 of the job: 'mode' stands here", GW_EPAYLOAD },
    { HEAD "part: 1024\n", "line 5 of the job: 'part' stands here", GW_EPAYLOAD },
    { HEAD "mode: snyc\n", "line 5 of the job: there is no mode", GW_ESPEC },
    { HEAD "mode:sync\n", "'KEY: VALUE'", GW_EPAYLOAD },
    { HEAD "mod: sync\n", "has no line 'mod'", GW_EPAYLOAD },
    { HEAD "mode: sync\r\n", "character 11 is not printable", GW_EPAYLOAD },
    { HEAD "seed: 1x\n", "whole number", GW_ESPEC },
    { "job: j\nservers: 0\n", "from 1 to 1024", GW_EPAYLOAD },
    { "job: j\nservers: 1025\n", "from 1 to 1024", GW_EPAYLOAD },
    { "job: j\nservers: 2\nserver: 2\npart: 1024\n", "server 2 of 2", GW_EPAYLOAD },
    { "job: j\nservers: 2\nserver: 1\npart: 1023\n", "from 1024 to 16777216", GW_EPAYLOAD },
    { "job: j\nservers: 2\nserver: 1\npart: 16777217\n", "from 1024", GW_EPAYLOAD },
    { "job: j\nservers: 99999999999999999999999\n", "from 1 to", GW_EPAYLOAD },
    { HEAD "tensor: 1 raw a\nmode: sync\n", "tensors are the last lines", GW_EPAYLOAD },
    { HEAD "tensor: 1 raw a\ntensor: 2 raw b\ntensor: 2 raw a\n",
      "line 7 of the job: the tensor 'a' stands in line 5", GW_EPAYLOAD },
    { HEAD "tensor: 1 raw\n", "'tensor: COUNT CODEC NAME'", GW_EPAYLOAD },
    { HEAD "tensor: 1 raw \n", "no name", GW_EPAYLOAD },
    { HEAD "tensor: 1  a\n", "expected 1 to 1023", GW_EPAYLOAD },
    { HEAD "tensor: 0 raw a\n", "expected 1 to 2^40", GW_EPAYLOAD },
    { HEAD "tensor: 1099511627777 raw a\n", "expected 1 to 2^40", GW_EPAYLOAD },
    { HEAD "tensor: -1 raw a\n", "expected 1 to 2^40", GW_EPAYLOAD },
    { HEAD "tensor: 1 sgin a\n", "line 5 of the job: there is no codec", GW_ESPEC },
    { HEAD "tensor: 1 ef+ef+sign a\n", "given twice", GW_ESPEC },
};

START_TEST(hostile_texts)
{
    struct gw_job *job = NULL;
    struct gw_error error = { 0 };
    size_t length = strlen(hostile[_i].text);
    char *exact = malloc(length + 1); /* sanitizers see a read past the end */
    memcpy(exact, hostile[_i].text, length);
    gw_status s = gw_job_read(&job, exact, length, &error);
    ck_assert_msg(s == hostile[_i].status && strstr(error.text, hostile[_i].words),
                  "expected %s and '%s', got %s and '%s'", gw_status_name(hostile[_i].status),
                  hostile[_i].words, gw_status_name(s), error.text);
    ck_assert_ptr_null(job);
    free(exact);
}
END_TEST

/* A cut anywhere, a bit flipped anywhere: a job or an error, never anything else. */
START_TEST(damaged_texts)
{
    struct gw_job *job = open_job(), *got;
    char *text = gw_job_write(job);
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        got = NULL;
        gw_status s = gw_job_read(&got, text, i, NULL);
        ck_assert_msg((s == GW_OK) == (got != NULL), "cut at %zu", i);
        gw_job_close(got);
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            got = NULL;
            s = gw_job_read(&got, text, length, NULL);
            ck_assert_msg((s == GW_OK) == (got != NULL), "byte %zu, bit %d", i, bit);
            gw_job_close(got);
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    }
    free(text);
    gw_job_close(job);
}
END_TEST

/* ---- large ones ------------------------------------------------------------------------------ */

enum { MANY = 100000, CODECS = 1024 };

static const struct {
    const char *codec, *prefix;
} lines[] = {
    { "topk:ratio=0.", "" }, /* as many codecs as there may be */
    { "momentum:beta=0.5+ef+topk:ratio=0.", "" },
    { "topk:ratio=0.", "a.prefix.that.all.of.these.names.have.in.common." },
};

/* Each text as large as may be; the test's time limit is what fails if reading is not linear. */
START_TEST(many_tensors)
{
    const size_t capacity = GW_JOB_TEXT_MAX - (64 << 10);
    size_t used = strlen(HEAD);
    char *text = malloc(capacity + 200);
    (void)snprintf(text, 200, HEAD);
    int i = 1;
    for (; i < MANY && used < capacity; i++)
        used += (size_t)sprintf(text + used, "tensor: 1099511627776 %s%04d %s%d\n", lines[_i].codec,
                                1 + i % CODECS, lines[_i].prefix, i);
    struct gw_job *job = read_job(text, used);
    ck_assert_uint_eq(job->tensors, (size_t)i - 1);
    gw_job_close(job);
    free(text);
}
END_TEST

START_TEST(too_large)
{
    struct gw_job *job = NULL;
    struct gw_error error = { 0 };
    char *text = malloc(GW_JOB_TEXT_MAX + 1);
    memset(text, 'x', GW_JOB_TEXT_MAX + 1);
    ck_assert_int_eq(gw_job_read(&job, text, GW_JOB_TEXT_MAX + 1, &error), GW_EPAYLOAD);
    ck_assert_int_eq(gw_job_read(&job, text, GW_JOB_TEXT_MAX, &error), GW_EPAYLOAD);
    /* A chain of wrappers without an end, which nothing may go down into. */
    size_t used = (size_t)sprintf(text, HEAD "tensor: 1 ");
    for (size_t i = 0; used + 1 < GW_JOB_TEXT_MAX; i++)
        text[used++] = "ef+"[i % 3];
    text[used - 2] = ' ';
    text[used - 1] = 'a';
    text[used++] = '\n';
    ck_assert_int_eq(gw_job_read(&job, text, used, &error), GW_EPAYLOAD);
    ck_assert_ptr_nonnull(strstr(error.text, "line 5 of the job: a codec spec of "));
    used = (size_t)sprintf(text, HEAD);
    for (int i = 1; i <= CODECS + 1; i++)
        used += (size_t)sprintf(text + used, "tensor: 1 topk:ratio=0.%04d %d\n", i, i);
    ck_assert_int_eq(gw_job_read(&job, text, used, &error), GW_EPAYLOAD);
    ck_assert_ptr_nonnull(strstr(error.text, "line 1029 of the job: a layout has at most 1024"));
    /* Short lines whose full forms would not fit. */
    used = (size_t)sprintf(text, HEAD);
    for (int i = 0; used + 40 < GW_JOB_TEXT_MAX; i++)
        used += (size_t)sprintf(text + used, "tensor: 1 qsgd %d\n", i);
    ck_assert_int_eq(gw_job_read(&job, text, used, &error), GW_EPAYLOAD);
    ck_assert_ptr_nonnull(strstr(error.text, "too many tensors"));
    free(text);
}
END_TEST

static TCase *terms_case(void)
{
    TCase *t = tcase_create("terms");
    tcase_add_test(t, there_and_back);
    tcase_add_loop_test(t, one_form, 0, sizeof same / sizeof *same);
    tcase_add_loop_test(t, wrong_terms, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(t, standard_terms);
    tcase_add_test(t, names_of_jobs);
    tcase_add_test(t, wrong_layouts);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("job");
    suite_add_tcase(suite, terms_case());
    TCase *t = tcase_create("text");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, hostile_texts, 0, sizeof hostile / sizeof *hostile);
    tcase_add_test(t, damaged_texts);
    tcase_add_loop_test(t, many_tensors, 0, 3);
    tcase_add_test(t, too_large);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
