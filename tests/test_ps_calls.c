/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The calls of gradwire/ps.h one by one, over a real socket: tickets, what is refused and with
 * which words, learning rates, counts, and what is saved and read back. */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ps_room.h"

enum { COUNT = 3000 };
static const size_t counts[] = { COUNT };

static struct ps_room room;
static float g[COUNT], w[COUNT];
static const void *const gradients[] = { g };
static void *const values[] = { w };

static gw_ps *member(int worker, int workers, const char *optimizer, const char *codec)
{
    gw_ps_options o = ps_options(&room, worker, workers);
    o.optimizer = optimizer;
    o.codec = codec;
    gw_ps *ps = ps_member(&room, &o, counts, 1);
    ck_assert_ptr_nonnull(ps);
    return ps;
}

static void good(gw_ps *ps, gw_status status)
{
    ck_assert_msg(status == GW_OK, "%s: %s", gw_status_name(status), gw_ps_error(ps));
}

static void bad(gw_ps *ps, gw_status status, gw_status expected, const char *words)
{
    ck_assert_msg(status == expected && strstr(gw_ps_error(ps), words),
                  "expected %s '%s', got %s '%s'", gw_status_name(expected), words,
                  gw_status_name(status), gw_ps_error(ps));
}

static void step(gw_ps *ps)
{
    gw_ps_ticket ticket;
    good(ps, gw_ps_push_pull(ps, gradients, values, NULL, &ticket));
    good(ps, gw_ps_wait(ps, ticket));
}

/* ---- tickets --------------------------------------------------------------------------------- */

START_TEST(tickets)
{
    gw_ps_ticket t[GW_PS_PUSHES + 1], pull;
    ps_open(&room, PS_UNIX, 1, NULL);
    gw_ps *ps = member(0, 1, NULL, NULL);
    bad(ps, gw_ps_wait(ps, 99), GW_EINVAL, "no ticket 99");
    bad(ps, gw_ps_test(ps, 99), GW_EINVAL, "no ticket 99");
    good(ps, gw_ps_wait(ps, 0)); /* all of none */
    good(ps, gw_ps_test(ps, 0));
    good(ps, gw_ps_push(ps, gradients, NULL, &t[0]));
    ck_assert_uint_ne(t[0], 0);
    good(ps, gw_ps_wait(ps, t[0]));
    bad(ps, gw_ps_wait(ps, t[0]), GW_EINVAL, "no ticket"); /* spent */
    good(ps, gw_ps_pull(ps, values, &pull));
    bad(ps, gw_ps_pull(ps, values, &t[0]), GW_ESTATE, "pull is under way");
    bad(ps, gw_ps_push_pull(ps, gradients, values, NULL, &t[0]), GW_ESTATE, "pull is under way");
    gw_status s = GW_PENDING;
    while (s == GW_PENDING)
        s = gw_ps_test(ps, pull);
    good(ps, s);
    bad(ps, gw_ps_test(ps, pull), GW_EINVAL, "no ticket");
    /* Tickets are done in any order; a ticket that is never waited for is not forgotten. */
    for (int i = 0; i < GW_PS_PUSHES; i++)
        good(ps, gw_ps_push(ps, gradients, NULL, &t[i]));
    good(ps, gw_ps_wait(ps, t[GW_PS_PUSHES - 1]));
    good(ps, gw_ps_wait(ps, t[0]));
    good(ps, gw_ps_wait(ps, 0));
    bad(ps, gw_ps_wait(ps, t[1]), GW_EINVAL, "no ticket");
    good(ps, gw_ps_leave(ps));
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

/* A round that another worker keeps from ending: pushes are acknowledged, pulls are not answered,
 * and no more than so many may be under way. */
START_TEST(pending)
{
    gw_ps_ticket push, pull, more;
    ps_open(&room, PS_TCP, 1, NULL);
    gw_ps *ps = member(0, 2, "none", NULL), *other = member(1, 2, "none", NULL);
    for (int i = 0; i < COUNT; i++)
        g[i] = 3;
    w[0] = -1;
    good(ps, gw_ps_push(ps, gradients, NULL, &push));
    good(ps, gw_ps_wait(ps, push));
    good(ps, gw_ps_pull(ps, values, &pull));
    ck_assert_int_eq(gw_ps_test(ps, pull), GW_PENDING);
    ck_assert_int_eq(gw_ps_test(ps, 0), GW_PENDING);
    ck_assert(w[0] == -1);
    /* Beyond what waits at the server, acknowledgements wait too. */
    gw_status s = GW_OK;
    int pushed = 0;
    for (; pushed < 20 && !s; pushed++)
        s = gw_ps_push(ps, gradients, NULL, &more);
    bad(ps, s, GW_ESTATE, "gw_ps_push"); /* of pushes or of tickets, as they were acknowledged */
    ck_assert_int_eq(gw_ps_test(ps, pull), GW_PENDING);
    for (int i = 0; i < COUNT; i++)
        g[i] = 5;
    step(other); /* of the same round */
    ck_assert(w[0] == 4);
    w[0] = -1;
    good(ps, gw_ps_wait(ps, pull));
    ck_assert_msg(w[0] == 4, "expected the mean of 3 and 5, got %g", (double)w[0]);
    gw_ps_close(other);
    good(ps, gw_ps_leave(ps));
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

START_TEST(order_of_calls)
{
    gw_ps *ps;
    gw_ps_ticket ticket;
    char state[8];
    size_t written;
    const gw_tensor layout[] = { { "t0", COUNT } };
    ps_open(&room, PS_UNIX, 1, NULL);
    gw_ps_options o = ps_options(&room, 0, 1);
    good(NULL, gw_ps_open(&ps, room.addresses, &o));
    bad(ps, gw_ps_push(ps, gradients, NULL, &ticket), GW_ESTATE, "gw_ps_register");
    bad(ps, gw_ps_pull(ps, values, &ticket), GW_ESTATE, "gw_ps_register");
    bad(ps, gw_ps_leave(ps), GW_ESTATE, "gw_ps_register");
    bad(ps, gw_ps_save(ps, state, sizeof state, &written), GW_ESTATE, "gw_ps_register");
    ck_assert_str_eq(gw_ps_terms(ps), "");
    ck_assert_uint_eq(gw_ps_state_bytes(ps), 0);
    good(ps, gw_ps_register(ps, layout, 1, NULL));
    bad(ps, gw_ps_register(ps, layout, 1, NULL), GW_ESTATE, "already");
    ck_assert_msg(strstr(gw_ps_terms(ps), "mode: sync\n") &&
                      strstr(gw_ps_terms(ps), "tensor: 3000 raw t0"),
                  "the terms are\n%s", gw_ps_terms(ps));
    const void *const nothing[] = { NULL };
    bad(ps, gw_ps_push(ps, nothing, NULL, &ticket), GW_EINVAL, "tensor 0 is NULL");
    bad(ps, gw_ps_pull(ps, (void *const *)nothing, &ticket), GW_EINVAL, "tensor 0 is NULL");
    good(ps, gw_ps_leave(ps));
    bad(ps, gw_ps_push(ps, gradients, NULL, &ticket), GW_ESTATE, "has left");
    bad(ps, gw_ps_pull(ps, values, &ticket), GW_ESTATE, "has left");
    bad(ps, gw_ps_leave(ps), GW_ESTATE, "has left");
    gw_ps_close(ps);
    gw_ps_close(NULL);
    ps_close(&room);
}
END_TEST

START_TEST(bad_options)
{
    static const struct {
        const char *addresses, *words;
        gw_ps_options options;
        gw_status status;
    } wrong[] = {
        { "tcp:127.0.0.1:1", "worker -1", { .worker = -1 }, GW_EINVAL },
        { "tcp:127.0.0.1:1", "timeout", { .timeout_s = -1 }, GW_EINVAL },
        { "tcp:127.0.0.1:1", "part_count 7", { .part_count = 7 }, GW_EINVAL },
        { "tcp:127.0.0.1:1", "nonfinite", { .nonfinite = (gw_nonfinite)77 }, GW_EINVAL },
        { "tcp:127.0.0.1:1", "did you mean 'quorum'", { .mode = "quorun" }, GW_ESPEC },
        { "tcp:127.0.0.1:1", "optimizer", { .optimizer = "adamm" }, GW_ESPEC },
        { "tcp:127.0.0.1:1", "/nowhere/keys", { .keys = "/nowhere/keys" }, GW_EIO },
        { "tcp:192.0.2.1:1", "gradwire key", { .worker = 0 }, GW_ENOTSUP },
        { "http://x", "http", { .worker = 0 }, GW_ESPEC },
        { "", "address", { .worker = 0 }, GW_ESPEC },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gw_ps *ps;
        gw_status s = gw_ps_open(&ps, wrong[i].addresses, &wrong[i].options);
        ck_assert_msg(s == wrong[i].status && strstr(gw_ps_error(NULL), wrong[i].words),
                      "row %zu: expected %s '%s', got %s '%s'", i, gw_status_name(wrong[i].status),
                      wrong[i].words, gw_status_name(s), gw_ps_error(NULL));
    }
}
END_TEST

/* A gradient that is refused has changed nothing: the run goes on as if it had never been tried. */
START_TEST(nonfinite)
{
    gw_ps_ticket ticket;
    float kept[2][COUNT];
    for (int k = 0; k < 2; k++) {
        ps_open(&room, PS_UNIX, 1, NULL);
        gw_ps *ps = member(0, 1, "adam", "ef+qsgd:bits=2");
        for (int n = 0; n < 5; n++) {
            ps_fill(g, COUNT, 3, 0, n);
            float was = g[1234];
            g[1234] = n & 1 ? NAN : -INFINITY;
            if (k) {
                bad(ps, gw_ps_push(ps, gradients, NULL, &ticket), GW_ENONFINITE, "1234");
                ck_assert_ptr_nonnull(strstr(gw_ps_error(ps), "t0"));
                bad(ps, gw_ps_push_pull(ps, gradients, values, NULL, &ticket), GW_ENONFINITE, "t0");
            }
            g[1234] = was;
            step(ps);
        }
        memcpy(kept[k], w, sizeof w);
        gw_ps_close(ps);
        ps_close(&room);
    }
    ck_assert_msg(memcmp(kept[0], kept[1], sizeof w) == 0,
                  "a refused gradient has changed what came after");
}
END_TEST

/* ---- what counts ----------------------------------------------------------------------------- */

START_TEST(rates)
{
    gw_ps_ticket ticket;
    ps_open(&room, PS_UNIX, 1, NULL);
    gw_ps *ps = member(0, 1, "sgd:lr=0.5", NULL);
    for (int i = 0; i < COUNT; i++)
        g[i] = 1;
    step(ps);
    ck_assert(w[7] == -0.5f);
    const gw_ps_push_options fast = { .rate = 2 };
    good(ps, gw_ps_push_pull(ps, gradients, values, &fast, &ticket));
    good(ps, gw_ps_wait(ps, ticket));
    ck_assert_msg(w[7] == -2.5f, "expected -2.5, got %g", (double)w[7]);
    step(ps); /* that rate was for that push */
    ck_assert(w[7] == -3);
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

START_TEST(counts_of_a_worker)
{
    gw_ps_figures stats;
    gw_ps_ticket ticket;
    ps_open(&room, PS_TCP, 1, NULL);
    gw_ps *ps = member(0, 1, NULL, "ef+sign");
    ps_fill(g, COUNT, 1, 0, 0);
    for (int i = 0; i < 3; i++)
        step(ps);
    good(ps, gw_ps_push(ps, gradients, NULL, &ticket));
    good(ps, gw_ps_wait(ps, ticket));
    good(ps, gw_ps_stats(ps, &stats));
    ck_assert_uint_eq(stats.pushes, 4);
    ck_assert_uint_eq(stats.pulls, 3);
    ck_assert_uint_eq(stats.round, 3);
    ck_assert_uint_eq(stats.contributors, 1);
    ck_assert_uint_eq(stats.members, 1);
    ck_assert_uint_eq(stats.dropped, 0);
    ck_assert_uint_eq(stats.resent, 0);
    ck_assert_uint_eq(stats.reconnects, 0);
    ck_assert_uint_eq(stats.raw_sent_bytes, 4 * sizeof g);
    ck_assert_uint_eq(stats.raw_received_bytes, 3 * sizeof g);
    ck_assert_uint_gt(stats.received_bytes, stats.raw_received_bytes);
    ck_assert(stats.push_ratio > 2 && stats.pull_ratio > 0.9 && stats.pull_ratio < 1);
    ck_assert(stats.error_norm > 0);
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

/* ---- what is saved --------------------------------------------------------------------------- */

START_TEST(save_and_load)
{
    float kept[2][COUNT];
    uint8_t *state = NULL;
    size_t bytes = 0, written;
    for (int k = 0; k < 2; k++) {
        ps_open(&room, PS_UNIX, 1, NULL);
        gw_ps *ps = member(0, 1, "momentum", "ef+topk:ratio=0.05");
        for (int n = 0; n < 6; n++) {
            if (k == 1 && n == 3) { /* another process takes over */
                bytes = gw_ps_state_bytes(ps);
                state = malloc(bytes);
                bad(ps, gw_ps_save(ps, state, bytes - 1, &written), GW_ECAPACITY, "buffer");
                good(ps, gw_ps_save(ps, state, bytes, &written));
                ck_assert_uint_eq(written, bytes);
                gw_ps_close(ps);
                ps = member(0, 1, "momentum", "ef+topk:ratio=0.05");
                state[bytes / 2] ^= 1;
                ck_assert_int_eq(gw_ps_load(ps, state, bytes), GW_EPAYLOAD);
                state[bytes / 2] ^= 1;
                ck_assert_int_eq(gw_ps_load(ps, state, bytes - 1), GW_EPAYLOAD);
                good(ps, gw_ps_load(ps, state, bytes));
            }
            ps_fill(g, COUNT, 4, 0, n);
            step(ps);
        }
        memcpy(kept[k], w, sizeof w);
        gw_ps_close(ps);
        ps_close(&room);
    }
    ck_assert_msg(memcmp(kept[0], kept[1], sizeof w) == 0,
                  "a worker that went on from a saved state gave other bits");
    ps_open(&room, PS_UNIX, 1, NULL);
    gw_ps *ps = member(1, 1, "momentum", "ef+topk:ratio=0.05");
    bad(ps, gw_ps_load(ps, state, bytes), GW_EMISMATCH, "worker");
    gw_ps_close(ps);
    ps_close(&room);
    free(state);
}
END_TEST

START_TEST(first_values)
{
    gw_ps *ps[2];
    gw_ps_ticket ticket;
    const gw_tensor layout[] = { { "t0", COUNT } };
    const void *const initial[] = { g }, *const none[] = { NULL };
    ps_open(&room, PS_TCP, 1, NULL);
    ps_fill(g, COUNT, 9, 0, 0);
    for (int i = 0; i < 2; i++) {
        gw_ps_options o = ps_options(&room, i, 2);
        good(NULL, gw_ps_open(&ps[i], room.addresses, &o));
        bad(ps[i], gw_ps_register(ps[i], layout, 1, none), GW_EINVAL, "'t0' has no initial");
        good(ps[i], gw_ps_register(ps[i], layout, 1, initial));
        memset(w, 0, sizeof w);
        good(ps[i], gw_ps_pull(ps[i], values, &ticket));
        good(ps[i], gw_ps_wait(ps[i], ticket));
        ck_assert(memcmp(w, g, sizeof w) == 0);
    }
    gw_ps_close(ps[0]);
    gw_ps_close(ps[1]);
    ps_close(&room);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ps_calls");
    TCase *t = tcase_create("calls");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, tickets);
    tcase_add_test(t, pending);
    tcase_add_test(t, order_of_calls);
    tcase_add_test(t, bad_options);
    tcase_add_test(t, nonfinite);
    tcase_add_test(t, rates);
    tcase_add_test(t, counts_of_a_worker);
    tcase_add_test(t, save_and_load);
    tcase_add_test(t, first_values);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
