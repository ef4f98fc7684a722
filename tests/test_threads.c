/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The pool of threads: the bits do not depend on how many compute, failures in any thread fail the
 * run and nothing else, and threads end with the last plan. */
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectives/plan.h"
#include "tests/collective_bodies.h"
#include "tests/ranks.h"

/* Pieces of 5000 elements and more, which are worth a thread. */
enum { COUNT = 60001, PIECE = 6000, RUNS = 3, RANKS = 2, THREADS = 4 };

struct job {
    const char *spec, *algorithm;
    int threads;
    int applies;
    unsigned long long digests; /* rank 0's */
};

static unsigned long long chain(unsigned long long old, const void *bytes, size_t count)
{
    unsigned long long both[2] = { old, digest(bytes, count) };
    return digest(both, sizeof both);
}

static gw_status run(gw_plan *plan, const float *in, float *out)
{
    gw_status s = gw_start(plan, in, out);
    return s ? s : gw_wait(plan);
}

static void check_times(const gw_plan *plan, const struct job *job)
{
    gw_stats stats;
    expect(gw_plan_stats(plan, &stats) == GW_OK, "stats");
    expect(stats.wait_s >= 0 && stats.wait_s <= stats.total_s, "%s by %s: waited %g of %g s",
           job->spec, job->algorithm, stats.wait_s, stats.total_s);
}

static void run_job(gw_comm *comm, void *context)
{
    struct job *job = context;
    gw_plan *plan;
    gw_options options = { .codec = job->spec,
                           .algorithm = job->algorithm,
                           .piece_count = PIECE,
                           .threads = job->threads };
    gw_status s = gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_MEAN, &options);
    if (s == GW_ENOTSUP)
        return;
    if (!expect(s == GW_OK, "%s by %s: %s", job->spec, job->algorithm, gw_comm_error(comm)))
        return;
    float *x = malloc(sizeof *x * COUNT);
    unsigned long long digests = 0;
    for (int i = 0; i < RUNS; i++) {
        fill_input(x, COUNT, gw_comm_rank(comm) + 10 * i);
        s = run(plan, x, x);
        expect(s == GW_OK, "%s by %s, %d threads, run %d: %s", job->spec, job->algorithm,
               job->threads, i, gw_plan_error(plan));
        digests = chain(digests, x, sizeof *x * COUNT);
        check_times(plan, job);
    }
    if (gw_comm_rank(comm) == 0) {
        job->applies = 1;
        job->digests = digests;
    }
    gw_plan_close(plan);
    free(x);
}

START_TEST(bits_do_not_depend_on_threads)
{
    const gw_algorithm_info *algorithm;
    for (size_t a = 0; (algorithm = gw_info_algorithm(a)); a++) {
        struct job one = { .spec = codec_cases[_i].spec,
                           .algorithm = algorithm->name,
                           .threads = 1 };
        run_ranks(RANKS, run_job, &one);
        for (int threads = 2; one.applies && threads <= THREADS; threads++) {
            struct job many = one;
            many.threads = threads;
            run_ranks(RANKS, run_job, &many);
            ck_assert_msg(
                many.digests == one.digests,
                "%s by %s: %d threads give digest %016llx, one gives %016llx; repeat with "
                "CK_RUN_CASE=threads tests/test_threads",
                one.spec, one.algorithm, threads, many.digests, one.digests);
        }
    }
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

struct fault {
    int kind, skip;
};

/* The hook is called under the pool's lock. */
static gw_status strike(void *context, const struct gw_step *step)
{
    struct fault *fault = context;
    return (int)step->kind == fault->kind && fault->skip-- == 0 ? GW_EINVAL : GW_OK;
}

static void fail_job(gw_comm *comm, void *context)
{
    static const int kinds[] = { GW_STEP_ENCODE, GW_STEP_DECODE, GW_STEP_ADD, GW_STEP_DIVIDE,
                                 GW_STEP_REENCODE };
    struct job *job = context;
    int me = gw_comm_rank(comm);
    gw_plan *plan;
    gw_options options = { .codec = "ef+qsgd:bits=4",
                           .algorithm = "direct",
                           .piece_count = PIECE,
                           .threads = job->threads };
    if (!expect(gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_MEAN, &options) == GW_OK, "%s",
                gw_comm_error(comm)))
        return;
    float *x = malloc(sizeof *x * COUNT), *y = malloc(sizeof *y * COUNT);
    unsigned long long digests = 0;
    for (int i = 0; i < 40; i++) {
        struct fault fault = { .kind = kinds[i / 2 % 5], .skip = i / 10 };
        int strikes = i % 2 && i % 3 % RANKS == me;
        plan->fault = strikes ? strike : NULL;
        plan->fault_context = &fault;
        fill_input(x, COUNT, me + 10 * i);
        memset(y, 0x55, sizeof *y * COUNT);
        unsigned long long before = digest(y, sizeof *y * COUNT);
        gw_status s = run(plan, x, y), wanted = i % 2 ? (strikes ? GW_EINVAL : GW_EPEER) : GW_OK;
        expect(s == wanted, "run %d rank %d: %s, expected %s: %s", i, me, gw_status_name(s),
               gw_status_name(wanted), gw_plan_error(plan));
        if (s)
            expect(digest(y, sizeof *y * COUNT) == before, "run %d failed and changed the output",
                   i);
        else
            digests = chain(digests, y, sizeof *y * COUNT);
    }
    if (me == 0)
        job->digests = digests;
    gw_plan_close(plan);
    free(x);
    free(y);
}

START_TEST(failures_in_any_thread)
{
    struct job one = { .threads = 1 }, many = { .threads = 3 };
    run_ranks(RANKS, fail_job, &one);
    run_ranks(RANKS, fail_job, &many);
    ck_assert_int_eq(failures(), 0);
    ck_assert_msg(many.digests == one.digests, "the runs in between have other bits");
}
END_TEST

/* ---- what is copied -------------------------------------------------------------------------- */

/* Between encode and decode there is no place for a tensor to be copied to: workspace is the owned
 * block at most, and no step moves elements as they are. */
static void check_copies(gw_comm *comm, void *context)
{
    const struct job *job = context;
    gw_plan *plan;
    gw_options options = {
        .codec = job->spec, .algorithm = job->algorithm, .gate = GW_GATE_OFF, .threads = 1
    };
    gw_status s = gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_MEAN, &options);
    if (s == GW_ENOTSUP)
        return;
    if (!expect(s == GW_OK, "%s by %s: %s", job->spec, job->algorithm, gw_comm_error(comm)))
        return;
    for (int i = 0; i < plan->list.count; i++) {
        enum gw_step_kind kind = plan->list.steps[i].kind;
        expect(kind != GW_STEP_COPY && kind != GW_STEP_LOAD && kind != GW_STEP_SHARE,
               "%s by %s: step %d is a %s", job->spec, job->algorithm, i, gw_step_name(kind));
    }
    expect(plan->sum_count <= COUNT / RANKS + 4096, "%s by %s: a workspace of %zu elements",
           job->spec, job->algorithm, plan->sum_count);
    gw_plan_close(plan);
}

START_TEST(coded_runs_copy_nothing)
{
    static const char *const algorithms[] = { "direct", "linear" };
    for (int a = 0; a < 2; a++) {
        struct job job = { .spec = codec_cases[_i].spec, .algorithm = algorithms[a] };
        run_ranks(RANKS, check_copies, &job);
    }
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- threads come and go ----------------------------------------------------------------------
 */

static int living_threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return -1;
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static gw_plan *open_plan(gw_comm *comm, int threads, size_t count)
{
    gw_plan *plan = NULL;
    gw_options options = {
        .codec = "qsgd", .piece_count = PIECE, .threads = threads, .progress = GW_PROGRESS_CALLER
    };
    ck_assert_int_eq(gw_plan_allreduce(&plan, comm, count, GW_F32, GW_SUM, &options), GW_OK);
    return plan;
}

START_TEST(plans_share_threads)
{
    gw_comm *comm;
    ck_assert_int_eq(gw_comm_open(&comm, "self:"), GW_OK);
    gw_plan_close(open_plan(comm, 2, COUNT)); /* sanitizers start a thread of their own */
    int alone = living_threads();
    if (alone >= 0) {
        gw_plan *small = open_plan(comm, 4, 100);
        ck_assert_int_eq(living_threads(), alone); /* nothing to share */
        gw_plan *a = open_plan(comm, 3, COUNT), *b = open_plan(comm, 3, COUNT);
        ck_assert_int_eq(living_threads(), alone + 2);
        gw_plan *c = open_plan(comm, 4, COUNT);
        ck_assert_int_eq(living_threads(), alone + 3);
        gw_plan_close(a);
        gw_plan_close(c);
        gw_plan_close(small);
        ck_assert_int_eq(living_threads(), alone + 3);
        gw_plan_close(b);
        ck_assert_int_eq(living_threads(), alone);
    }
    gw_plan *plan = NULL;
    gw_options options = { .threads = -1 };
    ck_assert_int_eq(gw_plan_allreduce(&plan, comm, 10, GW_F32, GW_SUM, &options), GW_EINVAL);
    ck_assert_ptr_nonnull(strstr(gw_comm_error(comm), "threads -1"));
    gw_comm_close(comm);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *matrix = tcase_create("threads"), *others = tcase_create("others");
    tcase_set_timeout(matrix, 60);
    tcase_set_timeout(others, 60);
    tcase_add_loop_test(matrix, bits_do_not_depend_on_threads, 0, codec_cases_count);
    tcase_add_loop_test(others, coded_runs_copy_nothing, 0, codec_cases_count);
    tcase_add_test(others, failures_in_any_thread);
    tcase_add_test(others, plans_share_threads);
    suite_add_tcase(suite, matrix);
    suite_add_tcase(suite, others);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
