/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A comm that two threads use: its caller's, and the progress thread. One lock is held around
 * everything that touches the transport or moves plans. The progress thread never waits for it and
 * makes way for callers. A second lock, held for moments only, guards what a caller must reach
 * while the first is taken: the list of plans under way, and the ends of runs.
 *
 * A comm without a progress thread has none of this. */
#include <pthread.h>
#include <stdlib.h>

#include "comm/comm.h"

struct gw_access {
    pthread_mutex_t lock; /* recursive: public calls make public calls */
    atomic_int wanted;    /* callers that wait for it */
    atomic_bool broken;
    pthread_mutex_t bell;
    pthread_cond_t rung;
};

gw_status gw_comm_open_access(gw_comm *comm, struct gw_error *error)
{
    if (comm->access)
        return GW_OK;
    struct gw_access *access = calloc(1, sizeof *access);
    if (!access)
        return gw_fail(error, GW_ENOMEM, "not enough memory for the progress thread");
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&access->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&access->bell, NULL);
    pthread_cond_init(&access->rung, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_lock(&access->lock);
    comm->access = access;
    return GW_OK;
}

void gw_comm_close_access(gw_comm *comm)
{
    struct gw_access *access = comm->access;
    if (!access)
        return;
    pthread_mutex_destroy(&access->lock);
    pthread_mutex_destroy(&access->bell);
    pthread_cond_destroy(&access->rung);
    free(access);
    comm->access = NULL;
}

void gw_comm_enter(gw_comm *comm)
{
    struct gw_access *access = comm->access;
    if (!access)
        return;
    atomic_fetch_add(&access->wanted, 1);
    pthread_mutex_lock(&access->lock);
    atomic_fetch_sub(&access->wanted, 1);
}

void gw_comm_leave(gw_comm *comm)
{
    if (comm->access)
        pthread_mutex_unlock(&comm->access->lock);
}

bool gw_comm_try_enter(gw_comm *comm)
{
    return atomic_load(&comm->access->wanted) == 0 &&
           pthread_mutex_trylock(&comm->access->lock) == 0;
}

bool gw_comm_wanted(const gw_comm *comm)
{
    return comm->access && atomic_load_explicit(&comm->access->wanted, memory_order_relaxed) > 0;
}

void gw_comm_note_broken(gw_comm *comm)
{
    if (comm->access)
        atomic_store(&comm->access->broken, true);
}

bool gw_comm_is_broken(const gw_comm *comm)
{
    return comm->access ? atomic_load(&comm->access->broken) : comm->broken.status != GW_OK;
}

void gw_comm_lock_list(gw_comm *comm)
{
    if (comm->access)
        pthread_mutex_lock(&comm->access->bell);
}

void gw_comm_unlock_list(gw_comm *comm)
{
    if (comm->access)
        pthread_mutex_unlock(&comm->access->bell);
}

void gw_comm_announce(gw_comm *comm, atomic_int *word, int value)
{
    struct gw_access *access = comm->access;
    if (!access) {
        atomic_store_explicit(word, value, memory_order_relaxed);
        return;
    }
    pthread_mutex_lock(&access->bell);
    atomic_store(word, value);
    pthread_cond_broadcast(&access->rung);
    pthread_mutex_unlock(&access->bell);
}

bool gw_comm_await(gw_comm *comm, const atomic_int *word, int value, int64_t until_ns)
{
    struct gw_access *access = comm->access;
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
                              .tv_nsec = (long)(until_ns % 1000000000) };
    pthread_mutex_lock(&access->bell);
    int code = 0;
    while (atomic_load(word) == value && code == 0)
        code = pthread_cond_timedwait(&access->rung, &access->bell, &until);
    bool changed = atomic_load(word) != value;
    pthread_mutex_unlock(&access->bell);
    return changed;
}
