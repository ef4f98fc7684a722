/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Workers that come late, leave, die, are replaced or only look; servers that end and start again
 * under running workers: over real sockets. What others get is checked each time, and so are the
 * words of those who wait. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/ps_room.h"
#include "tests/ranks.h"

enum { COUNT = 4000, STEPS = 30 };
static const size_t counts[] = { COUNT };

static struct ps_room room;
static float g[COUNT], w[COUNT];
static const void *const gradients[] = { g };
static void *const values[] = { w };

static gw_ps_options ledger(int worker, int workers)
{
    gw_ps_options o = ps_options(&room, worker, workers);
    o.optimizer = "sgd:lr=1";
    o.aggregator = "sum";
    o.codec = "ef+topk:ratio=0.1";
    return o;
}

static gw_ps *joined(const gw_ps_options *options)
{
    gw_ps *ps = ps_member(&room, options, counts, 1);
    ck_assert_ptr_nonnull(ps);
    return ps;
}

static void good(gw_ps *ps, gw_status status)
{
    ck_assert_msg(status == GW_OK, "%s: %s", gw_status_name(status), gw_ps_error(ps));
}

static void push(gw_ps *ps, float x)
{
    gw_ps_ticket ticket;
    for (int i = 0; i < COUNT; i++)
        g[i] = x;
    good(ps, gw_ps_push(ps, gradients, NULL, &ticket));
    good(ps, gw_ps_wait(ps, ticket));
}

static void pull(gw_ps *ps)
{
    gw_ps_ticket ticket;
    good(ps, gw_ps_pull(ps, values, &ticket));
    good(ps, gw_ps_wait(ps, ticket));
}

static gw_ps_figures stats_of(gw_ps *ps)
{
    gw_ps_figures stats;
    good(ps, gw_ps_stats(ps, &stats));
    return stats;
}

/* ---- who takes part -------------------------------------------------------------------------- */

START_TEST(late_joiner)
{
    ps_open(&room, PS_TCP, 1, NULL);
    gw_ps_options o = ps_options(&room, 0, 2);
    o.optimizer = "none";
    gw_ps *a = joined(&o);
    o.worker = 1;
    gw_ps *b = joined(&o);
    push(a, 1);
    push(b, 3);
    pull(a);
    ck_assert(w[0] == 2);
    o.worker = 7;
    gw_ps *c = joined(&o);
    pull(c); /* the values of the moment */
    ck_assert(w[0] == 2);
    push(a, 1);
    push(b, 3);
    push(c, 5);
    pull(c);
    ck_assert_msg(w[0] == 3, "expected the mean of 1, 3 and 5, got %g", (double)w[0]);
    ck_assert_uint_eq(stats_of(c).contributors, 3);
    ck_assert_uint_eq(stats_of(c).members, 3);
    good(b, gw_ps_leave(b));
    ps_await(&room, 0, "event=left worker=1", 1);
    push(c, 6);
    push(a, 2);
    pull(a);
    ck_assert(w[0] == 4);
    ck_assert_uint_eq(stats_of(a).contributors, 2);
    ck_assert_uint_eq(stats_of(a).members, 2);
    gw_ps_close(a);
    gw_ps_close(b);
    gw_ps_close(c);
    ps_close(&room);
}
END_TEST

START_TEST(observer)
{
    gw_ps_ticket ticket;
    ps_open(&room, PS_UNIX, 1, NULL);
    gw_ps_options o = ps_options(&room, 0, 1);
    o.optimizer = "none";
    gw_ps *a = joined(&o);
    o.observer = 1; /* of the same number, too */
    gw_ps *look = joined(&o);
    for (int i = 1; i < 5; i++) {
        push(a, (float)i);
        pull(a);
        w[0] = 0;
        pull(look);
        ck_assert_msg(w[0] == (float)i, "expected %d, an observer got %g", i, (double)w[0]);
        ck_assert_uint_eq(stats_of(look).members, 1);
    }
    ck_assert_int_eq(gw_ps_push(look, gradients, NULL, &ticket), GW_ESTATE);
    good(look, gw_ps_leave(look));
    ck_assert_int_eq(ps_said(&room, 0, "event=joined"), 1);
    ck_assert_int_eq(ps_said(&room, 0, "event=left"), 0);
    gw_ps_close(look);
    gw_ps_close(a);
    ps_close(&room);
}
END_TEST

/* One that goes without a word of farewell in the middle of a round: those who wait for it go on
 * when it has been away for lost_s, and what it had given counts. */
START_TEST(closed_in_the_middle)
{
    gw_ps_ticket ticket;
    ps_open(&room, PS_TCP, 1, NULL);
    gw_ps_options o = ps_options(&room, 0, 2);
    o.optimizer = "none";
    gw_ps *a = joined(&o);
    o.worker = 1;
    gw_ps *b = joined(&o);
    push(a, 1);
    push(b, 3);
    pull(a);
    push(a, 8);
    good(a, gw_ps_pull(a, values, &ticket));
    ck_assert_int_eq(gw_ps_test(a, ticket), GW_PENDING);
    gw_ps_close(b); /* says BYE: it is waited for no more */
    good(a, gw_ps_wait(a, ticket));
    ck_assert(w[0] == 8);
    ck_assert_uint_eq(stats_of(a).members, 1);
    /* And one that closes with its own work under way. */
    good(a, gw_ps_push(a, gradients, NULL, &ticket));
    good(a, gw_ps_pull(a, values, &ticket));
    gw_ps_close(a);
    ps_close(&room);
}
END_TEST

/* ---- death ----------------------------------------------------------------------------------- */

/* A child that joins as worker 1 at the address it reads, pushes `x`, says so, and waits to be
 * killed. Forked before this process has threads. */
struct child {
    pid_t id;
    int to, from;
};

static void be_child(int in, int out)
{
    if (read(in, room.addresses, sizeof room.addresses) <= 0)
        _exit(1);
    gw_ps_options o = ps_options(&room, 1, 2);
    o.optimizer = "none";
    gw_ps *ps = joined(&o);
    push(ps, 5);
    if (write(out, "!", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static struct child make_child(void)
{
    int to[2], from[2];
    ck_assert_int_eq(pipe(to) + pipe(from), 0);
    struct child child = { .id = fork(), .to = to[1], .from = from[0] };
    if (child.id == 0)
        be_child(to[0], from[1]);
    ck_assert_int_gt(child.id, 0);
    close(to[0]);
    close(from[1]);
    return child;
}

static void start_child(const struct child *child)
{
    char byte;
    ck_assert_int_gt(write(child->to, room.addresses, sizeof room.addresses), 0);
    ck_assert_int_eq(read(child->from, &byte, 1), 1);
}

static void kill_child(struct child *child)
{
    if (child->id > 0) {
        kill(child->id, SIGKILL);
        waitpid(child->id, NULL, 0);
        close(child->to);
        close(child->from);
    }
    child->id = 0;
}

START_TEST(replaced)
{
    gw_ps_ticket ticket;
    struct child child = make_child();
    ps_open(&room, PS_TCP, 1, &(gw_server_options){ .lost_s = _i ? 1000 : 0.05 });
    gw_ps_options o = ps_options(&room, 0, 2);
    o.optimizer = "none";
    gw_ps *a = joined(&o);
    start_child(&child);
    push(a, 1);
    pull(a);
    ck_assert(w[0] == 3);
    kill_child(&child);
    ps_await(&room, 0, "event=lost worker=1", 1);
    push(a, 7);
    good(a, gw_ps_pull(a, values, &ticket));
    if (_i == 0) { /* not waited for: the round ends without it */
        good(a, gw_ps_wait(a, ticket));
        ck_assert(w[0] == 7);
        ck_assert_uint_eq(stats_of(a).contributors, 1);
        ck_assert_uint_eq(stats_of(a).members, 2);
        ck_assert_int_eq(ps_said(&room, 0, "event=dead worker=1"), 1);
        push(a, 7);
        good(a, gw_ps_pull(a, values, &ticket));
        good(a, gw_ps_wait(a, ticket));
        ck_assert(w[0] == 7);
    }
    o.worker = 1;
    gw_ps *b = joined(&o);
    ck_assert_int_eq(ps_said(&room, 0, "event=replaced worker=1 epoch=2"), 1);
    if (_i == 0)
        push(a, 7);
    push(b, 9);
    pull(b);
    ck_assert_msg(w[0] == 8, "expected the mean of 7 and 9, got %g", (double)w[0]);
    gw_ps_close(b);
    gw_ps_close(a);
    ps_close(&room);
}
END_TEST

/* ---- deadlines ------------------------------------------------------------------------------- */

START_TEST(whom_it_waits_for)
{
    gw_ps_ticket ticket;
    gw_ps *all[3];
    ps_open(&room, PS_UNIX, 1, NULL);
    gw_ps_options o = ps_options(&room, 0, 3);
    o.timeout_s = 1; /* the words come with a beat, which takes half a second */
    all[0] = joined(&o);
    push(all[0], 1);
    good(all[0], gw_ps_pull(all[0], values, &ticket));
    gw_status s = gw_ps_wait(all[0], ticket);
    ck_assert_msg(s == GW_ETIMEOUT && strstr(gw_ps_error(all[0]), "1 of 3 workers have come"),
                  "%s: %s", gw_status_name(s), gw_ps_error(all[0]));
    for (o.worker = 1; o.worker < 3; o.worker++)
        all[o.worker] = joined(&o);
    s = gw_ps_wait(all[0], ticket); /* it stays */
    ck_assert_msg(s == GW_ETIMEOUT &&
                      strstr(gw_ps_error(all[0]), "round 1 waits for worker 1, 2") &&
                      strstr(gw_ps_error(all[0]), room.addresses),
                  "%s: %s", gw_status_name(s), gw_ps_error(all[0]));
    push(all[1], 1);
    push(all[2], 1);
    good(all[0], gw_ps_wait(all[0], ticket));
    for (int i = 0; i < 3; i++)
        gw_ps_close(all[i]);
    ps_close(&room);
}
END_TEST

/* ---- servers that start again ---------------------------------------------------------------- */

struct training {
    int restarts; /* after so many steps of worker 0, each */
    float *result;
};

static void train(struct ps_worker *self)
{
    const struct timespec pause = { 0, 2000000 };
    struct training *training = self->context;
    float *x = calloc(COUNT, sizeof *x), *y = calloc(COUNT, sizeof *y);
    const void *const mine[] = { x };
    void *const here[] = { y };
    gw_ps_ticket ticket;
    gw_ps_options o = ledger(self->worker, self->workers);
    gw_ps *ps = ps_member(self->room, &o, counts, 1);
    for (int step = 0; ps && step < STEPS; step++) {
        ps_fill(x, COUNT, 21, self->worker, step);
        if (!ps_done(ps, gw_ps_push_pull(ps, mine, here, NULL, &ticket), &ticket))
            break;
        nanosleep(&pause, NULL);
    }
    if (ps)
        expect(gw_ps_leave(ps) == GW_OK, "worker %d leaves: %s", self->worker, gw_ps_error(ps));
    if (ps && training->restarts) {
        gw_ps_figures stats;
        expect(gw_ps_stats(ps, &stats) == GW_OK && stats.reconnects > 0,
               "worker %d never had to connect again", self->worker);
    }
    gw_ps_close(ps);
    free(x);
    free(y);
}

static void run_training(struct training *training, const char *durability, int servers)
{
    struct ps_worker workers[3];
    ps_open(&room, PS_TCP, servers, &(gw_server_options){ .durability = durability });
    for (int i = 0; i < 3; i++) {
        workers[i] = (struct ps_worker){
            .room = &room, .worker = i, .workers = 3, .body = train, .context = training
        };
        ps_start(&workers[i]);
    }
    for (int k = 0; k < servers; k++)
        ps_await(&room, k, "event=values", 1);
    for (int i = 0; i < training->restarts; i++) {
        const struct timespec pause = { 0, 15000000 };
        nanosleep(&pause, NULL);
        ps_restart(&room, i % servers);
        ps_await(&room, i % servers, "event=back", i / servers + 1);
    }
    for (int i = 0; i < 3; i++)
        ps_join(&workers[i]);
    void *const result[] = { training->result };
    gw_ps_options o = ledger(0, 3);
    ps_observe(&room, &o, counts, 1, result);
    ps_close(&room);
}

START_TEST(restarts)
{
    static const char *const durabilities[] = { "log:every=4", "log:every=1000",
                                                "snapshot:every=1" };
    static float got[COUNT];
    struct training training = { .restarts = 4, .result = got };
    run_training(&training, durabilities[_i], 1 + (_i == 0));
    for (size_t i = 0; i < COUNT; i++) {
        float given = 0;
        for (int r = 0; r < 3; r++)
            for (int step = 0; step < STEPS; step++)
                given += ps_dyadic(21, r, step, i);
        ck_assert_msg(got[i] == -given,
                      "durability %s: element %zu is %g after restarts, expected %g",
                      durabilities[_i], i, (double)got[i], (double)-given);
    }
}
END_TEST

/* Without durability the parameters are lost with the server, and workers say so. */
START_TEST(nothing_kept)
{
    gw_ps_ticket ticket;
    ps_open(&room, PS_TCP, 1, NULL);
    gw_ps_options o = ps_options(&room, 0, 1);
    gw_ps *ps = joined(&o);
    push(ps, 1);
    pull(ps);
    ps_restart(&room, 0);
    gw_status s = gw_ps_push(ps, gradients, NULL, &ticket);
    if (!s)
        s = gw_ps_wait(ps, ticket);
    ck_assert_msg(s == GW_ESTATE && strstr(gw_ps_error(ps), "has lost its parameters") &&
                      strstr(gw_ps_error(ps), "durability"),
                  "%s: %s", gw_status_name(s), gw_ps_error(ps));
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ps_life");
    TCase *t = tcase_create("life");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, late_joiner);
    tcase_add_test(t, observer);
    tcase_add_test(t, closed_in_the_middle);
    tcase_add_loop_test(t, replaced, 0, 2);
    tcase_add_test(t, whom_it_waits_for);
    tcase_add_loop_test(t, restarts, 0, 3);
    tcase_add_test(t, nothing_kept);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
