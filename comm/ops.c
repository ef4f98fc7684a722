/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transports' calls with their checks, the broken state, and what progresses meanwhile. */
#include <sched.h>
#include <stdio.h>

#include "comm/comm.h"

gw_status gw_comm_check(const gw_comm *comm, struct gw_error *error)
{
    if (!comm->broken.status)
        return GW_OK;
    return gw_fail(error, GW_EBROKEN, "the comm is unusable since: %s", comm->broken.text);
}

/* The first failure stays: what follows is its consequence. */
gw_status gw_comm_break(gw_comm *comm, gw_status status, const char *words)
{
    if (!comm->broken.status)
        (void)gw_fail(&comm->broken, status, "%s", words);
    gw_comm_note_broken(comm);
    return status;
}

static gw_status check_peer(const gw_comm *comm, int peer)
{
    if (comm->broken.status)
        return GW_EBROKEN;
    return peer >= 0 && peer < comm->size ? GW_OK : GW_EINVAL;
}

static gw_status started(gw_comm *comm, gw_status status, int peer)
{
    char words[128];
    if (status == GW_ETRANSPORT) {
        snprintf(words, sizeof words, "%s: a message between this rank and rank %d failed",
                 comm->row->info.name, peer);
        (void)gw_comm_break(comm, status, words);
    }
    return status;
}

gw_status gw_comm_send(gw_comm *comm, int peer, unsigned channel, const void *buffer, size_t bytes,
                       struct gw_op **op)
{
    gw_status s = check_peer(comm, peer);
    return s ? s : started(comm, comm->row->send(comm, peer, channel, buffer, bytes, op), peer);
}

gw_status gw_comm_recv(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t capacity,
                       struct gw_op **op)
{
    gw_status s = check_peer(comm, peer);
    return s ? s : started(comm, comm->row->recv(comm, peer, channel, buffer, capacity, op), peer);
}

gw_status gw_comm_test(gw_comm *comm, struct gw_op *op, size_t *bytes)
{
    size_t ignored;
    int peer = op->peer; /* the op may be gone afterwards */
    return started(comm, comm->row->test(comm, op, bytes ? bytes : &ignored), peer);
}

bool gw_comm_cancel(gw_comm *comm, struct gw_op *op)
{
    return comm->row->cancel(comm, op);
}

/* Nobody rings when memory changes: lend the core at first, then sleep, longer and longer, up to
 * what is still less than a scheduler's slice. */
static void pause_polling(gw_comm *comm, int64_t until_ns)
{
    enum { PATIENCE = 2000, LONGEST_NS = 50000 };
    unsigned pauses = comm->idle++;
    if (pauses < PATIENCE) {
        sched_yield();
        return;
    }
    int64_t ns = pauses - PATIENCE < 10 ? 1000 << (pauses - PATIENCE) / 2 : LONGEST_NS;
    int64_t left = until_ns - gw_now_ns();
    if (left > 0)
        gw_sleep_ns(ns < left ? ns : left);
}

void gw_comm_pause(gw_comm *comm, int64_t until_ns)
{
    if (comm->polled > 0) {
        pause_polling(comm, until_ns);
        return;
    }
    comm->row->pause(comm, until_ns);
}

void gw_comm_keep(gw_comm *comm, void *buffer)
{
    if (buffer)
        comm->kept_count++;
}

static struct gw_runnable *after(gw_comm *comm, struct gw_runnable *runnable)
{
    gw_comm_lock_list(comm);
    struct gw_runnable *next = runnable ? runnable->next : comm->runnables;
    gw_comm_unlock_list(comm);
    return next;
}

bool gw_comm_progress(gw_comm *comm)
{
    struct gw_runnable *next;
    bool moved = false;
    for (struct gw_runnable *r = after(comm, NULL); r; r = next) {
        next = after(comm, r); /* it may take itself off the list */
        moved |= r->progress(r);
    }
    return moved;
}

void gw_comm_add_runnable(gw_comm *comm, struct gw_runnable *runnable)
{
    gw_comm_lock_list(comm);
    runnable->next = comm->runnables;
    comm->runnables = runnable;
    gw_comm_unlock_list(comm);
}

void gw_comm_remove_runnable(gw_comm *comm, struct gw_runnable *runnable)
{
    gw_comm_lock_list(comm);
    struct gw_runnable **at = &comm->runnables;
    while (*at && *at != runnable)
        at = &(*at)->next;
    if (*at)
        *at = runnable->next;
    gw_comm_unlock_list(comm);
}
