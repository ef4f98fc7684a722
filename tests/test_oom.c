/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Out of memory at every place: the k-th allocation of plans and reducers, of creation, runs,
 * saving and closing, fails, for k = 1, 2, ... until none does. Each time: a status, nothing
 * leaked, nothing half made.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <gradwire.h>

#include "tests/scarce_memory.h"

static const char *const specs[] = { "raw",
                                     "ef+qsgd:bits=4",
                                     "ef+sign",
                                     "momentum:beta=0.9+vote",
                                     "ef+topk:ratio=0.1",
                                     "randomk",
                                     "int",
                                     "terngrad",
                                     "clip:sigma=2+onebit",
                                     "qsgd:levels=16,norm=l2,coding=elias" };
enum { SPECS = sizeof specs / sizeof *specs, COUNT = 1500, SITES_MAX = 5000 };
/* Reducers walk the first of them. */
enum { REDUCER_SPECS = 3 };

/* Check allocates too, so nothing is asserted here: `wrong` says what was. */
static gw_status use(gw_comm *comm, const char *spec, const char **wrong)
{
    static float x[COUNT];
    gw_plan *plan = NULL;
    gw_tensor tensors[] = { { "a", COUNT - 10 }, { "b", 10 } };
    const void *in[] = { x, x + COUNT - 10 };
    void *out[] = { x, x + COUNT - 10 };
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)(i % 13) - 6;
    gw_options options = { .codec = spec };
    gw_status s = gw_plan_allreduce_list(&plan, comm, tensors, 2, GW_F32, GW_MEAN, &options);
    if (s) {
        if (plan || s != GW_ENOMEM)
            *wrong = "plan creation does not say GW_ENOMEM, or leaves a plan";
        return s;
    }
    s = gw_start_list(plan, in, out);
    if (!s)
        s = gw_wait(plan);
    /* A message that cannot be started leaves the other side waiting: the transport failed. */
    if (s && s != GW_ENOMEM && s != GW_ETRANSPORT)
        *wrong = "the run says neither GW_ENOMEM nor GW_ETRANSPORT";
    gw_plan_close(plan);
    return s;
}

static gw_status step(gw_reducer *r, float *x)
{
    gw_status s = gw_reducer_ready(r, 1, x + COUNT - 10, x + COUNT - 10);
    if (!s)
        s = gw_reducer_ready(r, 0, x, x);
    return s ? s : gw_reducer_wait(r);
}

/* A step, buckets of another size, a step, the state out and in again. */
static gw_status use_reducer(gw_comm *comm, const char *spec, const char **wrong)
{
    static float x[COUNT];
    static char state[16 * COUNT + 1000];
    size_t bytes = 0;
    gw_reducer *r = NULL;
    gw_tensor tensors[] = { { "a", COUNT - 10 }, { "b", 10 } };
    gw_rule rule = { "nosuch", "raw" };
    gw_options options = {
        .codec = spec, .rules = &rule, .rules_count = 1, .bucket_bytes = 1, .gate = GW_GATE_OFF
    };
    gw_status s = gw_reducer_open(&r, comm, tensors, 2, GW_F32, GW_MEAN, &options);
    if (s && r)
        *wrong = "gw_reducer_open leaves a reducer";
    if (!s)
        s = step(r, x);
    if (!s)
        s = gw_reducer_set_bucket_bytes(r, 1 << 20);
    if (!s)
        s = step(r, x);
    if (!s)
        s = gw_reducer_save(r, state, sizeof state, &bytes);
    if (!s)
        s = gw_reducer_load(r, state, bytes);
    if (s && s != GW_ENOMEM && s != GW_ETRANSPORT)
        *wrong = "a reducer says neither GW_ENOMEM nor GW_ETRANSPORT";
    gw_reducer_close(r);
    return s;
}

typedef gw_status (*user)(gw_comm *comm, const char *spec, const char **wrong);

START_TEST(every_allocation_of_a_plan_and_a_run)
{
    static const user users[] = { use, use_reducer };
    const char *spec = specs[_i % SPECS];
    gw_status s = GW_PENDING;
    int site = -1;
    while (s != GW_OK && ++site < SITES_MAX) {
        gw_comm *comm; /* a new one: ranks that lose memory while others wait break theirs */
        ck_assert_int_eq(gw_comm_open(&comm, "self:"), GW_OK);
        const char *wrong = NULL;
        long before = scarce_alive();
        scarce_at(site);
        s = users[_i / SPECS](comm, spec, &wrong);
        long failed = scarce_end(), left = scarce_alive() - before;
        gw_comm_close(comm);
        ck_assert_msg(!wrong, "%s: allocation %d fails: %s (%s)", spec, site, wrong,
                      gw_status_name(s));
        ck_assert_msg(left == 0, "%s: allocation %d fails: %ld blocks leaked", spec, site, left);
        ck_assert_msg(s != GW_OK || failed == 0, "%s: allocation %d failed and the run succeeded",
                      spec, site);
    }
    ck_assert_msg(s == GW_OK && site > 20, "%s: only %d allocations walked", spec, site);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oom");
    TCase *tests = tcase_create("walk");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, every_allocation_of_a_plan_and_a_run, 0, SPECS + REDUCER_SPECS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
