/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The cut of a layout: every element once and in order, no part too large, equal shares, and the
 * same for all who cut. */
#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/job.h"
#include "tests/next_random.h"

enum { TENSORS_MAX = 8, SCHEDULES = 4000 };

static struct gw_job *job_of(const size_t *counts, size_t tensors, int servers, size_t part)
{
    static const char *const names[TENSORS_MAX] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    gw_tensor layout[TENSORS_MAX];
    struct gw_job *job = NULL;
    for (size_t i = 0; i < tensors; i++)
        layout[i] = (gw_tensor){ names[i], counts[i] };
    ck_assert_int_eq(gw_job_open(&job, "cut", NULL), GW_OK);
    ck_assert_int_eq(gw_job_set_layout(job, layout, tensors, "raw", NULL, 0, NULL), GW_OK);
    job->servers = servers;
    job->part_count = part;
    return job;
}

static void describe(char *out, size_t capacity, const struct gw_job *job, uint64_t seed)
{
    size_t used = (size_t)snprintf(out, capacity, "%d servers, parts of %zu, tensors", job->servers,
                                   job->part_count);
    for (size_t i = 0; i < job->tensors; i++)
        used += (size_t)snprintf(out + used, capacity - used, " %zu", job->tensor[i].count);
    (void)snprintf(out + used, capacity - used,
                   " (repeat: GW_TEST_SEED=%" PRIu64 " tests/test_cut)", seed);
}

/* In layout order, each element once; servers ascend. Then the shares. */
static void check_cut(const struct gw_job *job, uint64_t seed)
{
    char what[400];
    struct gw_part *parts = NULL, *again = NULL;
    size_t count = 0, count_again = 0, tensor = 0, at = 0;
    struct gw_error error = { 0 };
    describe(what, sizeof what, job, seed);
    gw_status s = gw_job_cut(&parts, &count, job, &error);
    ck_assert_msg(s == GW_OK, "%s: %s", what, error.text);
    uint64_t *share = calloc((size_t)job->servers, sizeof *share), total = 0;
    for (size_t i = 0; i < count; i++) {
        const struct gw_part *p = &parts[i];
        bool fits = p->tensor == tensor && p->first == at && p->count > 0 &&
                    p->count <= job->part_count && p->server >= 0 && p->server < job->servers &&
                    (i == 0 || p->server >= parts[i - 1].server);
        if (!fits) /* asserting a million times takes seconds */
            ck_abort_msg("%s: part %zu: expected tensor %zu from %zu, got tensor %u from %zu, %zu "
                         "elements on server %d",
                         what, i, tensor, at, p->tensor, p->first, p->count, p->server);
        share[p->server] += p->count;
        total += p->count;
        at += p->count;
        if (at == job->tensor[tensor].count) {
            tensor++;
            at = 0;
        }
    }
    ck_assert_msg(tensor == job->tensors && at == 0, "%s: the parts end in tensor %zu at %zu", what,
                  tensor, at);
    for (int i = 0; i < job->servers; i++) {
        uint64_t even = total / (uint64_t)job->servers;
        ck_assert_msg(share[i] == even || share[i] == even + 1,
                      "%s: server %d has %" PRIu64 " of %" PRIu64, what, i, share[i], total);
    }
    ck_assert_int_eq(gw_job_cut(&again, &count_again, job, NULL), GW_OK);
    ck_assert_uint_eq(count, count_again);
    for (size_t i = 0; i < count; i++)
        if (parts[i].tensor != again[i].tensor || parts[i].first != again[i].first ||
            parts[i].count != again[i].count || parts[i].server != again[i].server)
            ck_abort_msg("%s: part %zu is another one the second time", what, i);
    free(share);
    free(parts);
    free(again);
}

START_TEST(chosen)
{
    static const size_t sizes[] = { 1,    2,    3,    7,    63,     64,     65,
                                    1021, 1024, 1025, 7919, 262144, 262145, 1000003 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int servers = 1; servers < 40; servers += servers < 5 ? 1 : 8) {
            struct gw_job *job = job_of(&sizes[i], 1, servers, 1024);
            check_cut(job, 0);
            gw_job_close(job);
        }
    }
}
END_TEST

static void one_random(uint64_t seed)
{
    uint64_t state = seed;
    size_t counts[TENSORS_MAX], tensors = 1 + next_random(&state) % TENSORS_MAX;
    for (size_t i = 0; i < tensors; i++) {
        uint64_t r = next_random(&state);
        counts[i] = 1 + (r >> 8) % (1u << (r % 17));
    }
    int servers = 1 + (int)(next_random(&state) % 20);
    size_t part = 1 + next_random(&state) % 3000;
    struct gw_job *job = job_of(counts, tensors, servers, part);
    check_cut(job, seed);
    gw_job_close(job);
}

START_TEST(random_layouts)
{
    const char *only = getenv("GW_TEST_SEED");
    if (only)
        one_random(strtoull(only, NULL, 10));
    for (uint64_t seed = 1; !only && seed < SCHEDULES; seed++)
        one_random(seed);
}
END_TEST

/* Sizes whose products do not fit 64 bits; a table of parts is all that they cost. */
START_TEST(huge)
{
    const size_t large[] = { (size_t)1 << 33, 1, ((size_t)1 << 33) - 1 };
    const size_t largest[] = { (size_t)1 << 40, 5 };
    struct gw_job *job = job_of(large, 3, 1024, 262144);
    check_cut(job, 0);
    gw_job_close(job);
    job = job_of(largest, 2, 1023, 1 << 24);
    check_cut(job, 0);
    gw_job_close(job);
}
END_TEST

START_TEST(refused)
{
    const size_t largest = (size_t)1 << 40;
    struct gw_error error = { 0 };
    struct gw_part *parts = NULL;
    size_t count = 77;
    struct gw_job *job = job_of(&largest, 1, 1, 1024);
    ck_assert_int_eq(gw_job_cut(&parts, &count, job, &error), GW_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.text, "another size of parts"));
    job->servers = 0;
    ck_assert_int_eq(gw_job_cut(&parts, &count, job, &error), GW_EINVAL);
    gw_job_close(job);
    ck_assert_int_eq(gw_job_open(&job, "empty", NULL), GW_OK);
    ck_assert_int_eq(gw_job_cut(&parts, &count, job, &error), GW_ESTATE);
    gw_job_close(job);
    ck_assert_ptr_null(parts);
    ck_assert_uint_eq(count, 77);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cut");
    TCase *t = tcase_create("cut");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, chosen);
    tcase_add_test(t, random_layouts);
    tcase_add_test(t, huge);
    tcase_add_test(t, refused);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
