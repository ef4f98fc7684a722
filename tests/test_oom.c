/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Out of memory at every place: the k-th allocation of plan creation, runs, saving and closing
 * fails, for k = 1, 2, ... until none does. Each time: a status, nothing leaked, nothing half made.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <gradwire.h>

/* The linker sends the rooms' calls here (-Wl,--wrap). */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void __real_free(void *old);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void __wrap_free(void *old);
char *__wrap_strdup(const char *text);

static int armed, fail_at, calls;
static long living;

static int fails(void)
{
    return armed && ++calls == fail_at;
}

static void *counted(void *p)
{
    living += armed && p;
    return p;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : counted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : counted(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *old, size_t bytes)
{
    if (fails())
        return NULL;
    void *p = __real_realloc(old, bytes);
    living += armed && p && !old;
    return p;
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : counted(__real_strdup(text));
}

void __wrap_free(void *old)
{
    living -= armed && old;
    __real_free(old);
}

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

START_TEST(every_allocation_of_a_plan_and_a_run)
{
    gw_status s = GW_PENDING;
    int site = 0;
    while (s != GW_OK && ++site < SITES_MAX) {
        gw_comm *comm; /* a new one: ranks that lose memory while others wait break theirs */
        ck_assert_int_eq(gw_comm_open(&comm, "self:"), GW_OK);
        fail_at = site;
        calls = 0;
        living = 0;
        const char *wrong = NULL;
        armed = 1;
        s = use(comm, specs[_i], &wrong);
        armed = 0;
        gw_comm_close(comm);
        ck_assert_msg(!wrong, "%s: allocation %d fails: %s (%s)", specs[_i], site, wrong,
                      gw_status_name(s));
        ck_assert_msg(living == 0, "%s: allocation %d fails: %ld blocks leaked", specs[_i], site,
                      living);
        ck_assert_msg(s != GW_OK || calls < fail_at,
                      "%s: allocation %d failed and the run succeeded", specs[_i], site);
    }
    ck_assert_msg(s == GW_OK && site > 20, "%s: only %d allocations walked", specs[_i], site);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oom");
    TCase *tests = tcase_create("walk");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, every_allocation_of_a_plan_and_a_run, 0, SPECS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
