/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every allocation of comm/ fails once: a status comes back and nothing is left behind. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"
#include "tests/scarce_memory.h"

/* ---- what is walked -------------------------------------------------------------------------- */

/* A message around the ring. Operations that started are over or given up at the end. */
static gw_status pass_on(gw_comm *comm)
{
    uint8_t out = 1, in = 0;
    struct gw_op *ops[2] = { NULL, NULL };
    gw_status s =
        gw_comm_recv(comm, (comm->rank + comm->size - 1) % comm->size, 5, &in, 1, &ops[0]);
    if (!s)
        s = gw_comm_send(comm, (comm->rank + 1) % comm->size, 5, &out, 1, &ops[1]);
    int64_t deadline = gw_now_ns() + comm->timeout_ns;
    for (int i = 0; i < 2 && ops[i]; i++) {
        gw_status t;
        while ((t = gw_comm_test(comm, ops[i], NULL)) == GW_PENDING && gw_now_ns() < deadline && !s)
            gw_comm_pause(comm, deadline);
        if (t == GW_PENDING) {
            (void)gw_comm_cancel(comm, ops[i]);
            t = GW_ETIMEOUT;
        }
        s = s ? s : t;
    }
    return s;
}

static gw_status exchange(gw_comm *comm)
{
    char *texts[8] = { NULL }, *text = NULL;
    gw_status s = gw_control_gather_text(comm, "some text", texts, NULL);
    for (int r = 0; r < comm->size && comm->rank == 0; r++)
        free(texts[r]);
    s = s ? s : gw_control_broadcast_text(comm, comm->rank == 0 ? "other" : NULL, &text, NULL);
    free(text);
    return s;
}

static gw_status live(const char *spec)
{
    gw_comm *comm = NULL, *part = NULL;
    gw_status s = gw_comm_open(&comm, spec);
    if (s)
        return s;
    s = pass_on(comm);
    s = s ? s : gw_comm_split(&part, comm, 0, 0);
    s = s ? s : exchange(part);
    gw_comm_close(part);
    gw_comm_close(comm);
    return s;
}

START_TEST(one_rank)
{
    static const char *const specs[] = { "self:", "env:", "shaped:latency=1us/self:",
                                         "shaped:latency=1us/local:ranks=1,rank=0" };
    for (int site = 0;; site++) {
        long before = scarce_alive(); /* the test framework's own */
        scarce_at(site);
        gw_status s = live(specs[_i]);
        bool walked = scarce_end() == 0;
        long left = scarce_alive() - before;
        ck_assert_msg(left == 0, "%s: allocation %d failed: %ld blocks are left", specs[_i], site,
                      left);
        if (walked) {
            ck_assert_msg(s == GW_OK, "%s: %s", specs[_i], gw_status_name(s));
            ck_assert_int_gt(site, 10);
            return;
        }
        ck_assert_msg(s == GW_ENOMEM, "%s: allocation %d failed: expected GW_ENOMEM, got %s",
                      specs[_i], site, gw_status_name(s));
    }
}
END_TEST

/* ---- three ranks, of which one runs out of memory -------------------------------------------- */

enum { RANKS = 3 };

struct rank_thread {
    pthread_t thread;
    int rank;
    bool runs_out;
    gw_status status;
};

static _Thread_local bool runs_out;

static bool has_plenty(void)
{
    return !runs_out;
}

static void *run_rank(void *argument)
{
    struct rank_thread *self = argument;
    char spec[80];
    snprintf(spec, sizeof spec, "local:ranks=%d,rank=%d,name=memory", RANKS, self->rank);
    runs_out = self->runs_out;
    self->status = live(spec);
    return NULL;
}

START_TEST(one_of_three)
{
    setenv("GRADWIRE_TIMEOUT", "0.15", 1);
    scarce_spare(has_plenty);
    for (int site = 0;; site++) {
        struct rank_thread ranks[RANKS];
        long before = scarce_alive();
        scarce_at(site);
        for (int r = 0; r < RANKS; r++) {
            ranks[r] = (struct rank_thread){ .rank = r, .runs_out = r == _i };
            ck_assert_int_eq(pthread_create(&ranks[r].thread, NULL, run_rank, &ranks[r]), 0);
        }
        for (int r = 0; r < RANKS; r++)
            pthread_join(ranks[r].thread, NULL);
        bool walked = scarce_end() == 0;
        long left = scarce_alive() - before;
        ck_assert_msg(left == 0, "rank %d, allocation %d: %ld blocks are left", _i, site, left);
        for (int r = 0; r < RANKS && walked; r++)
            ck_assert_msg(ranks[r].status == GW_OK, "rank %d: %s", r,
                          gw_status_name(ranks[r].status));
        if (walked)
            return;
        ck_assert_msg(ranks[_i].status == GW_ENOMEM, "rank %d, allocation %d: %s", _i, site,
                      gw_status_name(ranks[_i].status));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("comm_memory");
    TCase *t = tcase_create("walk");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, one_rank, 0, 4);
    tcase_add_loop_test(t, one_of_three, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
