/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* progress=thread: the same bits as progress=caller, runs that nobody looks at, limits, failures,
 * plans closed in the middle, and a thread that is there only while it is needed. */
#include <check.h>
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectives/plan.h"
#include "tests/collective_bodies.h"
#include "tests/ranks.h"

enum { COUNT = 20000 };

static const gw_options by_thread = { .codec = "ef+qsgd:bits=4",
                                      .algorithm = "direct",
                                      .piece_count = 3000,
                                      .progress = GW_PROGRESS_THREAD };

static gw_plan *open_plan(gw_comm *comm, gw_options options)
{
    gw_plan *plan = NULL;
    expect(gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options) == GW_OK, "plan: %s",
           gw_comm_error(comm));
    return plan;
}

/* ---- the bodies of test_collectives ---------------------------------------------------------- */

struct job {
    const struct codec_case *codec;
    void (*body)(gw_comm *comm, unsigned long long *digests);
    unsigned long long digests; /* rank 0's */
};

static void run_job(gw_comm *comm, void *context)
{
    struct job *job = context;
    unsigned long long digests = 0;
    if (job->codec)
        body_codec(comm, job->codec, &digests);
    else
        job->body(comm, &digests);
    if (gw_comm_rank(comm) == 0)
        job->digests = digests;
}

static void compare(struct job job, const char *what, int ranks)
{
    struct job other = job;
    setenv("GRADWIRE_PROGRESS", "caller", 1);
    run_ranks(ranks, run_job, &job);
    setenv("GRADWIRE_PROGRESS", "thread", 1);
    run_ranks(ranks, run_job, &other);
    unsetenv("GRADWIRE_PROGRESS");
    ck_assert_int_eq(failures(), 0);
    ck_assert_msg(job.digests == other.digests, "%s n=%d: by thread %016llx, by caller %016llx",
                  what, ranks, other.digests, job.digests);
}

START_TEST(codecs_give_the_same_bits)
{
    for (int n = 1; n <= 3; n++)
        compare((struct job){ .codec = &codec_cases[_i * 3] }, codec_cases[_i * 3].spec, n);
}
END_TEST

START_TEST(bodies_give_the_same_bits)
{
    static void (*const bodies[])(gw_comm *, unsigned long long *) = { body_types, body_others,
                                                                       body_list, body_many };
    for (int n = 1; n <= 4; n++)
        compare((struct job){ .body = bodies[_i] }, "body", n);
}
END_TEST

/* ---- runs that nobody looks at --------------------------------------------------------------- */

static atomic_int stage;

static void wait_for_stage(int wanted)
{
    while (atomic_load(&stage) < wanted)
        gw_sleep_ns(100000);
}

/* Rank 1 starts only after rank 0's gw_start has returned; neither calls gradwire meanwhile. */
static void unattended(gw_comm *comm, void *context)
{
    (void)context;
    int me = gw_comm_rank(comm);
    float *x = malloc(sizeof *x * COUNT);
    gw_plan *plan = open_plan(comm, by_thread);
    fill_input(x, COUNT, me);
    if (me == 1)
        wait_for_stage(1);
    expect(gw_start(plan, x, x) == GW_OK, "start: %s", gw_plan_error(plan));
    if (me == 0)
        atomic_store(&stage, 1);
    int64_t limit = gw_now_ns() + 20000000000;
    while (plan->state == GW_PLAN_RUNNING && gw_now_ns() < limit)
        gw_sleep_ns(100000);
    expect(plan->state == GW_PLAN_ENDED, "rank %d: the run did not end by itself", me);
    expect(gw_test(plan) == GW_OK, "test: %s", gw_plan_error(plan));
    expect(gw_test(plan) == GW_ESTATE, "a result is given twice");
    gw_plan_close(plan);
    free(x);
}

START_TEST(runs_end_unattended)
{
    atomic_store(&stage, 0);
    run_ranks(2, unattended, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- many plans, many runs ------------------------------------------------------------------- */

static void back_to_back(gw_comm *comm, void *context)
{
    enum { PLANS = 4, FEW = 100 };
    static const char *const specs[PLANS] = { "raw", "ef+sign", "vote", "qsgd" };
    float x[PLANS][FEW];
    gw_plan *plans[PLANS];
    int runs = *(const int *)context, me = gw_comm_rank(comm);
    for (int i = 0; i < PLANS; i++) {
        gw_options options = { .codec = specs[i],
                               .progress = i ? GW_PROGRESS_THREAD : GW_PROGRESS_CALLER };
        plans[i] = NULL;
        expect(gw_plan_allreduce(&plans[i], comm, FEW, GW_F32, GW_SUM, &options) == GW_OK, "%s",
               gw_comm_error(comm));
    }
    for (int run = 0; run < runs; run++) {
        for (int i = 0; i < PLANS; i++)
            fill_input(x[i], FEW, me + run);
        for (int i = 0; i < PLANS; i++) {
            int p = (i + me) % PLANS;
            expect(gw_start(plans[p], x[p], x[p]) == GW_OK, "run %d: start %d", run, p);
        }
        if (run % 16 == 0)
            expect(gw_barrier(comm) == GW_OK, "run %d: barrier: %s", run, gw_comm_error(comm));
        for (int i = 0; i < PLANS; i++) {
            int p = (3 * i + 2 * me) % PLANS;
            gw_status s = gw_wait(plans[p]);
            expect(s == GW_OK, "run %d plan %d: %s: %s", run, p, gw_status_name(s),
                   gw_plan_error(plans[p]));
        }
    }
    for (int i = 0; i < PLANS; i++) {
        gw_stats stats;
        expect(gw_plan_stats(plans[i], &stats) == GW_OK && stats.runs == (uint64_t)runs,
               "plan %d has not run %d times", i, runs);
        gw_plan_close(plans[i]);
    }
}

START_TEST(runs_back_to_back)
{
    int runs = 1000;
    run_ranks(2, back_to_back, &runs);
    runs = 100;
    run_ranks(4, back_to_back, &runs);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- what goes wrong ------------------------------------------------------------------------- */

static gw_status strike(void *context, const struct gw_step *step)
{
    (void)context;
    return step->kind == GW_STEP_ADD ? GW_EINVAL : GW_OK;
}

static void failing(gw_comm *comm, void *context)
{
    (void)context;
    int me = gw_comm_rank(comm);
    gw_plan *good = open_plan(comm, by_thread), *bad = open_plan(comm, by_thread);
    float *x = calloc(COUNT, sizeof *x), *y = calloc(COUNT, sizeof *y);
    for (int run = 0; run < 10; run++) {
        bad->fault = run % 2 && me == 1 ? strike : NULL;
        gw_status wanted = run % 2 ? (me == 1 ? GW_EINVAL : GW_EPEER) : GW_OK;
        expect(gw_start(good, x, x) == GW_OK && gw_start(bad, y, y) == GW_OK, "start");
        gw_status s = gw_wait(bad);
        expect(s == wanted, "run %d rank %d: %s, expected %s: %s", run, me, gw_status_name(s),
               gw_status_name(wanted), gw_plan_error(bad));
        expect(gw_wait(good) == GW_OK, "run %d: the other plan: %s", run, gw_plan_error(good));
    }
    gw_plan_close(good);
    gw_plan_close(bad);
    free(x);
    free(y);
}

START_TEST(failures_stay_in_their_run)
{
    run_ranks(3, failing, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* Rank 1 does not start: rank 0 gives up at its limit, waiting or testing, and says who. */
static void silent(gw_comm *comm, void *context)
{
    int waits = *(const int *)context;
    gw_options options = by_thread;
    options.timeout_s = 0.05;
    gw_plan *plan = open_plan(comm, options);
    float *x = calloc(COUNT, sizeof *x);
    if (gw_comm_rank(comm) == 0) {
        expect(gw_start(plan, x, x) == GW_OK, "start");
        gw_status s = GW_PENDING;
        while (s == GW_PENDING)
            s = waits ? gw_wait(plan) : gw_test(plan);
        expect(s == GW_ETIMEOUT, "%s instead of GW_ETIMEOUT", gw_status_name(s));
        expect(strstr(gw_plan_error(plan), "rank 1") != NULL, "'%s' does not name rank 1",
               gw_plan_error(plan));
        s = gw_start(plan, x, x);
        expect(s == GW_EBROKEN, "then %s instead of GW_EBROKEN", gw_status_name(s));
        atomic_store(&stage, 1);
    } else {
        wait_for_stage(1);
    }
    gw_plan_close(plan);
    free(x);
}

START_TEST(limits_of_waits)
{
    atomic_store(&stage, 0);
    run_ranks(2, silent, &_i);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* A plan is closed in its run: that breaks the comm, which ends the other run on it. */
static void closing(gw_comm *comm, void *context)
{
    (void)context;
    gw_plan *closed = open_plan(comm, by_thread), *other = open_plan(comm, by_thread);
    float *x = calloc(COUNT, sizeof *x), *y = calloc(COUNT, sizeof *y);
    if (gw_comm_rank(comm) == 0) {
        expect(gw_start(closed, x, x) == GW_OK && gw_start(other, y, y) == GW_OK, "start");
        gw_plan_close(closed);
        gw_status s = gw_wait(other);
        expect(s == GW_EBROKEN, "%s instead of GW_EBROKEN", gw_status_name(s));
        atomic_store(&stage, 1);
    } else {
        wait_for_stage(1);
        gw_plan_close(closed);
    }
    gw_plan_close(other);
    free(x);
    free(y);
}

START_TEST(plans_closed_in_their_run)
{
    atomic_store(&stage, 0);
    run_ranks(2, closing, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- the thread ------------------------------------------------------------------------------ */

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

START_TEST(one_thread_while_needed)
{
    gw_comm *a, *b;
    ck_assert_int_eq(gw_comm_open(&a, "self:"), GW_OK);
    ck_assert_int_eq(gw_comm_open(&b, "self:"), GW_OK);
    gw_options options = by_thread;
    options.threads = 1;
    gw_plan_close(open_plan(a, options)); /* sanitizers start a thread of their own */
    int alone = living_threads();
    if (alone >= 0) {
        gw_plan *one = open_plan(a, options), *two = open_plan(a, options);
        gw_plan *three = open_plan(b, options);
        ck_assert_int_eq(living_threads(), alone + 1);
        gw_plan_close(one);
        gw_plan_close(two);
        ck_assert_int_eq(living_threads(), alone + 1);
        gw_plan_close(three);
        ck_assert_int_eq(living_threads(), alone);
    }
    gw_comm_close(a);
    gw_comm_close(b);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* One-call collectives wait anyway, so they need no thread. */
START_TEST(one_call_forms)
{
    gw_comm *comm;
    float x = 1;
    setenv("GRADWIRE_PROGRESS", "thread", 1);
    ck_assert_int_eq(gw_comm_open(&comm, "self:"), GW_OK);
    ck_assert_int_eq(gw_allreduce(comm, &x, &x, 1, GW_F32, GW_SUM, NULL), GW_OK);
    gw_plan *plan = NULL;
    gw_options options = { .progress = 7 };
    ck_assert_int_eq(gw_plan_allreduce(&plan, comm, 1, GW_F32, GW_SUM, &options), GW_EINVAL);
    gw_comm_close(comm);
    unsetenv("GRADWIRE_PROGRESS");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *bodies = tcase_create("bodies"), *others = tcase_create("others");
    tcase_set_timeout(bodies, 120);
    tcase_set_timeout(others, 60);
    tcase_add_loop_test(bodies, codecs_give_the_same_bits, 0, (codec_cases_count + 2) / 3);
    tcase_add_loop_test(bodies, bodies_give_the_same_bits, 0, 4);
    tcase_add_test(others, runs_end_unattended);
    tcase_add_test(others, runs_back_to_back);
    tcase_add_test(others, failures_stay_in_their_run);
    tcase_add_loop_test(others, limits_of_waits, 0, 2);
    tcase_add_test(others, plans_closed_in_their_run);
    tcase_add_test(others, one_thread_while_needed);
    tcase_add_test(others, one_call_forms);
    suite_add_tcase(suite, bodies);
    suite_add_tcase(suite, others);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
