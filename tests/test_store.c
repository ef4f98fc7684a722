/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The store on a disk that fails, stops and forgets: what was acknowledged comes back, in order and
 * once, whichever call was the last; and no call says GW_OK for what is not on disk.
 *
 * STORE_SEED=S STORE_CALL=N narrows the walks to one run. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "server/store_parts.h"
#include "tests/sim_files.h"
#include "tests/store_model.h"

enum { STEPS = 30 };

static const bool never = false;

static bool left_out(const char *name, uint64_t value)
{
    const char *only = getenv(name);
    return only && strtoull(only, NULL, 10) != value;
}

static struct store_model *new_model(const struct sim_files *sim, bool logs)
{
    struct store_model *m = calloc(1, sizeof *m);
    ck_assert_ptr_nonnull(m);
    m->files = &sim->files;
    m->folder = "/state";
    m->logs = logs;
    return m;
}

/* From here on nothing fails: each call says GW_OK, and all is there after a power cut. */
static const char *must_work(struct sim_files *sim, struct store_model *m, uint64_t seed)
{
    static char words[GW_ERROR_TEXT + 100];
    gw_status s = m->store ? GW_OK : store_model_open(m);
    for (int i = 0; i < 3 && !s; i++)
        s = store_model_append(m);
    if (!s)
        store_model_turn(m);
    if (!s)
        s = store_model_append(m);
    if (!s)
        s = store_model_snapshot(m);
    if (!s)
        s = store_model_flush(m);
    uint64_t all = m->logs ? m->applied : m->turned;
    store_model_close(m);
    if (sim_files_open_count(sim) != 0)
        return "files were left open";
    sim_files_crash(sim, seed);
    if (!s)
        s = store_model_open(m);
    if (!s && m->applied != all)
        return "after a good flush and a power cut records were missing";
    store_model_close(m);
    snprintf(words, sizeof words, "%s: %s", gw_status_name(s), m->error.text);
    return s ? words : m->wrong[0] ? m->wrong : NULL;
}

static void end_run(struct sim_files *sim, struct store_model *m, const char *wrong, uint64_t seed,
                    long call, const char *walk)
{
    sim_files_free(sim);
    ck_assert_msg(!wrong, "%s; repeat with STORE_SEED=%llu STORE_CALL=%ld CK_RUN_CASE=%s", wrong,
                  (unsigned long long)seed, call, walk);
    free(m);
}

/* ---- crashes --------------------------------------------------------------------------------- */

/* Play until call `at` (0: to the end); a kill or a power cut; now and then another one while
 * recovering. Returns the calls made. */
static long crash_run(uint64_t seed, long at)
{
    struct sim_files *sim = sim_files_new();
    struct store_model *m = new_model(sim, seed % 4 != 0);
    uint64_t script = seed, dice = seed * 1000003 + (uint64_t)at;
    sim->crash_at = at;
    store_model_play(m, &script, STEPS, &sim->crashed);
    long calls = sim->calls;
    store_model_close(m);
    if (dice % 2)
        sim_files_crash(sim, dice);
    else
        sim_files_kill(sim);
    for (int again = (int)(gw_mix64(dice) % 3); again > 0; again--) {
        sim->crash_at = sim->calls + 1 + (long)(gw_mix64(dice + (uint64_t)again) % 40);
        (void)!store_model_open(m);
        store_model_close(m);
        sim_files_crash(sim, dice + 77);
    }
    const char *wrong = m->wrong[0] ? m->wrong : must_work(sim, m, dice + 99);
    end_run(sim, m, wrong, seed, at, "crash");
    return calls;
}

START_TEST(every_call_may_be_the_last)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        if (left_out("STORE_SEED", seed))
            continue;
        long calls = crash_run(seed, 0);
        for (long at = 1; at <= calls; at++)
            if (!left_out("STORE_CALL", (uint64_t)at))
                (void)crash_run(seed, at);
    }
}
END_TEST

START_TEST(thousands_of_scripts)
{
    for (uint64_t seed = 1000; seed < 6000; seed++)
        if (!left_out("STORE_SEED", seed))
            (void)crash_run(seed, 1 + (long)(gw_mix64(seed) % 150));
}
END_TEST

/* ---- faults ---------------------------------------------------------------------------------- */

static long fault_run(uint64_t seed, long at, enum sim_fault fault, bool sticky)
{
    struct sim_files *sim = sim_files_new();
    struct store_model *m = new_model(sim, seed % 4 != 0);
    uint64_t script = seed;
    const char *wrong = NULL;
    sim->fail_at = at;
    sim->fault = fault;
    sim->sticky = sticky;
    m->doubts = at != 0 && !sticky;
    store_model_play(m, &script, STEPS, &never);
    long calls = sim->calls;
    if ((fault == SIM_SHORT || fault == SIM_EINTR) && m->failures > 0)
        wrong = m->error.text;
    sim->fail_at = 0;
    if (seed % 2) { /* else the same store goes on, and has to become well */
        store_model_close(m);
        sim_files_crash(sim, seed + (uint64_t)at);
    }
    if (!wrong)
        wrong = m->wrong[0] ? m->wrong : must_work(sim, m, seed + 99);
    end_run(sim, m, wrong, seed, at, "fault");
    return calls;
}

START_TEST(every_call_may_fail)
{
    enum sim_fault fault = (enum sim_fault)(_i / 2);
    bool sticky = _i % 2;
    if (fault == SIM_EINTR && sticky)
        return; /* a call that is always interrupted is repeated for ever */
    for (uint64_t seed = 0; seed < 12; seed++) {
        if (left_out("STORE_SEED", seed))
            continue;
        long calls = fault_run(seed, 0, fault, sticky);
        for (long at = 1; at <= calls; at++)
            if (!left_out("STORE_CALL", (uint64_t)at))
                (void)fault_run(seed, at, fault, sticky);
    }
}
END_TEST

/* ---- sick and well --------------------------------------------------------------------------- */

static void expect(struct store_model *m, gw_status got, gw_status expected, const char *what)
{
    ck_assert_msg(got == expected && !m->wrong[0], "%s: expected %s, got %s (%s) %s", what,
                  gw_status_name(expected), gw_status_name(got), m->error.text, m->wrong);
}

START_TEST(a_sick_store_leaves_its_log_alone)
{
    struct sim_files *sim = sim_files_new();
    struct store_model *m = new_model(sim, true);
    expect(m, store_model_open(m), GW_OK, "open");
    expect(m, store_model_append(m), GW_OK, "append");
    sim->fault = SIM_EIO;
    sim->fail_at = sim->calls + 2;
    expect(m, store_model_flush(m), GW_EIO, "a flush whose fsync fails");
    long calls = sim->calls;
    expect(m, store_model_append(m), GW_OK, "append to a sick store");
    expect(m, store_model_flush(m), GW_EIO, "flush of a sick store");
    ck_assert_msg(sim->calls == calls, "a sick store made %ld calls", sim->calls - calls);
    store_model_turn(m);
    expect(m, store_model_append(m), GW_OK, "append behind the turn");
    expect(m, store_model_flush(m), GW_EIO, "flush before the snapshot");
    expect(m, store_model_snapshot(m), GW_OK, "snapshot");
    ck_assert_msg(gw_store_pending(m->store) > 0, "the record behind the turn is gone");
    expect(m, store_model_flush(m), GW_OK, "flush");
    const char *wrong = must_work(sim, m, 1);
    end_run(sim, m, wrong, 0, 0, "sick");
}
END_TEST

START_TEST(a_snapshot_does_not_heal_its_own_log)
{
    struct sim_files *sim = sim_files_new();
    struct store_model *m = new_model(sim, true);
    expect(m, store_model_open(m), GW_OK, "open");
    store_model_turn(m);
    expect(m, store_model_append(m), GW_OK, "append");
    sim->fault = SIM_ENOSPC;
    sim->fail_at = sim->calls + 2; /* the first closes the old log */
    expect(m, store_model_flush(m), GW_EIO, "a flush that cannot make its log");
    expect(m, store_model_snapshot(m), GW_EIO, "snapshot of the generation whose log failed");
    expect(m, store_model_snapshot(m), GW_ESTATE, "snapshot without a turn");
    store_model_turn(m);
    expect(m, store_model_snapshot(m), GW_OK, "snapshot of the next generation");
    expect(m, store_model_flush(m), GW_OK, "flush");
    const char *wrong = must_work(sim, m, 1);
    end_run(sim, m, wrong, 0, 0, "sick");
}
END_TEST

START_TEST(one_folder_one_store)
{
    struct sim_files *sim = sim_files_new();
    struct store_model *m = new_model(sim, true), *other = new_model(sim, true);
    expect(m, store_model_open(m), GW_OK, "open");
    expect(other, store_model_open(other), GW_ESTATE, "a second open");
    ck_assert_ptr_nonnull(strstr(other->error.text, "/state"));
    store_model_close(m);
    expect(other, store_model_open(other), GW_OK, "open of what was closed");
    store_model_close(other);
    free(other);
    end_run(sim, m, NULL, 0, 0, "sick");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *crash = tcase_create("crash"), *fault = tcase_create("fault");
    TCase *sick = tcase_create("sick");
    tcase_set_timeout(crash, 120);
    tcase_set_timeout(fault, 120);
    tcase_add_test(crash, every_call_may_be_the_last);
    tcase_add_test(crash, thousands_of_scripts);
    tcase_add_loop_test(fault, every_call_may_fail, 0, SIM_FAULTS * 2);
    tcase_add_test(sick, a_sick_store_leaves_its_log_alone);
    tcase_add_test(sick, a_snapshot_does_not_heal_its_own_log);
    tcase_add_test(sick, one_folder_one_store);
    suite_add_tcase(suite, crash);
    suite_add_tcase(suite, fault);
    suite_add_tcase(suite, sick);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
