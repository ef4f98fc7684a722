/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The parameter server over real sockets, all in one process: whatever the wire, the mode, the
 * codec and the number of servers, what is given is what is applied; and a synchronous run gives
 * the same bits every time, which are those of an allreduce. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/ps_room.h"
#include "tests/ranks.h"

enum { TENSORS = 3, ELEMENTS = 5000 + 1 + 3333, STEPS = 12 };
static const size_t counts[TENSORS] = { 5000, 1, 3333 };

/* One array per tensor, in one block. */
struct arrays {
    float *all;
    void *of[TENSORS];
};

static struct arrays make_arrays(void)
{
    struct arrays a = { .all = calloc(ELEMENTS, sizeof(float)) };
    float *at = a.all;
    for (int t = 0; t < TENSORS; at += counts[t], t++)
        a.of[t] = at;
    return a;
}

/* What a run is made of. */
struct run {
    const char *mode, *codec, *pull, *feedback, *optimizer, *aggregator;
    size_t part_count;
    uint64_t seed;
    bool dawdles;       /* workers pause at random */
    float *seen[STEPS]; /* what worker 0 pulled */
};

static void dawdle(const struct run *run, int worker, int step)
{
    const struct timespec pause = { 0,
                                    (long)(ps_dyadic(run->seed, worker, step, 77) + 8) * 200000 };
    if (run->dawdles)
        nanosleep(&pause, NULL);
}

static gw_ps *join(struct ps_worker *self)
{
    const struct run *run = self->context;
    gw_ps_options o = ps_options(self->room, self->worker, self->workers);
    o.mode = run->mode;
    o.codec = run->codec;
    o.pull = run->pull;
    o.feedback = run->feedback;
    o.optimizer = run->optimizer;
    o.aggregator = run->aggregator;
    o.part_count = run->part_count;
    o.seed = run->seed;
    return ps_member(self->room, &o, counts, TENSORS);
}

static void train(struct ps_worker *self)
{
    struct run *run = self->context;
    struct arrays g = make_arrays(), w = make_arrays();
    gw_ps_ticket ticket;
    gw_ps *ps = join(self);
    for (int step = 0; ps && step < STEPS; step++) {
        dawdle(run, self->worker, step);
        ps_fill(g.all, ELEMENTS, run->seed, self->worker, step);
        const void *const gradients[TENSORS] = { g.of[0], g.of[1], g.of[2] };
        if (!ps_done(ps, gw_ps_push_pull(ps, gradients, w.of, NULL, &ticket), &ticket))
            break;
        if (self->worker == 0 && run->seen[step])
            memcpy(run->seen[step], w.all, ELEMENTS * sizeof(float));
    }
    if (ps)
        expect(gw_ps_leave(ps) == GW_OK, "worker %d leaves: %s", self->worker, gw_ps_error(ps));
    gw_ps_close(ps);
    free(g.all);
    free(w.all);
}

/* ---- the ledger ------------------------------------------------------------------------------ */

/* With "sum" and a rate of 1 the parameters are minus the sum of all that was applied. */
static void check_ledger(struct ps_room *room, const struct run *run, int workers, const char *what)
{
    struct arrays w = make_arrays();
    gw_ps_options o = ps_options(room, 0, workers);
    o.codec = run->codec;
    o.part_count = run->part_count;
    ps_observe(room, &o, counts, TENSORS, w.of);
    for (size_t i = 0; i < ELEMENTS; i++) {
        float given = 0;
        for (int r = 0; r < workers; r++)
            for (int step = 0; step < STEPS; step++)
                given += ps_dyadic(run->seed, r, step, i);
        if (!expect(w.all[i] == -given, "%s: element %zu is %g, expected %g", what, i,
                    (double)w.all[i], (double)-given))
            break;
    }
    free(w.all);
}

static void run_ledger(enum ps_wire wire, int servers, int workers, struct run run)
{
    struct ps_room room;
    char what[200];
    run.optimizer = "sgd:lr=1";
    run.aggregator = "sum";
    run.seed = 11;
    snprintf(what, sizeof what, "wire %d, %d servers, mode %s, codec %s", wire, servers, run.mode,
             run.codec);
    ps_open(&room, wire, servers, NULL);
    ps_run(&room, workers, train, &run);
    check_ledger(&room, &run, workers, what);
    ck_assert_int_eq(ps_said(&room, 0, "event=left"), workers);
    ps_close(&room);
}

START_TEST(wires)
{
    run_ledger(_i, 1, 3, (struct run){ .mode = "sync", .codec = "raw" });
    run_ledger(_i, 3, 2, (struct run){ .mode = "sync", .codec = "raw", .part_count = 1024 });
}
END_TEST

static const char *const modes[] = { "sync",  "quorum:k=2", "quorum:k=3,grace=2ms",
                                     "async", "ssp:s=0",    "ssp:s=2" };
/* Those whose arithmetic is exact on these gradients. */
static const char *const exact[] = { "raw", "fp16", "bf16", "ef+topk:ratio=0.1" };

enum { MODES = sizeof modes / sizeof *modes, EXACT = sizeof exact / sizeof *exact };

START_TEST(modes_and_codecs)
{
    struct run run = { .mode = modes[_i % MODES], .codec = exact[_i / MODES], .dawdles = true };
    run_ledger(PS_UNIX, 1, 4, run);
}
END_TEST

START_TEST(modes_on_two_servers)
{
    struct run run = { .mode = modes[_i], .codec = "ef+topk:ratio=0.2", .part_count = 1024 };
    run_ledger(PS_TCP, 2, 3, run);
}
END_TEST

/* ---- bits ------------------------------------------------------------------------------------ */

static void make_seen(struct run *run)
{
    for (int step = 0; step < STEPS; step++)
        run->seen[step] = calloc(ELEMENTS, sizeof(float));
}

static void free_seen(struct run *run)
{
    for (int step = 0; step < STEPS; step++)
        free(run->seen[step]);
}

static const struct run lossy[] = {
    { .mode = "sync", .codec = "ef+qsgd:bits=4", .pull = "fp16", .optimizer = "adam" },
    { .mode = "sync", .codec = "ef+sign", .pull = "topk:ratio=0.1", .optimizer = "momentum" },
    { .mode = "sync", .codec = "terngrad", .pull = "bf16", .optimizer = "sgd" },
    { .mode = "sync", .codec = "ef+topk", .pull = "raw", .aggregator = "median" },
    { .mode = "sync",
      .codec = "ef+onebit",
      .pull = "qsgd:bits=2",
      .feedback = "worker",
      .optimizer = "nesterov" },
    { .mode = "sync", .codec = "vote", .aggregator = "vote", .optimizer = "sgd" },
    { .mode = "sync", .codec = "momentum+qsgd", .pull = "int8", .optimizer = "lamb" },
};
enum { LOSSY = sizeof lossy / sizeof *lossy };

START_TEST(same_bits_twice)
{
    struct run runs[2];
    for (int k = 0; k < 2; k++) {
        struct ps_room room;
        runs[k] = lossy[_i];
        runs[k].seed = 5;
        runs[k].dawdles = k == 1;
        runs[k].part_count = 1024;
        make_seen(&runs[k]);
        ps_open(&room, k ? PS_TCP : PS_UNIX, 2, &(gw_server_options){ .threads = 1 + k });
        ps_run(&room, 3, train, &runs[k]);
        ps_close(&room);
    }
    for (int step = 0; step < STEPS; step++)
        ck_assert_msg(memcmp(runs[0].seen[step], runs[1].seen[step], ELEMENTS * 4) == 0,
                      "codec %s, pull %s: step %d differs between two runs", lossy[_i].codec,
                      lossy[_i].pull, step);
    free_seen(&runs[0]);
    free_seen(&runs[1]);
}
END_TEST

enum { RANKS = 5 };

struct both {
    float *summed[RANKS], *pulled[RANKS];
};

static void allreduce(gw_comm *comm, void *context)
{
    struct both *both = context;
    int rank = gw_comm_rank(comm);
    float *x = calloc(ELEMENTS, sizeof *x);
    fill_input(x, ELEMENTS, rank);
    expect(gw_allreduce(comm, x, both->summed[rank], ELEMENTS, GW_F32, GW_MEAN, NULL) == GW_OK,
           "gw_allreduce: %s", gw_comm_error(comm));
    free(x);
}

static void push_once(struct ps_worker *self)
{
    struct both *both = self->context;
    const size_t count = ELEMENTS;
    gw_ps_ticket ticket;
    gw_ps_options o = ps_options(self->room, self->worker, self->workers);
    o.optimizer = "none";
    o.part_count = 1024;
    gw_ps *ps = ps_member(self->room, &o, &count, 1);
    float *x = calloc(ELEMENTS, sizeof *x);
    fill_input(x, ELEMENTS, self->worker);
    const void *const gradients[] = { x };
    void *const values[] = { both->pulled[self->worker] };
    if (ps)
        ps_done(ps, gw_ps_push_pull(ps, gradients, values, NULL, &ticket), &ticket);
    gw_ps_close(ps);
    free(x);
}

START_TEST(as_an_allreduce)
{
    struct ps_room room;
    struct both both;
    for (int r = 0; r < RANKS; r++) {
        both.summed[r] = calloc(ELEMENTS, sizeof(float));
        both.pulled[r] = calloc(ELEMENTS, sizeof(float));
    }
    ps_open(&room, PS_TCP, 2, NULL);
    setenv("GRADWIRE_CODEC", "raw", 1);
    run_ranks(RANKS, allreduce, &both);
    ps_run(&room, RANKS, push_once, &both);
    ps_close(&room);
    for (int r = 0; r < RANKS; r++) {
        ck_assert_msg(memcmp(both.summed[0], both.pulled[r], ELEMENTS * 4) == 0,
                      "worker %d pulled other bits than an allreduce gives", r);
    }
    for (int r = 0; r < RANKS; r++) {
        free(both.summed[r]);
        free(both.pulled[r]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ps");
    TCase *t = tcase_create("ps");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, wires, 0, PS_WIRES);
    tcase_add_loop_test(t, modes_and_codecs, 0, MODES * EXACT);
    tcase_add_loop_test(t, modes_on_two_servers, 0, MODES);
    tcase_add_loop_test(t, same_bits_twice, 0, LOSSY);
    tcase_add_test(t, as_an_allreduce);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
