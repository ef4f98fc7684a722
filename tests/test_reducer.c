/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Reducers on threads; with an argument, the bodies' digests on that many ranks, as mpi_reducer
 * prints them. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "collectives/reducer.h"
#include "tests/ranks.h"
#include "tests/reducer_bodies.h"

/* ---- cutting ----------------------------------------------------------------------------------*/

START_TEST(buckets_hold_every_tensor_once)
{
    struct gw_random_key key = gw_random_key(5, 0, (uint64_t)_i, 0, 0);
    enum { MOST = 40 };
    struct gw_bucket_range ranges[MOST];
    size_t bytes[MOST] = { 0 }, count = gw_random_u32(key, 0) % MOST,
           most = 1 + gw_random_u32(key, 1) % 99;
    int kinds[MOST] = { 0 };
    for (size_t t = 0; t < count; t++) {
        bytes[t] = gw_random_u32(key, 2 * t + 2) % 40;
        kinds[t] = gw_random_u32(key, 2 * t + 3) % 8 == 0;
    }
    size_t buckets = gw_buckets_cut(ranges, bytes, kinds, count, most), end = count;
    for (size_t b = 0; b < buckets; b++) {
        size_t sum = 0;
        ck_assert_msg(ranges[b].count > 0 && ranges[b].first + ranges[b].count == end,
                      "case %d: bucket %zu ends at %zu, expected %zu", _i, b,
                      ranges[b].first + ranges[b].count, end);
        end = ranges[b].first;
        for (size_t t = end; t < end + ranges[b].count; t++) {
            sum += bytes[t];
            ck_assert_int_eq(kinds[t], kinds[end]);
        }
        ck_assert_msg(sum <= most || ranges[b].count == 1, "case %d: bucket %zu of %zu bytes", _i,
                      b, sum);
        ck_assert_msg(end == 0 || kinds[end - 1] != kinds[end] || sum + bytes[end - 1] > most,
                      "case %d: bucket %zu could hold one more", _i, b);
    }
    ck_assert_uint_eq(end, 0);
}
END_TEST

/* ---- the bodies -------------------------------------------------------------------------------*/

typedef void (*reducer_body)(gw_comm *, unsigned long long *);
static const reducer_body bodies[] = { body_orders, body_sizes, body_saved };
enum { BODIES = sizeof bodies / sizeof *bodies };

struct scene {
    reducer_body body;
    unsigned long long digests;
};

static void on_rank(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    unsigned long long digests = 0;
    scene->body(comm, &digests);
    if (gw_comm_rank(comm) == 0)
        scene->digests = digests;
}

static unsigned long long run_body(int i, int ranks)
{
    struct scene scene = { .body = bodies[i] };
    run_ranks(ranks, on_rank, &scene);
    return scene.digests;
}

#if defined __SANITIZE_THREAD__
static const int sizes[] = { 1, 2, 3 };
#else
static const int sizes[] = { 1, 2, 3, 4, 5 };
#endif
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(bodies_on_threads)
{
    (void)run_body(_i % BODIES, sizes[_i / BODIES]);
    ck_assert_msg(failures() == 0, "body %d on %d ranks: see above", _i % BODIES,
                  sizes[_i / BODIES]);
}
END_TEST

/* Who moves the bytes, and how many threads compute, changes no bit. */
START_TEST(bodies_with_a_progress_thread)
{
    unsigned long long by_caller = run_body(_i, 3);
    setenv("GRADWIRE_PROGRESS", "thread", 1);
    setenv("GRADWIRE_THREADS", "2", 1);
    unsigned long long by_thread = run_body(_i, 3);
    unsetenv("GRADWIRE_PROGRESS");
    unsetenv("GRADWIRE_THREADS");
    ck_assert_int_eq(failures(), 0);
    ck_assert_msg(by_caller == by_thread, "body %d: got %llx, expected %llx", _i, by_thread,
                  by_caller);
}
END_TEST

START_TEST(bodies_on_nodes)
{
    struct scene scene = { .body = bodies[_i] };
    run_ranks_on(2, "", 4, on_rank, &scene);
    ck_assert_msg(failures() == 0, "body %d on 2 nodes: see above", _i);
}
END_TEST

/* ---- errors -----------------------------------------------------------------------------------*/

static gw_reducer *open_small(gw_comm *comm, const gw_options *options)
{
    gw_reducer *r = NULL;
    expect(gw_reducer_open(&r, comm, reducer_tensors, REDUCER_TENSORS, GW_F32, GW_SUM, options) ==
               GW_OK,
           "gw_reducer_open: %s", gw_comm_error(comm));
    return r;
}

static void expect_status(gw_status got, gw_status wanted, const char *words, const char *part,
                          const char *what)
{
    expect(got == wanted && strstr(words, part), "%s: %s (%s), expected %s with '%s'", what,
           gw_status_name(got), words, gw_status_name(wanted), part);
}

static void misuse(gw_comm *comm, void *context)
{
    (void)context;
    float x[REDUCER_ELEMENTS] = { 0 };
    char state[64] = { 0 };
    size_t written, index = 0;
    gw_stats stats;
    gw_reducer *r = open_small(comm, &(gw_options){ .bucket_bytes = 1300 });
    if (!r)
        return;
    expect_status(gw_reducer_wait(r), GW_ESTATE, gw_reducer_error(r), "no step", "wait");
    expect_status(gw_reducer_test(r), GW_ESTATE, gw_reducer_error(r), "no step", "test");
    expect_status(gw_reducer_ready(r, REDUCER_TENSORS, x, x), GW_EINVAL, gw_reducer_error(r),
                  "no tensor 8", "ready");
    expect_status(gw_reducer_ready(r, 0, x, NULL), GW_EINVAL, gw_reducer_error(r), "'embed'",
                  "ready");
    expect(gw_reducer_result(r, 0) == GW_ESTATE, "a result before the first step");
    for (size_t t = 0; t < REDUCER_TENSORS; t++)
        if (t != 3)
            expect(gw_reducer_ready(r, t, x + reducer_first(t), x + reducer_first(t)) == GW_OK,
                   "%s", gw_reducer_error(r));
    expect_status(gw_reducer_ready(r, 5, x, x), GW_ESTATE, gw_reducer_error(r), "'norm'", "again");
    expect_status(gw_reducer_wait(r), GW_ESTATE, gw_reducer_error(r), "'layer1.weight'", "wait");
    expect(gw_reducer_save(r, state, sizeof state, &written) == GW_ESTATE, "saved within a step");
    expect(gw_reducer_stats(r, &stats) == GW_ESTATE, "statistics within a step");
    expect_status(gw_reducer_set_bucket_bytes(r, 9), GW_ESTATE, gw_reducer_error(r), "under way",
                  "size");
    expect_status(gw_reducer_load(r, state, sizeof state), GW_ESTATE, gw_reducer_error(r),
                  "under way", "load");
    expect_status(gw_reducer_rescale(r, 2), GW_ESTATE, gw_reducer_error(r), "under way", "rescale");
    expect(gw_reducer_find(r, "layer1.weight", &index) == GW_OK && index == 3, "find: %zu", index);
    expect(gw_reducer_find(r, "nosuch", &index) == GW_EINVAL, "found what is not there");
    expect(gw_reducer_ready(r, 3, x + reducer_first(3), x + reducer_first(3)) == GW_OK &&
               gw_reducer_wait(r) == GW_OK,
           "the step does not go on: %s", gw_reducer_error(r));
    expect(gw_reducer_stats(r, &stats) == GW_OK && stats.runs == 1, "%llu steps",
           (unsigned long long)stats.runs);
    expect_status(gw_reducer_load(r, state, sizeof state), GW_EPAYLOAD, gw_reducer_error(r),
                  "not a saved state", "load");
    expect_status(gw_reducer_load(r, NULL, 0), GW_EINVAL, gw_reducer_error(r), "NULL", "load");
    expect(gw_reducer_save(r, state, sizeof state, &written) == GW_ECAPACITY, "saved in 64 bytes");
    gw_reducer_close(r);
    gw_reducer_close(NULL);
}

static void disagree(gw_comm *comm, void *context)
{
    (void)context;
    int me = gw_comm_rank(comm);
    gw_reducer *r = NULL;
    gw_options options = { .bucket_bytes = me == 1 ? 1000 : 2000 };
    size_t count = REDUCER_TENSORS;
    gw_status s = gw_reducer_open(&r, comm, reducer_tensors, count, GW_F32, GW_SUM, &options);
    expect_status(s, GW_EMISMATCH, gw_comm_error(comm), "buckets of 1000", "sizes");
    s = gw_reducer_open(&r, comm, reducer_tensors, count - (me == 1), GW_F32, GW_SUM, NULL);
    expect_status(s, GW_EMISMATCH, gw_comm_error(comm), "of 7", "counts");
    options = (gw_options){ .codec = me == 1 ? "nosuch" : "raw" };
    s = gw_reducer_open(&r, comm, reducer_tensors, count, GW_F32, GW_SUM, &options);
    expect_status(s, me == 1 ? GW_ESPEC : GW_EPEER, gw_comm_error(comm),
                  me == 1 ? "nosuch" : "rank 1", "codecs");
    gw_tensor twice[] = { { "a", 1 }, { "b", 1 }, { "a", 1 } };
    s = gw_reducer_open(&r, comm, twice, 3, GW_F32, GW_SUM, NULL);
    expect_status(s, GW_EINVAL, gw_comm_error(comm), "both named 'a'", "names");
    r = open_small(comm, NULL);
    if (!r)
        return;
    s = gw_reducer_set_bucket_bytes(r, me == 1 ? 100 : 200);
    expect_status(s, GW_EMISMATCH, gw_reducer_error(r), "is 200 on rank 0", "other size");
    float x[REDUCER_ELEMENTS] = { 1 };
    expect(reducer_step(r, x, me, 0) == GW_OK, "after that: %s", gw_reducer_error(r));
    gw_reducer_close(r);
}

/* NaN in one tensor of one rank: its bucket fails everywhere, changes nothing; others deliver. */
static void refuse(gw_comm *comm, void *context)
{
    (void)context;
    float x[REDUCER_ELEMENTS];
    int me = gw_comm_rank(comm), ranks = gw_comm_size(comm);
    gw_reducer *r =
        open_small(comm, &(gw_options){ .codec = "ef+topk:ratio=0.1", .bucket_bytes = 1300 });
    if (!r)
        return;
    for (int i = 0; i < REDUCER_ELEMENTS; i++)
        x[i] = 1;
    x[reducer_first(3) + 5] = me == ranks - 1 ? NAN : 1;
    gw_status s = reducer_step(r, x, me, 3);
    expect_status(s, me == ranks - 1 ? GW_ENONFINITE : GW_EPEER, gw_reducer_error(r),
                  "'layer1.weight'", "NaN");
    for (size_t t = 0; t < REDUCER_TENSORS; t++) {
        gw_status result = gw_reducer_result(r, t);
        const float *at = x + reducer_first(t);
        const struct gw_codec *c = gw_reducer_codec(r, t);
        bool failed = t == 3;
        expect((result != GW_OK) == failed, "tensor %zu: %s", t, gw_status_name(result));
        expect(c->run == !failed, "tensor %zu: run %llu", t, (unsigned long long)c->run);
        for (size_t i = 0; failed && i < c->site.count; i++)
            expect((i == 5 || at[i] == 1) && c->state[i] == 0, "tensor %zu has changed", t);
    }
    gw_stats stats;
    expect(gw_reducer_stats(r, &stats) == GW_OK && stats.failed_runs == 1, "not counted");
    for (int i = 0; i < REDUCER_ELEMENTS; i++)
        x[i] = 1;
    expect(reducer_step(r, x, me, 4) == GW_OK, "the next step: %s", gw_reducer_error(r));
    gw_reducer_close(r);
}

static void stay_away(gw_comm *comm, void *context)
{
    static atomic_int over;
    (void)context;
    float x[REDUCER_ELEMENTS] = { 1 };
    int me = gw_comm_rank(comm);
    gw_reducer *r = open_small(comm, &(gw_options){ .timeout_s = 0.3, .bucket_bytes = 1300 });
    if (!r)
        return;
    if (me == 0) {
        gw_status s = reducer_step(r, x, me, 0);
        expect_status(s, GW_ETIMEOUT, gw_reducer_error(r), "rank 1", "a rank that never marks");
        s = reducer_step(r, x, me, 0);
        expect_status(s, GW_EBROKEN, gw_reducer_error(r), "unusable", "after that");
    }
    atomic_fetch_add(&over, me == 0);
    while (!atomic_load(&over)) /* it is there, but does not answer */
        sched_yield();
    gw_reducer_close(r);
}

START_TEST(errors)
{
    static const struct {
        const char *name;
        rank_body body;
        int ranks;
    } cases[] = {
        { "misuse", misuse, 1 }, { "misuse", misuse, 3 },       { "disagree", disagree, 3 },
        { "refuse", refuse, 3 }, { "stay away", stay_away, 2 },
    };
    run_ranks(cases[_i].ranks, cases[_i].body, NULL);
    ck_assert_msg(failures() == 0, "%s, %d ranks: see above", cases[_i].name, cases[_i].ranks);
}
END_TEST

/* ---- another number of ranks ------------------------------------------------------------------*/

enum { RANKS_MOST = 5 };

struct folding {
    void *states[RANKS_MOST];
    size_t bytes[RANKS_MOST];
    int saved_by;
    double kept[REDUCER_ELEMENTS]; /* of all ranks; the lock guards it */
    pthread_mutex_t lock;
};

static void note_kept(struct folding *f, gw_reducer *r)
{
    pthread_mutex_lock(&f->lock);
    for (size_t t = 0; t < REDUCER_TENSORS; t++) {
        const struct gw_codec *c = gw_reducer_codec(r, t), *owner;
        double *at = f->kept + reducer_first(t);
        int segment = 0;
        for (size_t i = 0; i < c->site.count; i++)
            at[i] += (double)c->state[i];
        while ((owner = gw_reducer_owner(r, t, &segment)))
            for (size_t i = 0; i < owner->site.count; i++)
                at[owner->site.first + i] += (double)owner->state[i];
    }
    pthread_mutex_unlock(&f->lock);
}

static void leave(gw_comm *comm, void *context)
{
    struct folding *f = context;
    float x[REDUCER_ELEMENTS];
    int me = gw_comm_rank(comm);
    gw_reducer *r =
        open_small(comm, &(gw_options){ .codec = "ef+topk:ratio=0.05", .bucket_bytes = 4000 });
    for (int step = 0; r && step < 5; step++) {
        reducer_fill(x, me, step);
        expect(reducer_step(r, x, me, step) == GW_OK, "%s", gw_reducer_error(r));
    }
    if (!r)
        return;
    size_t capacity = gw_reducer_state_bytes(r);
    f->states[me] = malloc(capacity);
    expect(f->states[me] && gw_reducer_save(r, f->states[me], capacity, &f->bytes[me]) == GW_OK,
           "gw_reducer_save");
    note_kept(f, r);
    gw_reducer_close(r);
}

static void take_over(gw_comm *comm, void *context)
{
    struct folding *f = context;
    gw_reducer *r =
        open_small(comm, &(gw_options){ .codec = "ef+topk:ratio=0.05", .bucket_bytes = 1300 });
    if (!r)
        return;
    const void *const *states = (const void *const *)f->states;
    gw_status s = gw_reducer_load_folded(r, states, f->bytes, f->saved_by, GW_FOLD_REFUSE);
    expect((s == GW_OK) == (f->saved_by == gw_comm_size(comm)), "refuse: %s", gw_reducer_error(r));
    s = gw_reducer_load_folded(r, states, f->bytes, f->saved_by, GW_FOLD_SUM);
    expect(s == GW_OK, "fold: %s", gw_reducer_error(r));
    note_kept(f, r);
    float x[REDUCER_ELEMENTS] = { 0 };
    expect(reducer_step(r, x, gw_comm_rank(comm), 0) == GW_OK, "%s", gw_reducer_error(r));
    gw_reducer_close(r);
}

START_TEST(ranks_change)
{
    static const int changes[][2] = { { 3, 2 }, { 2, 5 }, { 4, 1 }, { 1, 3 }, { 3, 3 } };
    struct folding f = { .saved_by = changes[_i][0] };
    double before[REDUCER_ELEMENTS];
    pthread_mutex_init(&f.lock, NULL);
    run_ranks(changes[_i][0], leave, &f);
    memcpy(before, f.kept, sizeof before);
    memset(f.kept, 0, sizeof f.kept);
    run_ranks(changes[_i][1], take_over, &f);
    ck_assert_int_eq(failures(), 0);
    for (int i = 0; i < REDUCER_ELEMENTS; i++)
        ck_assert_msg(before[i] == f.kept[i], "%d to %d ranks, element %d: kept %.17g, then %.17g",
                      changes[_i][0], changes[_i][1], i, before[i], f.kept[i]);
    for (int k = 0; k < RANKS_MOST; k++)
        free(f.states[k]);
    pthread_mutex_destroy(&f.lock);
}
END_TEST

static int print_digests(int ranks)
{
    for (int i = 0; i < BODIES; i++)
        printf("%d %016llx\n", i, run_body(i, ranks));
    return failures() ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return print_digests((int)strtol(argv[1], NULL, 10));
    Suite *suite = suite_create("reducer");
    TCase *tests = tcase_create("reducer");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, buckets_hold_every_tensor_once, 0, 300);
    tcase_add_loop_test(tests, bodies_on_threads, 0, SIZES * BODIES);
    tcase_add_loop_test(tests, bodies_with_a_progress_thread, 0, BODIES);
    tcase_add_loop_test(tests, bodies_on_nodes, 0, BODIES);
    tcase_add_loop_test(tests, errors, 0, 5);
    tcase_add_loop_test(tests, ranks_change, 0, 5);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
