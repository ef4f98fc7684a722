/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Ranks of one node that meet in shared memory: sums in rank order whatever the sizes and however
 * late some ranks are; what fails on one fails on all and changes nothing; who is silent is named;
 * no memory to share is an error, or another algorithm. */
#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collectives/plan.h"
#include "tests/ranks.h"

/* One meeting, two meetings, several pieces. */
static const size_t counts[] = { 1, 1000, 50000, 300001 };
enum { COUNTS = sizeof counts / sizeof *counts, RANKS = 4 };

static gw_plan *open_plan(gw_comm *comm, size_t count, const char *algorithm)
{
    gw_plan *plan = NULL;
    gw_options options = { .algorithm = algorithm, .piece_count = 40000 };
    gw_status s = gw_plan_allreduce(&plan, comm, count, GW_F32, GW_SUM, &options);
    expect(s == GW_OK, "plan of %zu by %s: %s", count, algorithm, gw_comm_error(comm));
    return plan;
}

static gw_status run(gw_plan *plan, const float *in, float *out)
{
    gw_status s = gw_start(plan, in, out);
    return s ? s : gw_wait(plan);
}

/* Small whole numbers, so that the sum is exact and known: of run k, rank r, element i. */
static float value(int k, int r, size_t i)
{
    return (float)((k * 7 + r * 3 + (int)(i % 11)) % 64);
}

static int sums_good(const float *out, int k, int n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (int r = 0; r < n; r++)
            sum += value(k, r, i);
        if (!expect(out[i] == sum, "n=%d count=%zu run %d element %zu: got %g, expected %g", n,
                    count, k, i, (double)out[i], (double)sum))
            return 0;
    }
    return 1;
}

/* Runs follow each other at once, and some ranks are late: nobody may see the run before or after
 * its own. */
static void race_body(gw_comm *comm, void *context)
{
    size_t count = *(const size_t *)context;
    int n = gw_comm_size(comm), me = gw_comm_rank(comm);
    float *x = malloc(sizeof *x * count);
    gw_plan *plan = open_plan(comm, count, "shared");
    for (int k = 0; plan && k < (count > 10000 ? 12 : 200); k++) {
        for (size_t i = 0; i < count; i++)
            x[i] = value(k, me, i);
        if ((k + me) % 5 == 0)
            usleep(200);
        if (!expect(run(plan, x, x) == GW_OK, "run %d: %s", k, gw_plan_error(plan)) ||
            !sums_good(x, k, n, count))
            break;
    }
    gw_plan_close(plan);
    free(x);
}

START_TEST(runs_do_not_meet)
{
    for (int c = 0; c < COUNTS; c++) {
        size_t count = counts[c];
        run_ranks(_i, race_body, &count);
        ck_assert_int_eq(failures(), 0);
    }
}
END_TEST

static void order_body(gw_comm *comm, void *context)
{
    size_t count = *(const size_t *)context;
    int n = gw_comm_size(comm);
    float *in = malloc(sizeof *in * (count + 1)), *other = malloc(sizeof *in * count);
    float *out = malloc(sizeof *in * count), *sum = malloc(sizeof *in * count);
    gw_plan *plan = open_plan(comm, count, "shared");
    /* Not aligned, as a caller's buffer may be. */
    float *odd = (float *)(void *)((char *)in + 1);
    fill_input(out, count, gw_comm_rank(comm));
    memcpy(odd, out, sizeof *in * count);
    expect(plan && run(plan, odd, out) == GW_OK, "run: %s", gw_plan_error(plan));
    for (int r = 0; r < n; r++) {
        fill_input(other, count, r);
        for (size_t i = 0; i < count; i++)
            sum[i] = r ? sum[i] + other[i] : other[i];
    }
    expect(memcmp(sum, out, sizeof *sum * count) == 0, "n=%d count=%zu: not the sum in rank order",
           n, count);
    gw_plan_close(plan);
    free(in);
    free(other);
    free(out);
    free(sum);
}

START_TEST(sums_are_in_rank_order)
{
    for (int c = 0; c < COUNTS; c++) {
        size_t count = counts[c];
        run_ranks(_i, order_body, &count);
        ck_assert_int_eq(failures(), 0);
    }
}
END_TEST

/* ---- failures ---------------------------------------------------------------------------------*/

struct failing {
    size_t count;
    const char *algorithm;
    enum gw_step_kind kind; /* in which a failure is put; else an infinite input */
};

static gw_status fail_in(void *context, const struct gw_step *step)
{
    return step->kind == *(const enum gw_step_kind *)context ? GW_EPAYLOAD : GW_OK;
}

static void failing_body(gw_comm *comm, void *context)
{
    struct failing *f = context;
    int me = gw_comm_rank(comm), bad = gw_comm_size(comm) - 1, n = gw_comm_size(comm);
    float *in = malloc(sizeof *in * f->count), *out = malloc(sizeof *out * f->count);
    gw_plan *plan = open_plan(comm, f->count, f->algorithm);
    for (int k = 0; plan && k < 3; k++) {
        for (size_t i = 0; i < f->count; i++) {
            in[i] = value(k, me, i);
            out[i] = -1;
        }
        bool fails = k == 1, by_input = f->kind == GW_STEP_KIND_COUNT;
        if (me == bad && fails && by_input)
            in[f->count / 2] = INFINITY;
        plan->fault = me == bad && fails && !by_input ? fail_in : NULL;
        plan->fault_context = &f->kind;
        gw_status s = run(plan, in, out);
        gw_status own = by_input ? GW_ENONFINITE : GW_EPAYLOAD;
        gw_status expected = !fails ? GW_OK : me == bad ? own : GW_EPEER;
        expect(s == expected, "%s count=%zu step %d run %d: got %s (%s), expected %s", f->algorithm,
               f->count, f->kind, k, gw_status_name(s), gw_plan_error(plan),
               gw_status_name(expected));
        char who[32];
        snprintf(who, sizeof who, "rank %d", bad);
        expect(s != GW_EPEER || strstr(gw_plan_error(plan), who), "'%s' does not name %s",
               gw_plan_error(plan), who);
        for (size_t i = 0; fails && i < f->count; i++)
            if (!expect(out[i] == -1, "a run that failed wrote element %zu", i))
                break;
        if (!fails)
            sums_good(out, k, n, f->count);
    }
    gw_plan_close(plan);
    free(in);
    free(out);
}

START_TEST(what_fails_on_one_changes_nothing_anywhere)
{
    static const enum gw_step_kind kinds[] = { GW_STEP_KIND_COUNT, GW_STEP_SHARE, GW_STEP_MEET,
                                               GW_STEP_REDUCE };
    for (int c = 0; c < COUNTS; c++) {
        struct failing f = { counts[c], "shared", kinds[_i] };
        if (f.kind == GW_STEP_REDUCE && f.count < 50000) /* has no such step */
            continue;
        run_ranks(RANKS, failing_body, &f);
        ck_assert_int_eq(failures(), 0);
    }
}
END_TEST

static void silent_body(gw_comm *comm, void *context)
{
    size_t count = *(const size_t *)context;
    float *x = malloc(sizeof *x * count);
    gw_plan *plan = open_plan(comm, count, "shared");
    for (size_t i = 0; i < count; i++)
        x[i] = 1;
    if (gw_comm_rank(comm) == 1) {
        usleep(400000);
    } else if (plan) {
        plan->timeout_ns = 200000000;
        gw_status s = run(plan, x, x);
        expect(s == GW_ETIMEOUT, "got %s", gw_status_name(s));
        expect(strstr(gw_plan_error(plan), "rank 1 for") != NULL, "'%s' does not name rank 1 alone",
               gw_plan_error(plan));
        for (size_t i = 0; i < count; i++)
            if (!expect(x[i] == 1, "element %zu was changed", i))
                break;
    }
    gw_plan_close(plan);
    free(x);
}

START_TEST(the_silent_rank_is_named)
{
    size_t count = counts[2 * _i];
    run_ranks(3, silent_body, &count);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- memory -----------------------------------------------------------------------------------*/

static int open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;
    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n;
}

static void unnamed_body(gw_comm *comm, void *context)
{
    (void)context;
    gw_status s = gw_barrier(comm);
    int before = gw_comm_rank(comm) == 0 ? open_files() : 0;
    gw_plan *plan = s ? NULL : open_plan(comm, 1000, "shared");
    expect(!gw_barrier(comm), "barrier");
    if (gw_comm_rank(comm) == 0)
        expect(open_files() == before, "%d open files before, %d after", before, open_files());
    expect(!gw_barrier(comm), "barrier");
    gw_plan_close(plan);
}

START_TEST(nothing_is_left_open)
{
    run_ranks(3, unnamed_body, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* Without a file more there is nothing to share. */
static void short_body(gw_comm *comm, void *context)
{
    const struct rlimit *limit = context;
    struct rlimit none = { 0, limit->rlim_max };
    gw_plan *plan = NULL;
    gw_options forced = { .algorithm = "shared" };
    float x[10] = { 1, 2, 3 };
    if (gw_comm_rank(comm) == 0)
        setrlimit(RLIMIT_NOFILE, &none);
    expect(!gw_barrier(comm), "barrier");
    gw_status s = gw_plan_allreduce(&plan, comm, 10, GW_F32, GW_SUM, &forced);
    expect(s == GW_ENOMEM && !plan, "got %s", gw_status_name(s));
    expect(strstr(gw_comm_error(comm), "rank 0") != NULL, "'%s' does not name rank 0",
           gw_comm_error(comm));
    s = gw_allreduce(comm, x, x, 10, GW_F32, GW_SUM, NULL);
    expect(s == GW_OK && x[1] == 2.0f * (float)gw_comm_size(comm), "without shared memory: %s, %g",
           gw_comm_error(comm), (double)x[1]);
    expect(!gw_barrier(comm), "barrier");
    if (gw_comm_rank(comm) == 0)
        setrlimit(RLIMIT_NOFILE, limit);
}

START_TEST(no_memory_to_share)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    run_ranks(3, short_body, &limit);
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- nodes ------------------------------------------------------------------------------------*/

START_TEST(simulated_nodes)
{
    gw_comm *comm;
    ck_assert_int_eq(gw_comm_open(&comm, "local:ranks=1,rank=0,nodes=2"), GW_ESPEC);
    ck_assert_ptr_nonnull(strstr(gw_comm_error(NULL), "nodes=2"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared");
    TCase *tests = tcase_create("memory");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, runs_do_not_meet, 2, 5);
    tcase_add_loop_test(tests, sums_are_in_rank_order, 2, 5);
    tcase_add_loop_test(tests, what_fails_on_one_changes_nothing_anywhere, 0, 4);
    tcase_add_loop_test(tests, the_silent_rank_is_named, 0, 2);
    tcase_add_test(tests, nothing_is_left_open);
    tcase_add_test(tests, no_memory_to_share);
    tcase_add_test(tests, simulated_nodes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
