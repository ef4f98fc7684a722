/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every allocation of comm/ fails once: a status comes back and nothing is left behind.
 * The linker sends malloc, calloc, strdup and free of the library through here. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

static _Thread_local int left_until_failure = -1; /* below 0: never */
static atomic_int alive;

static bool fails(void)
{
    return left_until_failure >= 0 && left_until_failure-- == 0;
}

static void *count_alive(void *memory)
{
    if (memory)
        atomic_fetch_add(&alive, 1);
    return memory;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : count_alive(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : count_alive(__real_calloc(count, bytes));
}

char *__wrap_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = fails() ? NULL : count_alive(__real_malloc(bytes));
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&alive, 1);
    __real_free(memory);
}

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
        int before = atomic_load(&alive); /* the test framework's own */
        left_until_failure = site;
        gw_status s = live(specs[_i]);
        bool walked = left_until_failure >= 0;
        left_until_failure = -1;
        int left = atomic_load(&alive) - before;
        ck_assert_msg(left == 0, "%s: allocation %d failed: %d blocks are left", specs[_i], site,
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
    int rank, site;
    bool walked;
    gw_status status;
};

static void *run_rank(void *argument)
{
    struct rank_thread *self = argument;
    char spec[80];
    snprintf(spec, sizeof spec, "local:ranks=%d,rank=%d,name=memory", RANKS, self->rank);
    left_until_failure = self->site;
    self->status = live(spec);
    self->walked = left_until_failure >= 0;
    return NULL;
}

START_TEST(one_of_three)
{
    setenv("GRADWIRE_TIMEOUT", "0.15", 1);
    for (int site = 0;; site++) {
        struct rank_thread ranks[RANKS];
        int before = atomic_load(&alive);
        for (int r = 0; r < RANKS; r++) {
            ranks[r] = (struct rank_thread){ .rank = r, .site = r == _i ? site : -1 };
            ck_assert_int_eq(pthread_create(&ranks[r].thread, NULL, run_rank, &ranks[r]), 0);
        }
        for (int r = 0; r < RANKS; r++)
            pthread_join(ranks[r].thread, NULL);
        int left = atomic_load(&alive) - before;
        ck_assert_msg(left == 0, "rank %d, allocation %d: %d blocks are left", _i, site, left);
        for (int r = 0; r < RANKS && ranks[_i].walked; r++)
            ck_assert_msg(ranks[r].status == GW_OK, "rank %d: %s", r,
                          gw_status_name(ranks[r].status));
        if (ranks[_i].walked)
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
