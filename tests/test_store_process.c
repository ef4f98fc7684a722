/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The store on the system's files: a round trip, a folder that is taken, a process that is killed
 * while it appends, flushes and makes snapshots, and an owner who appends while another thread
 * flushes. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/sim_files.h"
#include "tests/store_model.h"

enum { KILLS = 20 };

static char folder[64], inner[128];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/gradwire-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/state", folder);
}

static void forget(void *user, const char *name)
{
    char path[512];
    (void)user;
    snprintf(path, sizeof path, "%s/%s", inner, name);
    (void)unlink(path);
}

static void remove_folder(void)
{
    (void)gw_files_system.list(NULL, inner, forget, NULL);
    (void)rmdir(inner);
    ck_assert_msg(rmdir(folder) == 0, "%s cannot be removed", folder);
}

static struct store_model *new_model(const struct gw_files *files, const char *where)
{
    struct store_model *m = calloc(1, sizeof *m);
    ck_assert_ptr_nonnull(m);
    m->files = files;
    m->folder = where;
    m->logs = true;
    return m;
}

static void must(gw_status s, const struct store_model *m)
{
    ck_assert_msg(!s && !m->wrong[0], "%s: %s %s", gw_status_name(s), m->error.text, m->wrong);
}

START_TEST(round_trip)
{
    static const bool never = false;
    uint64_t seed = 7;
    make_folder();
    struct store_model *m = new_model(&gw_files_system, inner);
    store_model_play(m, &seed, 40, &never);
    if (!m->store)
        must(store_model_open(m), m);
    must(store_model_append(m), m);
    must(store_model_flush(m), m);
    store_model_close(m);
    must(store_model_open(m), m);
    ck_assert_msg(m->failures == 0, "%d calls failed: %s", m->failures, m->error.text);
    store_model_close(m);
    free(m);
    remove_folder();
}
END_TEST

START_TEST(one_folder_one_store)
{
    make_folder();
    struct store_model *m = new_model(&gw_files_system, inner), *other = new_model(m->files, inner);
    must(store_model_open(m), m);
    ck_assert_int_eq(store_model_open(other), GW_ESTATE);
    ck_assert_msg(strstr(other->error.text, inner), "words without the folder: %s",
                  other->error.text);
    store_model_close(m);
    must(store_model_open(other), other);
    store_model_close(other);
    free(m);
    free(other);
    remove_folder();
}
END_TEST

START_TEST(words_name_file_and_reason)
{
    make_folder();
    char path[256];
    snprintf(path, sizeof path, "%s/no/state", folder);
    struct store_model *m = new_model(&gw_files_system, path);
    ck_assert_int_eq(store_model_open(m), GW_EIO);
    ck_assert_msg(strstr(m->error.text, path) && strstr(m->error.text, strerror(2 /* ENOENT */)),
                  "words without path or reason: %s", m->error.text);
    free(m);
    remove_folder();
}
END_TEST

/* ---- kill -9 --------------------------------------------------------------------------------- */

/* Never returns. Each acknowledgement is a number in the pipe: records that have to come back. */
static void serve(struct store_model *m, uint64_t seed, int pipe_end)
{
    uint64_t told = 0;
    if (store_model_open(m))
        _exit(1);
    for (uint64_t step = 0; m->applied < MODEL_RECORDS - 8; step++) {
        gw_status s = store_model_append(m);
        uint64_t what = gw_mix64(seed * 1000 + step) % 12;
        if (!s && what == 0) {
            store_model_turn(m);
            s = store_model_append(m);
            s = s ? s : store_model_snapshot(m);
        } else if (!s && what < 7) {
            s = store_model_flush(m);
        }
        if (s || m->wrong[0])
            _exit(1);
        if (m->durable > told && write(pipe_end, &m->durable, sizeof m->durable) < 0)
            _exit(1);
        told = m->durable;
    }
    for (;;)
        pause();
}

/* Kill a child after it has told of a few acknowledgements; take over what it appended. */
static void one_life(struct store_model *m, uint64_t seed)
{
    int ends[2], status;
    uint64_t before = m->applied, told, number = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(ends[0]);
        serve(m, seed, ends[1]);
    }
    close(ends[1]);
    for (uint64_t wanted = 1 + gw_mix64(seed) % 12; wanted > 0; wanted--)
        ck_assert_msg(read(ends[0], &number, sizeof number) == (ssize_t)sizeof number,
                      "seed %llu: the child failed", (unsigned long long)seed);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    told = number;
    while (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number)
        told = number;
    close(ends[0]);
    /* It had the same stamps as this process would give; how many it appended is not known. */
    for (uint64_t i = before; i < MODEL_RECORDS; i++)
        m->stamps[i] = m->life + 1;
    m->applied = MODEL_RECORDS;
    m->durable = told;
    m->life++;
    must(store_model_open(m), m);
    store_model_close(m);
}

START_TEST(killed_at_any_moment)
{
    make_folder();
    struct store_model *m = new_model(&gw_files_system, inner);
    for (uint64_t seed = 1; seed <= KILLS; seed++)
        one_life(m, seed);
    free(m);
    remove_folder();
}
END_TEST

/* ---- threads --------------------------------------------------------------------------------- */

struct helper {
    struct store_model *m;
    atomic_bool done;
    gw_status status;
    struct gw_error error;
};

static void *flush_on_and_on(void *user)
{
    struct helper *h = user;
    while (!atomic_load(&h->done) && !h->status)
        h->status = gw_store_flush(h->m->store, &h->error);
    return NULL;
}

START_TEST(append_while_another_flushes)
{
    struct sim_files *sim = sim_files_new();
    struct store_model *m = new_model(&sim->files, "/state");
    must(store_model_open(m), m);
    for (int generation = 0; generation < 5; generation++) {
        struct helper helper = { .m = m };
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, flush_on_and_on, &helper), 0);
        for (int i = 0; i < 300; i++) {
            must(store_model_append(m), m);
            if (i == 200)
                store_model_turn(m);
            (void)gw_store_is_sick(m->store);
            (void)gw_store_pending(m->store);
        }
        atomic_store(&helper.done, true);
        pthread_join(thread, NULL);
        ck_assert_msg(!helper.status, "%s", helper.error.text);
        must(store_model_snapshot(m), m);
    }
    must(store_model_flush(m), m);
    store_model_close(m);
    sim_files_crash(sim, 3);
    must(store_model_open(m), m);
    ck_assert_uint_eq(m->applied, 1500);
    store_model_close(m);
    sim_files_free(sim);
    free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_process");
    TCase *tests = tcase_create("process");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, one_folder_one_store);
    tcase_add_test(tests, words_name_file_and_reason);
    tcase_add_test(tests, killed_at_any_moment);
    tcase_add_test(tests, append_while_another_flushes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
