/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every allocation of two ranks over tcp: fails once, on whichever thread it is made: a status
 * comes back on both ranks, and nothing is left behind. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scarce_memory.h"
#include "tests/tcp_ranks.h"

struct rank {
    pthread_t thread;
    char spec[320];
    gw_status status;
    size_t kept; /* buffers that a cancel could not give back: they are never freed */
};

static gw_status finish(gw_comm *comm, struct gw_op *op)
{
    int64_t deadline = gw_now_ns() + comm->timeout_ns;
    gw_status s;
    while ((s = gw_comm_test(comm, op, NULL)) == GW_PENDING && gw_now_ns() < deadline)
        gw_comm_pause(comm, deadline);
    if (s != GW_PENDING)
        return s;
    if (!gw_comm_cancel(comm, op))
        abort();
    return GW_ETIMEOUT;
}

/* Two messages to the other rank: one that is waited for, one that comes too early. */
static gw_status talk(gw_comm *comm)
{
    uint8_t out = 1, in[2] = { 0 };
    struct gw_op *ops[4] = { NULL };
    int peer = comm->size - 1 - comm->rank;
    gw_status s = gw_comm_recv(comm, peer, 5, in, 1, &ops[0]);
    s = s ? s : gw_comm_send(comm, peer, 6, &out, 1, &ops[1]);
    s = s ? s : gw_comm_send(comm, peer, 5, &out, 1, &ops[2]);
    for (int i = 0; i < 3; i++) {
        gw_status t = ops[i] ? finish(comm, ops[i]) : GW_OK;
        s = s ? s : t;
    }
    s = s ? s : gw_comm_recv(comm, peer, 6, in + 1, 1, &ops[3]);
    return s ? s : finish(comm, ops[3]);
}

static void *live(void *argument)
{
    struct rank *self = argument;
    gw_comm *comm = NULL, *part = NULL;
    self->status = gw_comm_open(&comm, self->spec);
    if (self->status)
        return NULL;
    gw_status s = talk(comm);
    s = s ? s : gw_comm_split(&part, comm, 0, 0);
    s = s ? s : gw_barrier(part);
    self->kept = comm->kept_count + (part ? part->kept_count : 0);
    gw_comm_close(part);
    gw_comm_close(comm);
    self->status = s;
    return NULL;
}

/* The other rank may hear of it as a loss, a silence or a failed peer; or not at all. */
START_TEST(one_allocation_of_all)
{
    setenv("GRADWIRE_TIMEOUT", "0.1", 1);
    for (int site = _i;; site += 4) {
        struct tcp_folder folder;
        struct rank ranks[2] = { { .kept = 0 } };
        tcp_folder_open(&folder, TCP_UNIX, 2);
        long before = scarce_alive();
        for (int r = 0; r < 2; r++)
            tcp_folder_spec(&folder, "", r, ranks[r].spec, sizeof ranks[r].spec);
        scarce_at(site);
        for (int r = 0; r < 2; r++)
            if (pthread_create(&ranks[r].thread, NULL, live, &ranks[r]))
                abort(); /* Check's own allocations would be counted */
        for (int r = 0; r < 2; r++)
            pthread_join(ranks[r].thread, NULL);
        bool walked = scarce_end() == 0;
        long left = scarce_alive() - before;
        tcp_folder_close(&folder);
        ck_assert_msg(left == (long)(ranks[0].kept + ranks[1].kept),
                      "allocation %d failed: %ld blocks are left (%s, %s)", site, left,
                      gw_status_name(ranks[0].status), gw_status_name(ranks[1].status));
        if (walked) {
            ck_assert_int_gt(site, 50);
            return;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tcp_memory");
    TCase *t = tcase_create("walk");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, one_allocation_of_all, 0, 4);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
